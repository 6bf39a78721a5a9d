"""What stands on the page when an answer is broken off."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from serving.errors import StreamBroken, TooLong
from serving.jobs.ask_events import Delta, Passages
from ui import ask_tab


def _tab(monkeypatch: pytest.MonkeyPatch, error: Exception, *said: str) -> ask_tab.AskTab:
    async def ask(*_args: Any, **_more: Any) -> AsyncIterator[Any]:
        yield Passages(())
        for text in said:
            yield Delta(text)
        raise error

    async def account(*_args: Any) -> Any:
        return SimpleNamespace(id=1)

    monkeypatch.setattr(ask_tab, "account", account)
    bench = SimpleNamespace(require_engine=lambda: None, asking=SimpleNamespace(ask=ask))
    source = SimpleNamespace(admission=gr.State(""), notes=gr.State({}))
    with gr.Blocks(analytics_enabled=False):
        return ask_tab.AskTab(bench, source)  # type: ignore[arg-type]


async def _live(tab: ask_tab.AskTab, error: type[Exception]) -> str:
    """Return what the live part of the page shows at the end of a question that fails."""
    shown = ""
    with pytest.raises(error):
        async for updates in tab._run("Why?", ["reference"], {"turns": []}, "", {}, None):  # type: ignore[arg-type]
            shown = updates.get(tab._live, shown)
    return shown


async def test_an_answer_cut_off_by_the_engine_stays_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tab = _tab(monkeypatch, StreamBroken("gone"), "Half an ", "answer <b>so far</b>")
    live = await _live(tab, StreamBroken)
    assert "Half an answer &lt;b&gt;so far" in live
    assert "broken off" in live and "Why?" in live
    assert tab._live not in tab._rest()  # what comes after the error leaves it there


async def test_a_question_that_was_refused_leaves_nothing_half_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tab = _tab(monkeypatch, TooLong("too long"))
    assert await _live(tab, TooLong) == ""
