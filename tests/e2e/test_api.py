"""The HTTP API of the running app, with a bearer token, over the real engine."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from serving.intake import demo
from tests.conftest import EngineServer
from tests.e2e.conftest import ROOT, App

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def api(app: App) -> Iterator[httpx.Client]:
    made = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "token", "create", "tests"],
        env=app.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    with httpx.Client(base_url=app.url, headers=headers, timeout=240, trust_env=False) as client:
        yield client


def _admission(notes: int = 3, **more: Any) -> dict[str, Any]:
    whole = demo.get("demo-06").as_dict()
    return {"hadm_id": "api-1", "notes": whole["notes"][:notes]} | more


def _events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def _running(engine: EngineServer) -> float:
    text = httpx.get(f"{engine.url}/metrics", trust_env=False).text
    lines = [line for line in text.splitlines() if line.startswith("vllm:num_requests_running")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def _waited(holds: Callable[[], bool], seconds: float = 20) -> bool:
    """Tell whether it came to hold within the time (vLLM's gauges lag behind by a step)."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)
    return holds()


def test_a_draft_streams_section_by_section(api: httpx.Client) -> None:
    body = _admission(sections=["diagnoses", "follow_up"])
    with api.stream("POST", "/api/draft", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        events = list(_events(response))
    assert events[0][0] == "plan" and events[0][1]["notes_left_out"] == []
    deltas = {"diagnoses": "", "follow_up": ""}
    for name, event in events:
        if name == "section":
            piece = event["delta"]
            deltas[event["section"]] = (
                piece if event["replaced"] else deltas[event["section"]] + piece
            )
    assert events[-1][0] == "done"
    final = events[-1][1]["sections"]
    assert {k: s["text"] for k, s in final.items()} == deltas
    assert sum(name == "section" for name, _ in events) > 6
    assert "Not a medical device" in events[-1][1]["notice"]


def test_going_away_stops_the_writing_on_the_engine(
    api: httpx.Client, engine_server: EngineServer
) -> None:
    with api.stream("POST", "/api/draft", json=_admission(notes=8)) as response:
        events = _events(response)  # held, because dropping it would close the stream
        next(event for name, event in events if name == "section" and event["delta"])
        assert _waited(lambda: _running(engine_server) >= 1)
    assert _waited(lambda: _running(engine_server) == 0)


def test_tag_gives_spans_in_characters_of_the_text(api: httpx.Client) -> None:
    text = "Fever 🤒 and\tasthma.\r\nAlso pneumonia."
    found = api.post("/api/tag", json={"text": text, "task": "ner-clinical"}).json()
    for span in found["spans"]:
        assert text[span["start"] : span["end"]] == span["text"]
        assert span["label"] in ("problem", "treatment", "test")
    assert found["output_id"]


def test_ask_cites_and_refuses(api: httpx.Client) -> None:
    json_only = {"Accept": "application/json"}
    question = {"question": "Below which blood glucose is it hypoglycaemia?"}
    answer = api.post("/api/ask", json=question, headers=json_only)
    assert answer.status_code == 200, answer.text
    assert answer.json()["passages"]
    question = {"question": "Who won the football cup last year?"}
    none = api.post("/api/ask", json=question, headers=json_only).json()
    assert none["refused"] is True and none["reason"]


def test_a_rating_comes_back_with_every_field(api: httpx.Client) -> None:
    tagged = api.post("/api/tag", json={"text": "She has asthma.", "task": "ner-disease"}).json()
    rating = {
        "output_id": tagged["output_id"],
        "score": 2,
        "comment": "=1+1, “quoted”\r\nnew line",
        "edited_text": "asthma",
    }
    assert api.post("/api/ratings", json=rating).status_code in (200, 201)
    assert api.post("/api/ratings", json=rating | {"score": 6}).status_code == 422
    exported = api.get("/api/ratings", params={"format": "jsonl"})
    assert exported.status_code == 200, exported.text
    row = next(
        r
        for r in map(json.loads, exported.text.splitlines())
        if r["output_id"] == rating["output_id"]
    )
    assert (row["score"], row["comment"], row["edited_text"]) == (
        2,
        rating["comment"],
        "asthma",
    )
    for field in ("user", "task", "served_model", "model_digest", "template_hash", "params"):
        assert row[field], field
    parquet = api.get("/api/ratings", params={"format": "parquet"}).content
    assert pq.read_table(io.BytesIO(parquet)).num_rows >= 1


def test_what_is_served_is_told_with_its_digest(
    api: httpx.Client, engine_server: EngineServer
) -> None:
    answer = api.get("/api/models").json()
    assert engine_server.model.digest in json.dumps(answer)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"hadm_id": "x", "notes": []}, 422, "note"),
        ({"hadm_id": "x", "notes": [{"text": " \n"}]}, 422, "note"),
        ({"hadm_id": "x", "notes": [{"text": "w " * 100_000}]}, 413, "tokens"),
        ({"notes": [{"text": "Mr Planted is well"}]}, 422, "hadm_id"),
    ],
)
def test_bad_input_is_told_clearly_and_not_echoed(
    api: httpx.Client, body: dict[str, Any], status: int, words: str
) -> None:
    answer = api.post("/api/draft", json=body)
    assert answer.status_code == status
    assert words in answer.text and "Planted" not in answer.text


def test_a_question_of_20_000_words_is_refused_with_the_limit(api: httpx.Client) -> None:
    answer = api.post("/api/ask", json={"question": "why " * 20_000})
    assert answer.status_code == 413
    assert "1,000" in answer.text


def test_without_a_token_nothing_is_answered(app: App) -> None:
    for path in ("/api/models", "/api/ratings"):
        assert httpx.get(app.url + path, trust_env=False).status_code == 401
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert httpx.get(app.url + path, trust_env=False).status_code == 200
