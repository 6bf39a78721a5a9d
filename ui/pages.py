"""What each open page has been shown of its draft, so that only changes are sent to it."""

from collections import OrderedDict
from dataclasses import dataclass, field

_LIMIT = 500  # open pages remembered; an older one is merely sent everything again


@dataclass
class Shown:
    """A page's view. serial: counts the streams to it; the newest alone may go on."""

    draft_id: int | None = None
    known: dict[str, object] = field(default_factory=dict)
    serial: int = 0


class Pages:
    """The views of all open pages, by page id."""

    def __init__(self) -> None:
        self._pages: OrderedDict[str, Shown] = OrderedDict()

    def of(self, page: str) -> Shown:
        """Return a page's view, an empty one if it is not known (after a restart, say)."""
        view = self._pages.setdefault(page, Shown())
        self._pages.move_to_end(page)
        while len(self._pages) > _LIMIT:
            self._pages.popitem(last=False)
        return view

    def begin(self, page: str, draft_id: int | None, baseline: dict[str, object]) -> Shown:
        """Start a new stream to the page, which ends the one before; return its view.

        baseline: what the page is taken to show, unless it is known to show this draft.
        """
        view = self.of(page)
        if view.draft_id != draft_id:
            view.draft_id, view.known = draft_id, dict(baseline)
        view.serial += 1
        return view
