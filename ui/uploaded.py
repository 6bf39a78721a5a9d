"""Uploaded files with many admissions, held in memory until one is picked."""

import time
from collections import OrderedDict

from serving.errors import NotFound

_KEEP_S = 30 * 60.0
_FILES = 8  # at once, over all people; the oldest goes first


class Uploaded:
    """The last file of each person. Nothing is written to disk, nothing outlives the process."""

    def __init__(self) -> None:
        self._files: OrderedDict[int, tuple[float, str, bytes]] = OrderedDict()

    def keep(self, account_id: int, name: str, data: bytes) -> None:
        """Hold a file for half an hour in place of the person's last one."""
        self._files.pop(account_id, None)
        self._files[account_id] = (time.monotonic(), name, data)
        while len(self._files) > _FILES:
            self._files.popitem(last=False)

    def get(self, account_id: int) -> tuple[str, bytes]:
        """Return name and content; raise NotFound once it is no longer held."""
        at, name, data = self._files.get(account_id, (0.0, "", b""))
        if not data or time.monotonic() - at > _KEEP_S:
            self._files.pop(account_id, None)
            raise NotFound("The uploaded file is not held any more. Upload it again.")
        return name, data
