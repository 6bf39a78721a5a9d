"""The page: a header that is always there, and five tabs."""

from typing import TYPE_CHECKING

import gradio as gr

from ui.ask_tab import AskTab
from ui.draft_tab import DraftTab
from ui.models_tab import ModelsTab
from ui.ratings_tab import RatingsTab
from ui.status import StatusLine
from ui.tag_tab import TagTab

if TYPE_CHECKING:
    from serving.workbench import Workbench


def build(workbench: "Workbench") -> gr.Blocks:
    """Return the page over a workbench; every handler looks up who asks."""
    page: gr.Blocks
    with gr.Blocks(title="Rounds", analytics_enabled=False, fill_width=True) as page:
        status = StatusLine(workbench)
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Draft", id="draft") as tab:
                draft = DraftTab(workbench)
            draft.wire_page(page, tab)
            with gr.Tab("Tag", id="tag"):
                TagTab(workbench)
            with gr.Tab("Ask", id="ask") as tab:
                AskTab(workbench, draft.source).wire_page(tab)
            with gr.Tab("Ratings", id="ratings") as tab:
                RatingsTab(workbench).wire_page(tab)
            with gr.Tab("Models", id="models") as tab:
                ModelsTab(workbench).wire_page(tab)
        status.wire_page(page)
    page.queue(default_concurrency_limit=None, api_open=False)
    return page
