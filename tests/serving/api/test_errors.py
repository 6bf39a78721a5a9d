"""No failure repeats what was sent, in the answer or in the log."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serving import log
from serving.errors import Busy, EngineUnavailable

NAME = "Wilhelmina Zaphod"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.formatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"hadm_id": "1", "notes": [{"text": {"x": NAME}}]}, "notes[0].text"),
        ({"hadm_id": "1", "notes": NAME}, "notes"),
        ({"notes": [{"text": NAME}]}, "hadm_id is missing"),
        ({"hadm_id": "1", "notes": [], "facts": {NAME: [NAME]}}, "facts"),
        ([NAME], "must be an object"),
        (NAME, "must be an object"),
    ],
)
async def test_a_request_of_another_form_is_not_repeated(
    local: httpx.AsyncClient, logged: io.StringIO, body: Any, told: str
) -> None:
    response = await local.post("/api/draft", json=body)
    assert response.status_code == 422
    assert told in response.json()["error"]["message"]
    assert "Zaphod" not in response.text
    assert "Zaphod" not in logged.getvalue()


async def test_a_body_that_is_not_json(local: httpx.AsyncClient, logged: io.StringIO) -> None:
    headers = {"content-type": "application/json"}
    response = await local.post("/api/tag", content=f'{{"text": "{NAME}', headers=headers)
    assert response.status_code == 422
    assert "Zaphod" not in response.text + logged.getvalue()


async def test_an_unforeseen_error_has_an_id_and_no_words(
    local: httpx.AsyncClient, logged: io.StringIO
) -> None:
    response = await local.post("/api/tag", json={"text": "fail"})
    assert response.status_code == 500
    error = response.json()["error"]
    assert error["kind"] == "Unexpected"
    assert error["id"] in error["message"]
    assert "Zaphod" not in response.text + logged.getvalue()
    rows = [json.loads(line) for line in logged.getvalue().splitlines()]
    row = next(r for r in rows if r.get("error_id") == error["id"])
    assert row["error"] == "RuntimeError"
    assert "conftest.py" in row["where"]


async def test_our_own_error_inside_a_task_group_keeps_its_status(
    local: httpx.AsyncClient,
) -> None:
    response = await local.post("/api/tag", json={"text": "group"})
    assert response.status_code == 422
    assert response.json()["error"] == {"message": "There is no text to tag.", "kind": "BadInput"}


@pytest.mark.parametrize(
    ("error", "status"), [(Busy("The line is full."), 429), (EngineUnavailable("Loading."), 503)]
)
async def test_what_passes_by_itself_says_when_to_come_back(
    bench: Any, local: httpx.AsyncClient, error: Exception, status: int
) -> None:
    bench.drafting.error = error
    body = {"hadm_id": "1", "notes": [{"text": "No chest pain."}]}
    response = await local.post("/api/draft", json=body)
    assert response.status_code == status
    assert response.headers["retry-after"] == "5"
    assert response.json()["error"]["message"] == str(error)


async def test_unknown_routes_and_methods(local: httpx.AsyncClient) -> None:
    missing = await local.get(f"/api/{NAME}")
    assert (missing.status_code, missing.json()["error"]["kind"]) == (404, "Http")
    assert "Zaphod" not in missing.text
    assert (await local.get("/api/draft")).status_code == 405


async def test_a_body_above_the_limit(local: httpx.AsyncClient) -> None:
    text = "a" * (1024 * 1024)
    for response in (
        await local.post("/api/tag", json={"text": text}),
        await local.post("/api/tag", content=chunks(text), headers={"content-type": "text/json"}),
    ):
        assert response.status_code == 413
        assert "ROUNDS_MAX_UPLOAD_MB" in response.json()["error"]["message"]
    assert (await local.post("/api/tag", json={"text": text[:-100]})).status_code == 200


async def chunks(text: str) -> Any:
    for _ in range(3):  # of unknown length: the bytes are counted
        yield text[: len(text) // 2].encode()
