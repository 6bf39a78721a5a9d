"""The whole web app over the real page, with a real store and no engine."""

import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from serving import uploads
from serving.accounts.binding import NotSafeToStart
from serving.accounts.sign_in import create_token, local_account, signin_link
from serving.errors import NotAllowed
from serving.notes import Admission, Note
from serving.settings import Settings
from serving.store.records import SectionText
from serving.workbench import Workbench
from tasks.base import Span
from ui.web import create_app

BASE = "http://127.0.0.1:7860"
NOBODY = "http://127.0.0.1:9"  # the discard port: no engine answers there


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(Settings(home=tmp_path_factory.mktemp("home"), vllm_url=NOBODY))
    yield bench
    bench.store.close()


@pytest.fixture(scope="module")
async def app(bench: Workbench) -> AsyncIterator[FastAPI]:
    # In a running loop, as in `ui.serve`: without one, Gradio makes loops that it never closes.
    # Once for all tests: laying the page out takes seconds.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", "")  # so that what the app sets is undone
        yield create_app(bench)
        uploads.remove(Path(os.environ["GRADIO_TEMP_DIR"]))


@pytest.fixture
def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=BASE)


@pytest.fixture
async def signed_in(client: httpx.AsyncClient, bench: Workbench) -> httpx.AsyncClient:
    response = await client.get(signin_link(bench.store, BASE))
    assert response.status_code == 303
    return client


async def test_the_icon_is_open(client: httpx.AsyncClient) -> None:
    assert (await client.get("/favicon.ico")).status_code == 200


async def test_a_stranger_is_told_how_to_sign_in(client: httpx.AsyncClient) -> None:
    response = await client.get("/", headers={"accept": "text/html"})
    assert response.status_code == 401
    assert ".venv/bin/rounds link" in response.text


GRADIO = ["/config", "/gradio_api/info", "/theme.css", "/assets/x.js", "/gradio_api/queue/data"]


@pytest.mark.parametrize("path", ["/", *GRADIO, "/export/draft/1.md", "/export/tags/1.jsonl"])
async def test_nothing_of_the_page_is_open(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/signout"])
async def test_no_post_is_open(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.post(path)).status_code == 401


async def test_the_link_signs_in_once(client: httpx.AsyncClient, bench: Workbench) -> None:
    link = signin_link(bench.store, BASE)
    first = await client.get(link)
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=strict", "path=/"):
        assert attribute in cookie
    assert (await client.get("/")).status_code == 200
    client.cookies.clear()
    again = await client.get(link)
    assert again.status_code == 401
    assert "has been used or has expired" in again.text
    assert "set-cookie" not in again.headers


async def test_signing_in_gives_a_new_session_whatever_the_cookie_was(
    client: httpx.AsyncClient, bench: Workbench
) -> None:
    client.cookies.set("rounds_session", "planted")
    await client.get(signin_link(bench.store, BASE))
    values = {c.value for c in client.cookies.jar if c.name == "rounds_session"}
    assert any(value and len(value) >= 43 for value in values)
    client.cookies.clear()
    client.cookies.set("rounds_session", "planted")
    assert (await client.get("/")).status_code == 401


async def test_signing_out(signed_in: httpx.AsyncClient) -> None:
    cookies = {"cookie": f"rounds_session={signed_in.cookies['rounds_session']}"}
    assert "You have signed out" in (await signed_in.post("/signout")).text
    assert "rounds_session" not in signed_in.cookies
    assert (await signed_in.get("/", headers=cookies)).status_code == 401


async def test_the_page_names_its_scripts_and_no_foreign_host(
    signed_in: httpx.AsyncClient,
) -> None:
    response = await signed_in.get("/")
    policy = response.headers["content-security-policy"]
    assert "'sha256-" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    assert not re.search(r"https?:", policy)
    loaded = re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)', response.text)
    assert loaded == []


async def test_gradios_extras_are_off(signed_in: httpx.AsyncClient) -> None:
    config = (await signed_in.get("/config")).json()
    assert config["analytics_enabled"] is False
    assert config["show_error"] is False
    assert config["footer_links"] == []
    assert not config.get("run_history")
    assert not config.get("mcp_server")
    assert config["username"] == "local"


async def test_a_url_in_place_of_a_file_is_not_fetched(app: FastAPI) -> None:
    from gradio import processing_utils

    with pytest.raises(NotAllowed):
        processing_utils.ssrf_protected_download("http://192.0.2.1/x.txt", "/nonexistent")


async def test_uploads_land_in_the_private_folder(
    signed_in: httpx.AsyncClient, tmp_path: Path
) -> None:
    files = {"files": ("note.txt", b"No chest pain.", "text/plain")}
    response = await signed_in.post("/gradio_api/upload", files=files)
    (path,) = response.json()
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert Path(path).is_relative_to(folder)
    assert folder.stat().st_mode & 0o077 == 0
    assert uploads.take(path) == b"No chest pain."
    assert [p for p in folder.rglob("*") if p.is_file()] == []


def saved_draft(bench: Workbench, owner: int) -> int:
    note = Note("n1", "Nursing", "2025-03-02T14:10:00", "No chest pain.")
    admission = Admission("demo-01", facts={"age": "74"}, notes=(note,), synthetic=True)
    store = bench.store
    draft = store.drafts.create(owner, store.admissions.save(owner, admission))
    output = store.outputs.add(
        owner,
        task="discharge",
        section="history",
        alias="discharge",
        served_model="smollm2-135m-instruct",
        model_digest="d" * 64,
        template_hash="t" * 64,
        params={},
        input_digest="i" * 64,
        text="No chest pain.",
        prompt_tokens=1,
        completion_tokens=1,
    )
    sections = {"history": SectionText("No chest pain, edited.", output.id)}
    store.drafts.add_version(draft.id, owner, sections, "edited", 0)
    return draft.id


async def test_exports_of_a_draft(signed_in: httpx.AsyncClient, bench: Workbench) -> None:
    draft_id = saved_draft(bench, local_account(bench.store).id)
    for end in ("md", "txt"):
        response = await signed_in.get(f"/export/draft/{draft_id}.{end}")
        assert "No chest pain, edited." in response.text
        assert "Draft for clinician review. Not a medical device." in response.text
        assert "135 million" in response.text
        assert "d" * 64 in response.text
        assert f'"discharge-summary-{draft_id}.{end}"' in response.headers["content-disposition"]
        assert response.headers["cache-control"] == "no-store"
    docx = await signed_in.get(f"/export/draft/{draft_id}.docx")
    assert docx.content[:2] == b"PK"


async def test_exports_of_tags(signed_in: httpx.AsyncClient, bench: Workbench) -> None:
    kept = bench.store.annotations.add(
        local_account(bench.store).id,
        task="ner-disease",
        text="🙂 gout",
        spans=[Span(2, 6, "Disease", "gout")],
    )
    jsonl = await signed_in.get(f"/export/tags/{kept.id}.jsonl")
    assert json.loads(jsonl.text)["entities"][0]["text"] == ["gout"]
    conll = await signed_in.get(f"/export/tags/{kept.id}.conll")
    assert "B-Disease" in conll.text


async def test_exports_of_another_are_not_found(
    signed_in: httpx.AsyncClient, bench: Workbench
) -> None:
    other = bench.store.accounts.ensure("other", "clinician")
    draft_id = saved_draft(bench, other.id)
    for path in (f"draft/{draft_id}.md", "draft/999.md", "draft/x.md", "draft/1.pdf", "tags/1.txt"):
        assert (await signed_in.get(f"/export/{path}")).status_code in (404, 422)
    assert (await signed_in.get(f"/export/draft/{draft_id}.md")).status_code == 404


async def test_a_bearer_token_works_beside_the_page(
    client: httpx.AsyncClient, bench: Workbench
) -> None:
    secret, _ = create_token(bench.store, local_account(bench.store), "script")
    headers = {"authorization": f"Bearer {secret}"}
    draft_id = saved_draft(bench, local_account(bench.store).id)
    response = await client.get(f"/export/draft/{draft_id}.txt", headers=headers)
    assert response.status_code == 200


async def test_readiness_without_an_engine(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reason"]


async def test_a_foreign_origin_may_not_read_gradio(signed_in: httpx.AsyncClient) -> None:
    response = await signed_in.get("/config", headers={"origin": "http://127.0.0.1:8888"})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers


def test_it_does_not_open_itself_to_others(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "settings", bench.settings.model_copy(update={"host": "0.0.0.0"}))
    with pytest.raises(NotSafeToStart):
        create_app(bench)


async def test_starting_and_stopping(
    app: FastAPI, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    async def start() -> None:
        events.append("start")

    async def close() -> None:
        events.append("close")

    monkeypatch.setattr(bench, "start", start)
    monkeypatch.setattr(bench, "close", close)
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    (folder / "left.txt").write_text("left")
    async with app.router.lifespan_context(app):
        assert events == ["start"]
    assert events == ["start", "close"]
    assert not folder.exists()
