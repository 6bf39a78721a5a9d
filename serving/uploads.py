"""Where uploaded files stay for the moment until they are read: memory, not the disk.

Gradio writes each upload to a file before a handler sees it. The folder is on /dev/shm where
there is one, readable by this user only, emptied at start and stop; `take` reads a file and
removes it in one go.
"""

import hashlib
import os
import shutil
import stat
from pathlib import Path

from serving.errors import BadInput

MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs; the folder made in it is checked below


def prepare(home: Path, memory: Path = MEMORY) -> Path:
    """Make the private folder, empty it, and tell Gradio; call it before importing Gradio.

    Two workbenches of one user have two homes and so two folders.
    """
    folder = _in_memory(home, memory) or home / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    empty(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def _in_memory(home: Path, memory: Path) -> Path | None:
    """Return our folder on the tmpfs, or None where there is none or another user took the name."""
    if not os.access(memory, os.W_OK):
        return None
    mark = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    folder = memory / f"rounds-{os.getuid()}-{mark}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    return folder if ours else None


def empty(folder: Path) -> None:
    """Remove everything in the folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove the folder with all that is in it (at stop)."""
    shutil.rmtree(folder, ignore_errors=True)


def take(path: str | Path) -> bytes:
    """Read an uploaded file and remove it.

    Raises BadInput for a path outside the upload folder or a file that is gone.
    """
    folder = Path(os.environ.get("GRADIO_TEMP_DIR", "/nonexistent")).resolve()
    file = Path(path)
    # The parent is resolved and the last step must not be a link: nothing leads elsewhere.
    place = file.parent.resolve() / file.name
    if not place.is_relative_to(folder) or place.is_symlink() or not place.is_file():
        raise BadInput("The uploaded file is not there any more. Upload it again.")
    try:
        return place.read_bytes()
    finally:
        place.unlink(missing_ok=True)
        if place.parent != folder and not any(place.parent.iterdir()):
            place.parent.rmdir()
