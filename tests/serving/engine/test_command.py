"""How vLLM is started, and what is checked before it."""

import itertools

import pytest

from serving.engine import command as engine_command
from serving.engine import hardware
from serving.engine.supervisor import Engine
from serving.errors import EngineUnavailable, ModelProblem
from serving.models.files import ModelFiles
from serving.settings import Settings


@pytest.fixture
def real(settings: Settings, model: ModelFiles) -> Engine:
    return Engine(settings, model)


async def test_too_little_memory_is_told_before_the_start(
    real: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "memory", lambda: hardware.Memory(2 * 1024**3, 1024**3))
    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: False)
    with pytest.raises(EngineUnavailable, match=r"Not enough memory.*1 GiB KV cache.*1\.0 GiB are"):
        await real.start()
    assert real.state == "failed"


async def test_a_missing_vllm_is_told(real: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_command, "find_spec", lambda _name: None)
    with pytest.raises(EngineUnavailable, match=r"vLLM is not installed.*make setup"):
        await real.start()


async def test_a_missing_model_is_told(real: Engine, model: ModelFiles) -> None:
    (model.path / "model.safetensors").unlink()
    with pytest.raises(ModelProblem, match="holds no weights"):
        await real.start()


def test_the_command_and_environment(
    settings: Settings, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: False)
    settings.max_lora_rank, settings.max_model_len = 48, 4096
    parts = engine_command.command(settings, model, 1234)
    given = dict(itertools.pairwise(parts))
    assert given["--host"] == "127.0.0.1" and given["--port"] == "1234"
    assert given["--max-lora-rank"] == "64"  # the next that vLLM knows
    assert given["--max-model-len"] == "4096"
    assert "--no-enable-log-requests" in parts and "--enable-lora" in parts

    base = {"ROUNDS_DATABASE_URL": "postgresql://u:secret@h/d", "PATH": "/bin"}
    base |= {"VLLM_LOGGING_LEVEL": "DEBUG"}
    env = engine_command.environment(settings, "the-key", base)
    assert env["VLLM_API_KEY"] == "the-key" and env["PATH"] == "/bin"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "1" and env["HF_HUB_OFFLINE"] == "1"
    assert env["VLLM_LOGGING_LEVEL"] == "INFO"  # DEBUG writes prompts
    assert not any("secret" in value for value in env.values())

    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: True)
    assert not any("CPU" in k for k in engine_command.environment(settings, "k", {}))
    settings.lora_slots, settings.max_model_len = 0, None
    assert "auto" in engine_command.command(settings, model, 1)
    assert "--enable-lora" not in engine_command.command(settings, model, 1)
