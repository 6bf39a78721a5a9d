"""Every switch that keeps text on this machine, in one place.

`apply` runs before any heavy import, because most libraries read their switches at import;
`offline_env` is merged into the environment of every child process (engine, Chroma, workers).
A test that fails on any non-loopback connection (tests/netguard.py) proves the sum of them.
"""

import os

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_SWITCHES = {
    # Gradio: the string must be exactly "True" to switch analytics and its version check on.
    "GRADIO_ANALYTICS_ENABLED": "False",
    # Since 6.24 inputs and outputs are kept in the browser's local storage unless this is off.
    "GRADIO_RUN_HISTORY": "False",
    # Every event handler would become a tool for MCP clients.
    "GRADIO_MCP_SERVER": "False",
    # A share link is a tunnel to a machine on the internet.
    "GRADIO_SHARE": "False",
    # Flagging writes inputs and outputs to CSV files.
    "GRADIO_FLAGGING_MODE": "never",
    "GRADIO_CHAT_FLAGGING_MODE": "never",
    # Server-side rendering would start a Node server with its own port.
    "GRADIO_SSR_MODE": "False",
    # Chroma: the client's product telemetry (a no-op in 1.5, not in older releases).
    "ANONYMIZED_TELEMETRY": "False",
    # OpenTelemetry, which Chroma and vLLM carry: no exporter starts, whatever endpoint is set.
    "OTEL_SDK_DISABLED": "true",
    # LangSmith: V2 is asked first; a stray API key alone must not start tracing.
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    # vLLM: usage statistics.
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    # vLLM finds its own address by pointing a UDP socket at a public name server, unless told.
    "VLLM_HOST_IP": "127.0.0.1",
    # Hugging Face: usage reports and the look for a newer release.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    # Trainers report to nothing, even where a tracker's package and key are installed.
    "WANDB_MODE": "disabled",
    "COMET_MODE": "DISABLED",
    "SWANLAB_MODE": "disabled",
    # Ray: usage statistics.
    "RAY_USAGE_STATS_ENABLED": "0",
    # The convention that several more libraries honour.
    "DO_NOT_TRACK": "1",
}

_HUB_SWITCHES = {
    # Models are files on this machine; a missing one is an error, not a download.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
}


def offline_env(*, hub: bool = False) -> dict[str, str]:
    """Return the environment variables that switch every outward connection off.

    hub: leave the model hub reachable, for the one process that fetches a model an admin named.
    """
    env = dict(_SWITCHES)
    env |= dict.fromkeys(_HUB_SWITCHES, "0") if hub else _HUB_SWITCHES
    # A proxy of the hospital must not be asked for what lies on this machine.
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [h.strip() for h in os.environ.get(name, "").split(",") if h.strip()]
        env[name] = ",".join([*hosts, *(h for h in LOOPBACK if h not in hosts)])
    return env


def apply(*, hub: bool = False) -> None:
    """Set the switches in this process; call it before importing anything heavy."""
    os.environ.update(offline_env(hub=hub))
