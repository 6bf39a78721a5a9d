"""The header: name, standing notice, and a thin line that tells how the engine is."""

from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from serving.notice import MODEST, NOTICE
from ui.events import QUIET
from ui.marks import EMPTY
from ui.widget import html

if TYPE_CHECKING:
    from serving.workbench import Workbench

_EVERY_S = 2.0
_WORDS = {
    "ready": "Engine ready",
    "starting": "Engine starting",
    "warming": "Engine warming up",
    "restarting": "Engine restarting",
    "stopped": "Engine stopped",
    "failed": "Engine failed",
}


class StatusLine:
    """The notice and the engine's state, on every tab."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the header out; call first within the page."""
        self._bench = workbench
        with gr.Row(elem_classes="top"):
            html(Markup('<h1>Rounds</h1><p class="notice">{}</p>').format(NOTICE), scale=1)
            self.line = html(self._words(), elem_id="engine-status", scale=0, min_width=420)
        self.modest = html(self._modesty(), elem_id="modest")
        self._timer = gr.Timer(_EVERY_S)

    def wire_page(self, page: gr.Blocks) -> None:
        """Refresh the line when the page opens and every two seconds, only when it changed."""
        places = [self.line, self.modest]
        gr.on([page.load, self._timer.tick], self._refresh, places, places, **QUIET)

    async def _refresh(self, *now: str) -> list[Any]:
        fresh = (str(self._words()), str(self._modesty()))
        return [gr.skip() if new == old else new for new, old in zip(fresh, now, strict=True)]

    def _modesty(self) -> Markup:
        if not self._bench.is_default_model:
            return EMPTY
        return Markup('<p class="modest">{}</p>').format(MODEST)

    def _words(self) -> Markup:
        engine, gate = self._bench.engine, self._bench.gate
        ready = engine.state == "ready"
        parts = [_WORDS.get(engine.state, engine.state), self._bench.model_name]
        if gate.running or gate.waiting:
            parts.append(f"{gate.running} writing, {gate.waiting} in line")
        why = EMPTY if ready else Markup('<span class="why">{}</span>').format(engine.reason)
        return Markup('<div class="engine {}" role="status"><i></i><span>{}</span>{}</div>').format(
            engine.state, " · ".join(parts), why
        )
