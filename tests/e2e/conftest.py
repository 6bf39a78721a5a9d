"""The real app in a child process, the real engine behind it, and real Chromium in front."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "artifacts" / "screenshots"
CHROMIUM = os.environ.get("ROUNDS_CHROMIUM", "/usr/bin/chromium")
VIEW = {"width": 1280, "height": 720}
START_S = 120.0
expect.set_options(timeout=60_000)  # what happens is tested here, not how fast
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class App:
    """`rounds run` in a process of its own; it can be stopped and started again."""

    environment: dict[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, within_s: float = START_S) -> None:
        """Start it and wait until it answers and its engine is ready."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py"), "run"],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.3)
        raise AssertionError(f"the app did not become ready: {self.log.read_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; SIGKILL is how a crash looks."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def link(self) -> str:
        """Return the newest one-time sign-in link that was printed."""
        links = re.findall(r"http://127\.0\.0\.1:\S+/signin\S+", self.log.read_text())
        assert links, self.log.read_text()
        return str(links[-1])


@pytest.fixture(scope="session")
def make_app(engine_server, tmp_path_factory) -> Iterator[Callable[[], App]]:  # type: ignore[no-untyped-def]
    """Make apps over the run's one engine, each with a home of its own."""
    made: list[App] = []

    def make() -> App:
        home = tmp_path_factory.mktemp("home")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = int(taken.getsockname()[1])
        guard = "ROUNDS_NETGUARD_LOG"  # the app's own connections are watched, too
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith("ROUNDS_") or k == guard
        }
        environment |= {
            "ROUNDS_HOME": str(home),
            "ROUNDS_PORT": str(port),
            "ROUNDS_VLLM_URL": engine_server.url,
            "ROUNDS_VLLM_KEY": engine_server.key,
            "ROUNDS_MODEL": str(engine_server.model.path),
            "ROUNDS_MODELS_DIR": str(engine_server.model.path.parent),
            "PYTHONUNBUFFERED": "1",
        }
        made.append(App(environment, port, home / "printed.log"))
        made[-1].start()
        return made[-1]

    yield make
    for app in made:
        app.stop()


@pytest.fixture(scope="session")
def app(make_app: Callable[[], App]) -> App:
    """The app that most tests share."""
    return make_app()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the run."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page, all it asked for, and all it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def outward(self) -> list[str]:
        """Return the requests that left this machine."""
        own = ("data:", "blob:", "about:")
        return [
            url
            for url in self.requests
            if not url.startswith(own) and urlsplit(url).hostname not in LOOPBACK
        ]


def watch(context: BrowserContext) -> Watched:
    """Open a page and note its requests, errors and dialogs (an alert of a note's, say)."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    watched = Watched(page)
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: watched.complaints.append(said.text) if said.type == "error" else None,
    )

    def refuse(dialog) -> None:  # type: ignore[no-untyped-def]
        watched.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", refuse)
    return watched


@pytest.fixture(scope="session")
def cookies(app: App, browser: Browser):  # type: ignore[no-untyped-def]
    """Sign in by the one-time link, once; the cookies serve the other tests."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(app.link())
    page.wait_for_selector("#start-draft")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def watched(app: App, browser: Browser, cookies) -> Iterator[Watched]:  # type: ignore[no-untyped-def]
    """A fresh signed-in page. At the end: nothing left the machine, nothing complained."""
    context = browser.new_context(viewport=VIEW, storage_state=cookies, accept_downloads=True)
    watched = watch(context)
    watched.page.goto(app.url)
    watched.page.wait_for_selector("#start-draft")
    yield watched
    context.close()
    assert watched.outward() == []
    assert watched.complaints == []


@pytest.fixture
def page(watched: Watched) -> Page:
    """The page of `watched`."""
    return watched.page
