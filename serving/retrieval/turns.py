"""One process at a time at the files of embedded Chroma.

Chroma keeps its vector index in memory and writes it over whatever is there, so that of two
processes with the same home (the server, and `rounds ask` beside it) one would lose what the
other added. Here each waits its turn, and learns whether to read the files anew.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turns:
    """Turns at a folder, among all processes and threads that use it."""

    def __init__(self, folder: Path) -> None:
        """Use the folder; the first turn makes it, readable by this user only."""
        self._path = folder / "turns"
        self._seen = -1

    @contextmanager
    def take(self, writes: bool = False) -> Iterator[bool]:
        """Wait for the turn; give whether another wrote since our last one.

        writes: this turn changes the files, which the next of another process must notice.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed
            file.seek(0)
            written = int(file.read() or 0)
            if writes:
                file.truncate(0)
                file.write(str(written + 1))  # said before it is done: a crash is noticed too
                file.flush()
            stale, self._seen = written != self._seen, written + writes
            yield stale
