"""What the page keeps on the server, and how it tells errors."""

from typing import Any

import gradio as gr
import pytest

from serving.errors import BadInput, NotFound
from ui import guard
from ui.pages import Pages
from ui.rate import ANCHORS, HIDDEN, rating_value
from ui.uploaded import Uploaded


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings that would pop up."""
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda message, **_: said.append(message))
    return said


async def test_an_error_is_told_near_the_action_and_as_a_warning(told: list[str]) -> None:
    place: Any = object()

    @guard.guarded(place)
    async def handler() -> guard.Updates:
        raise BadInput("Tick <at least> one note.")

    shown = await handler()
    assert "Tick &lt;at least&gt; one note." in shown[place]
    assert told == ["Tick &lt;at least&gt; one note."]


async def test_an_unexpected_error_gives_nothing_away(told: list[str]) -> None:
    place: Any = object()

    @guard.guarded(place)
    async def handler() -> guard.Updates:
        raise ValueError("the patient's name")

    shown = await handler()
    assert "patient" not in shown[place] + told[0]
    assert "is in the log" in told[0]


async def test_a_stream_keeps_what_it_showed_and_ends_at_rest(told: list[str]) -> None:
    place, text, button = object(), object(), object()

    @guard.guarded_stream(place, lambda: {button: "rests"})  # type: ignore[arg-type]
    async def handler():  # type: ignore[no-untyped-def]
        yield {text: "half an answer"}
        raise NotFound("It is gone.")

    shown = [updates async for updates in handler()]
    assert shown[1] == {text: "half an answer"}
    assert shown[-1][button] == "rests"
    assert "It is gone." in shown[-1][place]


async def test_success_clears_the_last_error() -> None:
    place: Any = object()

    @guard.guarded(place)
    async def handler() -> guard.Updates:
        return {"other": 1}

    assert await handler() == {place: "", "other": 1}


def test_the_newest_stream_to_a_page_ends_the_one_before() -> None:
    pages = Pages()
    first = pages.begin("p", 1, {})
    serial = first.serial
    assert pages.begin("p", 1, {}).serial != serial


def test_a_page_keeps_its_view_of_a_draft_and_forgets_it_with_the_draft() -> None:
    pages = Pages()
    view = pages.begin("p", 1, {"diagnoses": "as stored"})
    view.known["history"] = "sent"
    assert pages.begin("p", 1, {"diagnoses": "newer"}).known == view.known
    assert pages.begin("p", 2, {"diagnoses": "other"}).known == {"diagnoses": "other"}


def test_uploads_are_held_for_their_owner_only() -> None:
    held = Uploaded()
    held.keep(1, "a.csv", b"rows")
    assert held.get(1) == ("a.csv", b"rows")
    with pytest.raises(NotFound, match="Upload it again"):
        held.get(2)
    held.keep(1, "b.csv", b"other")
    assert held.get(1) == ("b.csv", b"other")


def test_the_oldest_upload_makes_room() -> None:
    held = Uploaded()
    for owner in range(9):
        held.keep(owner, "a.csv", b"rows")
    with pytest.raises(NotFound):
        held.get(0)
    assert held.get(8)[1] == b"rows"


def test_the_rating_offers_five_anchors() -> None:
    html = rating_value("abc")["html"]
    for score, anchor in enumerate(ANCHORS, 1):
        assert f'data-score="{score}" title="{anchor}"' in html
    assert rating_value(None) == HIDDEN


def test_old_files_of_others_are_let_go_when_anyone_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    held, clock = Uploaded(), [0.0]
    monkeypatch.setattr("ui.uploaded.time.monotonic", lambda: clock[0])
    held.keep(1, "a.csv", b"patients of one")
    clock[0] = 31 * 60.0
    held.keep(2, "b.csv", b"patients of another")
    assert list(held._files) == [2]
