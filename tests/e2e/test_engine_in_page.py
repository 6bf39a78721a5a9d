"""What the page does at the engine: stopping, waiting in line, adapters in and out."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import EngineServer
from tests.e2e.conftest import ROOT, VIEW, App, watch
from tests.e2e.steps import choose_demo, open_tab, start_draft, status
from tests.serving.models.adapters import make_adapter

pytestmark = pytest.mark.browser
WAIT = 60_000  # milliseconds; a second on an idle machine


@pytest.fixture(scope="module")
def narrow(make_app: Callable[[], App], tmp_path_factory: pytest.TempPathFactory) -> App:
    """An app that lets one request through at a time, with an adapter to load."""
    folder: Path = tmp_path_factory.mktemp("adapters")
    make_adapter(folder / "crimson", seed=7)
    app = make_app()
    app.stop()
    app.environment["ROUNDS_MAX_IN_FLIGHT"] = "1"
    app.environment["ROUNDS_ADAPTER_DIRS"] = json.dumps([str(folder)])
    app.start()
    return app


@pytest.fixture
def narrow_page(narrow: App, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=VIEW)
    watched = watch(context)
    link = new_link(narrow)
    watched.page.goto(link)
    watched.page.wait_for_selector("#start-draft")
    yield watched.page
    context.close()
    assert watched.complaints == []


def new_link(app: App) -> str:
    """Return a fresh sign-in link, as `rounds link` prints it."""
    made = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "link"],
        env=app.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def _running(engine: EngineServer) -> float:
    text = httpx.get(f"{engine.url}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith("vllm:num_requests_running")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _waited(holds: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


def test_stop_in_the_page_leaves_nothing_running_on_the_engine(
    page: Page, engine_server: EngineServer
) -> None:
    choose_demo(page)
    start_draft(page)
    expect(page.locator("#text-diagnoses textarea")).not_to_have_value("", timeout=120_000)
    assert _waited(lambda: _running(engine_server) >= 1)
    page.click("#stop-all")
    assert _waited(lambda: _running(engine_server) == 0)
    expect(status(page, "follow_up")).to_have_text("stopped")
    time.sleep(1)
    assert _running(engine_server) == 0


def test_stopping_to_tag_leaves_nothing_running_either(
    page: Page, engine_server: EngineServer
) -> None:
    open_tab(page, "Tag")
    page.fill("#tag-text textarea", "She has asthma and was given salbutamol. " * 200)
    page.click("#tag")
    expect(page.locator(".progress")).to_contain_text("of 200 parts")
    assert _waited(lambda: _running(engine_server) >= 1)
    page.click("#tag-stop")
    expect(page.locator("#tag-problem")).to_contain_text("Stopped")
    assert _waited(lambda: _running(engine_server) == 0)
    expect(page.locator("#tag")).to_be_enabled()


def test_each_one_in_line_sees_the_place_and_moves_up(narrow_page: Page) -> None:
    choose_demo(narrow_page)
    start_draft(narrow_page)
    last = status(narrow_page, "follow_up")  # the eighth section behind one at a time
    expect(last).to_have_text(re.compile(r"number [1-7] in line"), timeout=120_000)
    expect(last).to_have_text(re.compile("writing|done"), timeout=240_000)


def _choose(page: Page, dropdown: str, option: str) -> None:
    page.locator(f"{dropdown} input").click()
    page.get_by_role("option", name=option).first.click()


def test_an_adapter_is_loaded_assigned_and_unloaded(
    narrow_page: Page, engine_server: EngineServer
) -> None:
    page = narrow_page
    open_tab(page, "Models")
    _choose(page, "#adapter", "crimson")
    page.click("#load-adapter")
    table = page.locator("#models-table")
    expect(table).to_contain_text("crimson@", timeout=WAIT)
    name = str(page.locator("#models-table").inner_text()).split("crimson@")[1][:12]
    key = {"Authorization": f"Bearer {engine_server.key}"}
    served = httpx.get(f"{engine_server.url}/v1/models", headers=key, trust_env=False).text
    assert f"crimson@{name}" in served
    _choose(page, "#assign-task", "Genes and proteins")
    _choose(page, "#assign-model", "crimson@")
    page.click("#assign")
    expect(page.locator("#models-problem")).to_contain_text("answers for ner-gene", timeout=WAIT)
    _choose(page, "#loaded", "crimson@")
    page.click("#unload-adapter")
    expect(page.locator("#models-problem")).to_contain_text(
        "assign another model first", timeout=WAIT
    )
    _choose(page, "#assign-model", engine_server.model.name)
    page.click("#assign")
    said = page.locator("#models-problem")
    expect(said).to_contain_text(f"{engine_server.model.name} answers for", timeout=WAIT)
    _choose(page, "#loaded", "crimson@")
    page.click("#unload-adapter")
    expect(page.locator("#models-problem")).to_contain_text("is unloaded", timeout=WAIT)
    expect(table).not_to_contain_text("crimson@")
