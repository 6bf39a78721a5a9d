"""Each switch is asked of the library that reads it, in a fresh interpreter."""

import subprocess
import sys

import pytest

from serving.offline import offline_env

CHECKS = {
    "gradio": """
import os, gradio.analytics as a, gradio as gr
assert a.analytics_enabled() is False
with gr.Blocks() as b: pass
from fastapi import FastAPI
gr.mount_gradio_app(FastAPI(), b, "/")
assert b.run_history is False and b.analytics_enabled is False and b.ssr_mode is False
""",
    "chromadb": """
from chromadb.config import Settings
assert Settings().anonymized_telemetry is False
""",
    "opentelemetry": """
from opentelemetry.sdk.trace import TracerProvider
assert type(TracerProvider().get_tracer('x')).__name__ == 'NoOpTracer'
""",
    "langsmith": """
import os
os.environ['LANGSMITH_API_KEY'] = 'x'
os.environ['LANGCHAIN_TRACING'] = ''
from langsmith.utils import tracing_is_enabled
assert tracing_is_enabled() is False
""",
    "huggingface_hub": """
from huggingface_hub import constants as c
assert c.HF_HUB_OFFLINE and c.HF_HUB_DISABLE_TELEMETRY and c.HF_HUB_DISABLE_UPDATE_CHECK
assert c.is_offline_mode()  # what transformers asks
""",
    "vllm": """
from vllm import envs
assert envs.VLLM_NO_USAGE_STATS and envs.VLLM_DO_NOT_TRACK
from vllm.usage.usage_lib import is_usage_stats_enabled
assert not is_usage_stats_enabled()
from vllm.utils.network_utils import get_ip
assert get_ip() == '127.0.0.1'
""",
}


@pytest.mark.parametrize("library", CHECKS)
def test_the_library_reads_the_switch(library: str) -> None:
    # Warnings of the libraries' own imports are not what is tested here.
    code = f"import serving.offline; serving.offline.apply()\n{CHECKS[library]}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_loopback_bypasses_a_proxy_and_what_was_there_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    monkeypatch.delenv("no_proxy", raising=False)
    env = offline_env()
    assert env["NO_PROXY"] == "intranet.example,127.0.0.1,localhost,::1"
    assert env["no_proxy"] == "127.0.0.1,localhost,::1"


def test_only_a_named_fetch_reaches_the_hub() -> None:
    assert offline_env()["HF_HUB_OFFLINE"] == "1"
    fetching = offline_env(hub=True)
    assert fetching["HF_HUB_OFFLINE"] == "0"
    assert fetching["HF_HUB_DISABLE_TELEMETRY"] == "1"
