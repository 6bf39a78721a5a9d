import os
from pathlib import Path

import pytest

from serving import uploads
from serving.errors import BadInput


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # so that what `prepare` sets is undone
    memory = tmp_path / "memory"
    memory.mkdir()
    return uploads.prepare(tmp_path / "home", memory)


def test_a_file_is_read_once_and_gone(folder: Path) -> None:
    nested = folder / "0123abc"
    nested.mkdir()
    (nested / "note.txt").write_bytes(b"chest pain")
    assert uploads.take(nested / "note.txt") == b"chest pain"
    assert list(folder.iterdir()) == []
    with pytest.raises(BadInput, match="Upload it again"):
        uploads.take(nested / "note.txt")


def test_only_files_of_the_folder_are_read(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    (folder / "link").symlink_to(secret)
    (folder / "dir").symlink_to(tmp_path)
    for path in (secret, folder / "link", folder / "dir" / "secret", folder / ".." / "x", folder):
        with pytest.raises(BadInput):
            uploads.take(path)
    assert secret.read_text() == "key"


def test_the_folder_is_private_in_memory_and_known_to_gradio(folder: Path, tmp_path: Path) -> None:
    assert folder.parent == tmp_path / "memory"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder)


def test_it_is_emptied_at_start_without_following_links(folder: Path, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "file").touch()
    (folder / "link").symlink_to(keep)
    (folder / "left.txt").write_text("from a crash")
    assert uploads.prepare(tmp_path / "home", tmp_path / "memory") == folder
    assert list(folder.iterdir()) == []
    assert (keep / "file").exists()


def test_a_name_taken_by_a_link_is_not_used(folder: Path, tmp_path: Path) -> None:
    uploads.remove(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    assert uploads.prepare(tmp_path / "home", tmp_path / "memory") == tmp_path / "home" / "uploads"


def test_without_memory_it_is_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    folder = uploads.prepare(tmp_path / "home", tmp_path / "no-such")
    assert folder == tmp_path / "home" / "uploads"
    assert folder.stat().st_mode & 0o777 == 0o700
