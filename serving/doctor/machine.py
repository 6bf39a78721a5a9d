"""The doctor's look at the machine: memory, disk, folders, port, browser."""

import os
import shutil

from serving.doctor.stack import Check
from serving.engine import command as engine_command
from serving.engine import hardware
from serving.engine.address import running_engine
from serving.engine.hardware import GIB, text_gib
from serving.models.files import model_folder
from serving.settings import Settings


def machine() -> Check:
    """Tell cores, memory and cards."""
    have = hardware.memory()
    cards = (
        ", ".join(f"{g.name} ({text_gib(g.total)})" for g in hardware.gpus()) or "no NVIDIA card"
    )
    detail = (
        f"{hardware.cores()} cores, {text_gib(have.total)} memory ({text_gib(have.available)} "
        f"free), {cards}"
    )
    return Check("Machine", "ok", detail)


def memory(settings: Settings) -> Check:
    """Check that the engine fits."""
    folder, _ = model_folder(settings)
    if settings.vllm_url or hardware.engine_on_gpu() or running_engine(settings):
        return Check("Memory", "ok", f"{text_gib(hardware.memory().available)} free")
    have, needed = hardware.memory(), engine_command.memory_needed(settings, folder)
    detail = f"the engine needs about {text_gib(needed)}, {text_gib(have.available)} are free"
    advice = "Lower ROUNDS_KV_CACHE_GIB, or choose a smaller model."
    if needed > have.total:
        return Check("Memory", "fail", f"{detail}, {text_gib(have.total)} in all", advice)
    if needed > have.available:
        return Check("Memory", "warn", detail, f"Close other programs. {advice}")
    return Check("Memory", "ok", detail)


def home(settings: Settings) -> Check:
    """Check that the home folder is ours alone."""
    folder = settings.home
    if not folder.exists():
        return Check("Home", "ok", f"{folder} (made at the first start)")
    mode = folder.stat().st_mode & 0o777
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Check("Home", "fail", f"{folder} cannot be written", "Set ROUNDS_HOME to another.")
    if mode & 0o077:
        open_to = f"{folder} (mode {mode:o}) can be opened by other users of this machine"
        return Check("Home", "warn", open_to, f"chmod 700 {folder}")
    return Check("Home", "ok", f"{folder}, readable by this user only")


def disk(settings: Settings) -> Check:
    """Check the free space where the home folder is."""
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{text_gib(free)} free at {place}"
    if free < GIB:
        return Check("Disk", "fail", detail, "Free at least 1 GiB, or set ROUNDS_HOME elsewhere.")
    return Check("Disk", "ok", detail)


def port(settings: Settings) -> Check:
    """Check that the page's port is free, or that it is Rounds that answers there."""
    import httpx2

    if not settings.port or engine_command.port_is_free(settings.port):
        return Check("Port", "ok", f"{settings.port} is free")
    try:
        url = f"http://127.0.0.1:{settings.port}/healthz"
        if httpx2.get(url, timeout=3, trust_env=False).status_code == httpx2.codes.OK:
            return Check("Port", "ok", f"{settings.port}: Rounds answers there")
    except httpx2.HTTPError:
        pass
    taken = f"{settings.port} is taken by another program"
    return Check("Port", "fail", taken, "Set ROUNDS_PORT to another.")


def browser() -> Check:
    """Look for the browser that the tests drive."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found:
        return Check("Chromium", "ok", f"{found} (for the browser tests)")
    return Check("Chromium", "warn", "not found", "Only `make test` needs it: apt install chromium")
