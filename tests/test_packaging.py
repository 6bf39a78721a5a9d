"""What a stranger who clones this gets: pins, licences, container files and papers that agree."""

import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from serving.engine.command import command
from serving.models.files import ModelFiles
from serving.settings import DEFAULT_MODEL, Settings

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"[a-z0-9][a-z0-9-]*==[A-Za-z0-9.+!]+")
# Split, so that this file does not hold them itself.
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted",
    "registry." + "npmjs",
    "registry." + "yarnpkg",
    "deb.debian" + ".org",
    "archive.ubuntu" + ".com",
    "security.debian" + ".org",
    "download." + "pytorch",
    "conda." + "anaconda",
    "ghcr" + ".io",
    "docker" + ".io",
    "quay" + ".io",
]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="ignore")


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / f"constraints/{name}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- what is tracked -------------------------------------------------------------------------


def test_no_file_names_a_package_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked()
        for host in REGISTRIES
        if host in text_of(path)
    ]
    # PyTorch's own index of CPU builds: asked where pip's index has none (docs/decisions/0006).
    assert found == [f"scripts/setup.sh: {'download.' + 'pytorch'}"]


def test_no_lock_file_is_tracked() -> None:
    locks = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock"}
    locks |= {"package-lock.json", "yarn.lock", "pnpm-lock.yaml"}
    assert not [path for path in tracked() if path.name in locks]


def test_no_module_is_too_long_to_read() -> None:
    lengths = {p: len(text_of(p).splitlines()) for p in tracked() if p.suffix == ".py"}
    assert not {str(p.relative_to(ROOT)): n for p, n in lengths.items() if n >= 400}


def test_the_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text
    assert project()["license"] == "Apache-2.0"


# --- pins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["common", "cpu", "gpu"])
def test_constraints_are_exact_versions_and_nothing_else(name: str) -> None:
    lines = (ROOT / f"constraints/{name}.txt").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("#")]
    assert kept and not [line for line in kept if not PIN.fullmatch(line)]
    assert len(pins(name)) == len(kept)


def test_only_the_cpu_pins_ask_for_a_cpu_build() -> None:
    assert pins("cpu")["torch"].endswith("+cpu")
    assert not [v for name in ("common", "gpu") for v in pins(name).values() if "+" in v]
    assert not set(pins("common")) & (set(pins("cpu")) | set(pins("gpu")))


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_everything_asked_for_has_a_pin_that_fits(device: str) -> None:
    extras = project()["optional-dependencies"]
    chosen = pins("common") | pins(device)
    for line in [*project()["dependencies"], *extras[device], *extras["dev"]]:
        asked = Requirement(line)
        pin = chosen.get(canonicalize_name(asked.name))
        assert pin is not None, f"{line} has no pin: run scripts/pin.py"
        assert asked.specifier.contains(pin, prereleases=True), f"{line} and {pin} disagree"


def test_what_is_installed_is_what_is_pinned() -> None:
    device = "gpu" if "vllm" in {canonicalize_name(d.name) for d in distributions()} else "cpu"
    wrong = {}
    for name, pin in (pins("common") | pins(device)).items():
        try:
            if version(name) != pin:
                wrong[name] = (version(name), pin)
        except PackageNotFoundError:
            continue  # the removed ones, and the development tools of `make run`
    assert not wrong


@pytest.mark.parametrize("python", script("pin").PYTHONS)
def test_no_pin_asks_for_a_newer_python_than_the_systems_have(python: str) -> None:
    unfit = {
        d.name: asked
        for d in distributions()
        if canonicalize_name(d.name) in pins("common") | pins("cpu")
        and (asked := d.metadata.get("Requires-Python"))
        and not SpecifierSet(asked).contains(python)
    }
    assert not unfit


def test_every_installed_licence_fits() -> None:
    licences = script("licences")
    assert licences.unfit(distributions()) == []
    assert licences.UNFIT.search("GNU Affero General Public License v3")
    assert licences.UNFIT.search("GPL-3.0-or-later")
    assert not licences.UNFIT.search("LGPL-3.0-only")


# --- containers ------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def test_container_files_pass_their_linters() -> None:
    done = subprocess.run(
        [ROOT / "scripts/lint-containers.sh"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_app_is_published_and_only_on_loopback() -> None:
    ports = {name: s["ports"] for name, s in compose()["services"].items() if "ports" in s}
    assert list(ports) == ["app"]
    assert all(port.startswith("127.0.0.1:") for port in ports["app"])


def test_no_container_has_a_way_out() -> None:
    networks = compose()["networks"]
    for name, network in networks.items():
        options = network.get("driver_opts", {})
        no_way_out = options.get("com.docker.network.bridge.enable_ip_masquerade") == "false"
        assert network.get("internal") or no_way_out, name
    inside = {name: set(s["networks"]) for name, s in compose()["services"].items()}
    assert "front" not in inside["postgres"] | inside["chroma"] | inside["engine-cpu"]
    assert not inside["postgres"] & (inside["engine-cpu"] | inside["engine-gpu"])


def test_every_service_is_watched_and_unprivileged() -> None:
    for name, service in compose()["services"].items():
        assert "healthcheck" in service or name == "app", name  # the app's is in the image
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
    waits = compose()["services"]["app"]["depends_on"]
    assert {w["condition"] for w in waits.values()} == {"service_healthy"}


def test_compose_speaks_of_settings_that_exist() -> None:
    given = {n for n in compose()["services"]["app"]["environment"] if n.startswith("ROUNDS_")}
    assert given <= {f"ROUNDS_{name.upper()}" for name in Settings.model_fields}
    assert {"ROUNDS_ALLOW_REMOTE", "ROUNDS_ALLOWED_HOSTS"} <= given


def test_the_engine_in_compose_starts_as_ours_does(tmp_path: Path) -> None:
    model = ModelFiles(tmp_path, DEFAULT_MODEL, "", True)
    ours = command(Settings(home=tmp_path), model, 8000)
    switches = [part for part in ours if part.startswith("--")]
    theirs = compose()["services"]["engine-cpu"]["command"]
    assert set(switches) == {p.split("=")[0] for p in theirs if p.startswith("--")}
    assert f"--max-lora-rank={ours[ours.index('--max-lora-rank') + 1]}" in theirs


def test_the_image_is_pinned_two_staged_and_unprivileged() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    stages = [line.split() for line in lines if line.startswith("FROM ")]
    bases = {s[1] for s in stages} - {s[3] for s in stages}
    assert bases == {"python:3.11.14-slim-bookworm"}
    assert {"cpu", "gpu"} <= {s[3] for s in stages}
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"] * 2
    assert any(line.startswith("HEALTHCHECK") for line in lines)


# --- one way to set up -----------------------------------------------------------------------


def test_make_the_build_server_and_the_image_run_the_same_scripts() -> None:
    makefile, image = text_of(ROOT / "Makefile"), text_of(ROOT / "Dockerfile")
    assert "scripts/setup.sh" in makefile and "scripts/setup.sh" in image
    assert "pip install" not in makefile + image + text_of(ROOT / ".ci/run")
    assert "make test" in text_of(ROOT / ".ci/run")
    assert "scripts/test-deps.sh" in makefile and "scripts/lint.sh" in makefile


# --- papers ----------------------------------------------------------------------------------


def test_the_readme_shows_the_two_commands_and_every_room() -> None:
    readme = text_of(ROOT / "README.md")
    assert "\nmake run " in readme and "\nmake test " in readme
    rooms = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    missing = [room for room in rooms if not room.startswith(".") and f"\n{room}/ " not in readme]
    assert not missing


def test_every_setting_is_documented_and_nothing_else() -> None:
    table = text_of(ROOT / "docs/guides/settings.md")
    documented = set(re.findall(r"^\| `(ROUNDS_\w+)`", table, flags=re.MULTILINE))
    assert documented == {f"ROUNDS_{name.upper()}" for name in Settings.model_fields}


def test_the_readme_knows_every_command() -> None:
    from typer.main import get_command

    from app import cli

    readme = text_of(ROOT / "README.md")
    commands = get_command(cli).commands  # type: ignore[attr-defined]
    assert not [name for name in commands if f"`rounds {name}" not in readme]


@pytest.mark.parametrize("paper", ["README.md", "CHANGELOG.md", "docs"])
def test_links_between_papers_lead_somewhere(paper: str) -> None:
    start = ROOT / paper
    papers = [start] if start.is_file() else sorted(start.rglob("*.md"))
    broken = []
    for page in papers:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(page)):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken
