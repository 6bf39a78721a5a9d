"""How listeners are set on this page: not an API, no limit between users, no flashing overlays."""

from typing import Any

QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "api_visibility": "private",
    "concurrency_limit": None,
}
