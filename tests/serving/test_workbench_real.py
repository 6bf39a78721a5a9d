"""The whole workbench with an engine of its own, which is killed while it writes."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from serving.engine.leash import descendants
from serving.intake import demo
from serving.jobs.draft_job import DraftJob
from serving.settings import Settings
from serving.workbench import Workbench
from tests.serving.engine.test_engine_real import READY_WITHIN_S, alive
from tests.serving.models.adapters import make_adapter

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]
SECTIONS = ["diagnoses", "hospital_course", "follow_up"]


async def _finish(job: DraftJob) -> None:
    async for _ in job.watch(0.05):
        pass


async def test_killed_while_writing_keeps_the_text_tells_and_comes_back(
    home: Path, models_dir: Path, tmp_path: Path
) -> None:
    make_adapter(tmp_path / "adapters" / "red", seed=1)
    settings = Settings(
        home=home, models_dir=models_dir, kv_cache_gib=1, adapter_dirs=(tmp_path / "adapters",)
    )
    bench = Workbench(settings)
    me = bench.store.accounts.ensure("me", "admin").id
    try:
        await bench.start()
        await bench.engine.wait_ready(READY_WITHIN_S)
        adapter = await bench.registry.load("red")
        await bench.registry.assign("ner-gene", adapter, me)

        job = await bench.drafting.start(me, demo.get("demo-03"), sections=SECTIONS)
        async for _ in job.watch(0.05):
            if all(state.text for state in job.sections.values()):
                break
        # The first section read the notes; the two others found them in the prefix cache.
        figures = await bench.client.metrics()
        assert figures["vllm:prefix_cache_hits_total"] >= 1.8 * job.plan.tokens

        assert bench.engine.pid
        os.kill(bench.engine.pid, signal.SIGKILL)
        await _finish(job)
        for state in job.sections.values():
            assert state.status == "failed"
            assert state.text and state.output_id
            assert "kept" in state.error
        saved = bench.store.drafts.latest(me, job.id)
        assert saved is not None and set(saved.sections) == set(SECTIONS)

        async with asyncio.timeout(READY_WITHIN_S):
            while bench.engine.state == "ready":  # noqa: ASYNC110 - the watch looks every 5 s
                await asyncio.sleep(0.1)
        await bench.engine.wait_ready(READY_WITHIN_S)
        await bench.drafting.redo(job, "follow_up")
        await _finish(job)
        assert job.sections["follow_up"].status == "done"
        assert bench.registry.served("ner-gene").model == adapter
        assert adapter in await bench.client.models()  # loaded again into the new process
    finally:
        left = [bench.engine.pid, *descendants(bench.engine.pid)] if bench.engine.pid else []
        await bench.close()
    assert left and not any(alive(pid) for pid in left)
