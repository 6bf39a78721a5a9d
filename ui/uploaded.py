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
        self._drop_old()
        self._files.pop(account_id, None)
        self._files[account_id] = (time.monotonic(), name, data)
        while len(self._files) > _FILES:
            self._files.popitem(last=False)

    def get(self, account_id: int) -> tuple[str, bytes]:
        """Return name and content; raise NotFound once it is no longer held."""
        self._drop_old()
        if account_id not in self._files:
            raise NotFound("The uploaded file is not held any more. Upload it again.")
        _, name, data = self._files[account_id]
        return name, data

    def _drop_old(self) -> None:
        """Let go of everyone's files whose half hour is over."""
        for account_id, (at, _, _) in list(self._files.items()):
            if time.monotonic() - at > _KEEP_S:
                del self._files[account_id]
