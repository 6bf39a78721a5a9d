"""What each route answers."""

import asyncio
import json
import subprocess
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from serving.errors import EngineUnavailable
from serving.figures import DRAFTS, count_output
from serving.notice import NOTICE
from tests.serving.api.conftest import BASE, Drafting, bearer, served

DRAFT = {
    "hadm_id": "1",
    "notes": [
        {"note_id": "a", "category": "Nursing", "charted_at": "2025-01-01", "text": "No pain."},
        {"note_id": "b", "category": "ECG", "charted_at": "2025-01-02", "text": "Sinus rhythm."},
    ],
    "sections": ["history", "follow_up"],
}
HOST = {"host": BASE.removeprefix("http://")}


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_a_draft_at_once(local: httpx.AsyncClient, bench: Any) -> None:
    response = await local.post("/api/draft", json=DRAFT, headers={"accept": "application/json"})
    body = response.json()
    assert body["notice"] == NOTICE
    assert body["sections"]["history"] == {
        "status": "done",
        "text": "No chest pain.",
        "output_id": "f" * 32,
        "error": "",
    }
    assert (body["notes_used"], body["notes_left_out"]) == (["a"], ["b"])
    assert bench.drafting.stopped == []  # nothing was left to stop


async def test_a_draft_as_events(app: FastAPI, bench: Any) -> None:
    async with served(app) as url:
        headers = bearer(bench.store) | HOST
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            response = await client.post("/api/draft", json=DRAFT)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert events[0][0] == "plan"
    assert events[0][1]["notes_left_out"] == ["b"]
    deltas = [d["delta"] for name, d in events if name == "section" and d["section"] == "history"]
    assert "".join(deltas) == "No chest pain."
    name, done = events[-1]
    assert name == "done"
    assert done["notice"] == NOTICE
    assert done["sections"]["follow_up"]["text"] == "No chest pain."


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_the_writing_stops_when_the_client_goes(
    app: FastAPI, bench: Any, accept: str
) -> None:
    bench.drafting = Drafting(endless=True)
    headers = bearer(bench.store) | HOST | {"accept": accept}
    async with served(app) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=1) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/api/draft", json=DRAFT)
        await until(lambda: bench.drafting.stopped == [7])


async def test_the_tagging_stops_when_the_client_goes(app: FastAPI, bench: Any) -> None:
    async with served(app) as url:
        headers = bearer(bench.store) | HOST
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=1) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/api/tag", json={"text": "wait"})
        await until(lambda: bench.tagging.cancelled)


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is watched has no event to wait for
            await asyncio.sleep(0.01)


async def test_an_error_in_mid_stream_is_an_event(app: FastAPI, bench: Any) -> None:
    async def start(*_args: Any, **_kwargs: Any) -> Any:
        job = await Drafting().start(1, _admission())

        async def events() -> Any:
            raise RuntimeError("of Wilhelmina Zaphod")
            yield

        job.events = events  # type: ignore[method-assign]
        return job

    bench.drafting.start = start
    async with served(app) as url:
        headers = bearer(bench.store) | HOST
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            response = await client.post("/api/draft", json=DRAFT)
    name, body = events_of(response.text)[-1]
    assert (name, body["error"]["kind"]) == ("error", "Unexpected")
    assert "Zaphod" not in response.text


def _admission() -> Any:
    from serving.api.schemas import DraftIn

    return DraftIn.model_validate(DRAFT).admission()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"notes": []}, "no notes with text"),
        ({"notes": [{"text": " \n"}]}, "no notes with text"),
        ({"notes": [{"text": "a\u0000b"}]}, "NUL"),
        ({"hadm_id": ""}, "hadm_id"),
    ],
)
async def test_admissions_that_cannot_be_drafted(
    local: httpx.AsyncClient, change: dict[str, Any], told: str
) -> None:
    response = await local.post("/api/draft", json=DRAFT | change)
    assert response.status_code == 422
    assert told in response.json()["error"]["message"]


ASK = {
    "question": "What helps?",
    "history": [{"question": "What is gout?", "answer": "A disease."}],
    "sources": ["reference", "admission"],
    "admission": {"hadm_id": "1", "notes": DRAFT["notes"]},
    "note_ids": ["a"],
}


async def test_an_answer_at_once(local: httpx.AsyncClient, bench: Any) -> None:
    response = await local.post("/api/ask", json=ASK, headers={"accept": "application/json"})
    body = response.json()
    assert (body["text"], body["refused"], body["notice"]) == ("Colchicine [1].", False, NOTICE)
    assert body["passages"][0]["title"] == "Gout"
    assert body["sentences"] == [{"start": 0, "end": 15, "cited": [1], "supported": True}]
    question, history, options = bench.asking.seen[0]
    assert (question, history) == ("What helps?", [("What is gout?", "A disease.")])
    assert (options["scopes"], options["note_ids"]) == (["reference", "admission"], ["a"])
    assert options["admission"].notes[0].text == "No pain."


async def test_an_answer_as_events(app: FastAPI, bench: Any) -> None:
    async with served(app) as url:
        headers = bearer(bench.store) | HOST
        async with httpx.AsyncClient(base_url=url, headers=headers) as client:
            response = await client.post("/api/ask", json=ASK)
    events = events_of(response.text)
    assert [name for name, _ in events] == ["passages", "place", "delta", "delta", "done"]
    assert events[0][1]["left_out"] == 1
    assert "".join(data["text"] for name, data in events if name == "delta") == "Colchicine [1]."
    assert events[-1][1]["output_id"] == "a" * 32
    assert bench.asking.closed


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_a_bad_question_has_its_own_status(local: httpx.AsyncClient, accept: str) -> None:
    response = await local.post("/api/ask", json={"question": " "}, headers={"accept": accept})
    assert response.status_code == 422
    assert response.json()["error"]["message"].startswith("There is no question.")


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_the_answering_stops_when_the_client_goes(
    app: FastAPI, bench: Any, accept: str
) -> None:
    headers = bearer(bench.store) | HOST | {"accept": accept}
    async with served(app) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=1) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/api/ask", json={"question": "wait"})
        await until(lambda: bench.asking.closed)


@pytest.mark.parametrize(
    ("path", "body"),
    [("draft", DRAFT), ("tag", {"text": "gout"}), ("ask", {"question": "What helps?"})],
)
async def test_without_an_engine_the_reason_is_told(
    local: httpx.AsyncClient, bench: Any, path: str, body: dict[str, Any]
) -> None:
    def not_ready() -> None:
        raise EngineUnavailable("The engine is not ready: Loading the model.")

    bench.require_engine = not_ready
    response = await local.post(f"/api/{path}", json=body)
    assert response.status_code == 503
    assert response.json()["error"]["message"].endswith("Loading the model.")


async def test_tags(local: httpx.AsyncClient) -> None:
    body = (await local.post("/api/tag", json={"text": "gout 🙂", "task": "ner-disease"})).json()
    assert body["spans"] == [{"start": 0, "end": 4, "label": "Disease", "text": "gout"}]
    assert (body["dropped"], body["notice"]) == (1, NOTICE)


async def test_ratings_are_kept_and_come_back(local: httpx.AsyncClient, output_id: str) -> None:
    rating = {"output_id": output_id, "score": 4, "comment": "=good", "edited_text": "Edited."}
    kept = await local.post("/api/ratings", json=rating)
    assert kept.status_code == 201
    response = await local.get("/api/ratings", params={"format": "jsonl"})
    assert 'filename="ratings.jsonl"' in response.headers["content-disposition"]
    (row,) = map(json.loads, response.text.splitlines())
    assert {k: row[k] for k in rating} == rating
    assert row["output_text"] == "No chest pain."
    parquet = await local.get("/api/ratings", params={"format": "parquet"})
    assert parquet.content[:4] == b"PAR1"
    csv = await local.get("/api/ratings", params={"format": "csv"})
    assert csv.text.count(output_id) == 1


@pytest.mark.parametrize("score", [0, 6, "4", 3.5, None, True])
async def test_scores_that_are_none(
    local: httpx.AsyncClient, output_id: str, score: object
) -> None:
    response = await local.post("/api/ratings", json={"output_id": output_id, "score": score})
    assert response.status_code == 422


async def test_models(local: httpx.AsyncClient, bench: Any) -> None:
    body = (await local.get("/api/models")).json()
    assert body["engine"] == "ready"
    assert body["models"][0]["digest"] == "d" * 64
    assert body["available"] == ["ner-lora"]
    name = (await local.post("/api/models/ner-lora/load")).json()["name"]
    await local.post("/api/models/assign", json={"alias": "ner-disease", "model": name})
    await local.post(f"/api/models/{name}/unload")
    assert bench.registry.calls == [
        ("load", "ner-lora"),
        ("assign", "ner-disease", "ner-lora@0123456789ab"),
        ("unload", "ner-lora@0123456789ab"),
    ]


async def test_readiness_follows_engine_and_store(anyone: httpx.AsyncClient, bench: Any) -> None:
    assert (await anyone.get("/readyz")).json() == {"status": "ready", "engine": "ready"}
    bench.engine.state, bench.engine.reason = "starting", "Loading the model."
    response = await anyone.get("/readyz")
    assert response.status_code == 503
    assert response.json()["reason"] == "Loading the model."
    assert (await anyone.get("/healthz")).status_code == 200


async def test_metrics_count_by_route_and_hold_no_text(
    local: httpx.AsyncClient, bench: Any
) -> None:
    await local.post("/api/tag", json={"text": "gout of Wilhelmina"})
    await local.get("/api/Wilhelmina")
    count_output("discharge", 300, 40)
    DRAFTS.inc()
    text = (await local.get("/metrics")).text
    for name in ('outputs_total{task="discharge"}', "drafts_total", "tokens_total{"):
        assert f"rounds_{name}" in text
    assert 'rounds_requests_total{method="POST",route="/api/tag",status="200"} 1.0' in text
    assert 'route="unmatched",status="404"' in text
    assert 'rounds_engine_state{state="ready"} 1.0' in text
    assert "rounds_queue_waiting 0.0" in text
    for secret in ("Wilhelmina", "local"):
        assert secret not in text


async def test_the_docs_need_no_other_host(anyone: httpx.AsyncClient) -> None:
    page = (await anyone.get("/docs")).text
    assert "http" not in page.replace("<!doctype html>", "")
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"/docs/{name}" in page
        assert (await anyone.get(f"/docs/{name}")).status_code == 200
    assert (await anyone.get("/docs/favicon.png")).status_code == 404
    assert (await anyone.get("/docs/..%2fapp.py")).status_code == 404
    spec = (await anyone.get("/openapi.json")).json()
    assert spec["paths"]["/api/draft"]["post"]["security"] == [{"HTTPBearer": []}]
    assert {"/api/draft", "/api/tag", "/api/ratings", "/api/models"} <= set(spec["paths"])


def test_start_js_is_valid() -> None:
    from serving.api.docs import _OURS

    done = subprocess.run(["node", "--check", _OURS / "start.js"], check=False)
    assert done.returncode == 0
