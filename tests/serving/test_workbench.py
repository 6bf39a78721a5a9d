"""What the workbench knows of an engine that runs elsewhere, and which model it calls its own."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from serving.models.files import ModelFiles
from serving.settings import DEFAULT_MODEL, Settings
from serving.workbench import Workbench
from tasks.presets import preset

Meet = Callable[..., Workbench]


@pytest.fixture
async def meet(home: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Meet]:
    """A workbench whose engine elsewhere serves these names."""
    made: list[Workbench] = []

    def meet(*served: str, **more: Any) -> Workbench:
        async def models() -> list[str]:
            return list(served)

        made.append(Workbench(Settings(home=home, vllm_url="http://127.0.0.1:9", **more)))
        monkeypatch.setattr(made[-1].client, "models", models)
        return made[-1]

    yield meet
    for bench in made:
        await bench.close()


async def test_an_engine_elsewhere_is_spoken_to_as_what_it_serves(meet: Meet) -> None:
    bench, family = meet("/models/AlpaCare-llama2-7b"), preset("alpacare")
    assert bench.preset.name == "chat" and family.template
    await bench._on_ready()
    assert bench.model_name == "/models/AlpaCare-llama2-7b"
    assert bench.preset == bench.client._preset == family
    assert bench.client.template_hash == family.template.digest


async def test_a_preset_that_was_chosen_stays(meet: Meet) -> None:
    bench = meet("/models/AlpaCare-llama2-7b", preset="pmc-llama")
    await bench._on_ready()
    assert bench.preset == bench.client._preset == preset("pmc-llama")


async def test_a_model_that_is_served_as_it_was_named_stays(meet: Meet) -> None:
    bench = meet("first", "MedTuned-7b", model="MedTuned-7b")
    await bench._on_ready()
    assert bench.model_name == "MedTuned-7b"
    assert bench.preset.name == "llama2-medtuned"


@pytest.mark.parametrize(
    ("served", "default"), [(DEFAULT_MODEL, True), (f"our-{DEFAULT_MODEL}-tuned", False)]
)
async def test_elsewhere_the_default_model_is_known_by_its_exact_name(
    meet: Meet, served: str, default: bool
) -> None:
    bench = meet(served)
    await bench._on_ready()
    assert bench.is_default_model is default


@pytest.mark.parametrize("default", [True, False])
async def test_of_files_here_it_is_known_whether_they_are_the_default_model(
    meet: Meet, tmp_path: Path, default: bool
) -> None:
    bench = meet()
    bench.files = ModelFiles(tmp_path, DEFAULT_MODEL, "d" * 64, default)
    assert bench.is_default_model is default
