"""The API over a real engine: what is written, and that nothing keeps running for nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serving.accounts.sign_in import create_token, local_account
from serving.api.app import new_app
from serving.notice import NOTICE
from serving.settings import Settings
from serving.workbench import Workbench
from tests.serving.api.conftest import BASE, served

pytestmark = pytest.mark.engine

NOTE = (
    "74 F with shortness of breath and leg swelling. BNP 1450. Chest film: pulmonary oedema. "
    "Given furosemide 40 mg IV twice a day; weight down 3.4 kg. Allergic to penicillin."
)
DRAFT: dict[str, Any] = {
    "hadm_id": "live",
    "notes": [{"note_id": "1", "category": "Physician", "charted_at": "2025-03-02", "text": NOTE}],
    "sections": ["hospital_course", "follow_up"],
}


@pytest.fixture
async def live(engine_settings: Settings) -> AsyncIterator[tuple[Workbench, dict[str, str]]]:
    """A workbench over the real engine, its app behind a real server, and a token's header."""
    bench = Workbench(engine_settings)
    await bench.start()
    await bench.engine.wait_ready(60)
    secret, _ = create_token(bench.store, local_account(bench.store), "live")
    headers = {"authorization": f"Bearer {secret}", "host": BASE.removeprefix("http://")}
    yield bench, headers
    await bench.close()


async def test_draft_rate_export(live: tuple[Workbench, dict[str, str]]) -> None:
    bench, headers = live
    transport = httpx.ASGITransport(new_app(bench, "", []))
    async with httpx.AsyncClient(
        transport=transport, base_url=BASE, headers=headers, timeout=300
    ) as client:
        assert (await client.get("/readyz")).json()["status"] == "ready"
        accept = {"accept": "application/json"}
        body = (await client.post("/api/draft", json=DRAFT, headers=accept)).json()
        assert body["notice"] == NOTICE
        assert body["notes_used"] == ["1"]
        for section in body["sections"].values():
            assert section["status"] == "done"
            assert section["text"]
        output_id = body["sections"]["follow_up"]["output_id"]
        rating = {"output_id": output_id, "score": 2, "comment": "Thin."}
        assert (await client.post("/api/ratings", json=rating)).status_code == 201
        (row,) = map(json.loads, (await client.get("/api/ratings")).text.splitlines())
        assert (row["score"], row["section"], row["task"]) == (2, "follow_up", "discharge")
        assert row["served_model"]
        tags = (await client.post("/api/tag", json={"text": NOTE})).json()
        for span in tags["spans"]:
            assert NOTE[span["start"] : span["end"]] == span["text"]


async def test_a_client_that_leaves_stops_the_engine(
    live: tuple[Workbench, dict[str, str]],
) -> None:
    bench, headers = live

    async def running() -> float:
        return (await bench.client.metrics())["vllm:num_requests_running"]

    async def becomes(busy: bool) -> None:
        async with asyncio.timeout(30):
            while (await running() > 0) is not busy:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.05)

    everything = DRAFT | {"sections": None}
    await becomes(busy=False)
    async with (
        served(new_app(bench, "", [])) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
    ):
        async with client.stream("POST", "/api/draft", json=everything):
            await becomes(busy=True)
        await becomes(busy=False)
    (recent,) = bench.store.drafts.recent(local_account(bench.store).id)
    job = await bench.drafting.job(recent.draft.owner, recent.draft.id)
    assert "stopped" in {state.status for state in job.sections.values()}
    assert bench.gate.running == bench.gate.waiting == 0
