"""One section of a draft on the page: its components, and what they show of its state."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from serving.jobs.draft_job import AT_REST, SectionState
from tasks.discharge import Section
from ui import draft_marks
from ui.rate import rating_widget
from ui.widget import html


@dataclass(frozen=True)
class Card:
    """The components of one section."""

    section: Section
    head: gr.HTML
    stop: gr.Button
    text: gr.Textbox
    hint: gr.Textbox
    redo: gr.Button
    rating: gr.HTML

    @property
    def parts(self) -> list[Any]:
        """Return every component that `look` may change, and the hint."""
        return [self.head, self.stop, self.text, self.hint, self.redo, self.rating]


def lay_card(section: Section) -> Card:
    """Lay out the card of one section."""
    name = section.id
    with gr.Column(elem_classes="card", elem_id=f"section-{name}"):
        with gr.Row(elem_classes="card-head"):
            head = html(draft_marks.section_head(section.title, SectionState()), scale=1)
            stop = gr.Button("Stop", size="sm", min_width=64, elem_id=f"stop-{name}")
        text = gr.Textbox(
            label=section.title,
            show_label=False,
            container=False,
            lines=3,
            max_lines=24,
            elem_id=f"text-{name}",
            elem_classes="draft-text",
            html_attributes=gr.InputHTMLAttributes(spellcheck=False),
        )
        with gr.Row(elem_classes="card-foot"):
            rating = rating_widget(elem_id=f"rate-{name}", scale=1, min_width=320)
            hint = gr.Textbox(
                label=f"Hint for redoing {section.title}",
                show_label=False,
                container=False,
                placeholder="Hint for a redo (optional)",
                max_length=500,
                min_width=190,
                elem_id=f"hint-{name}",
            )
            redo = gr.Button("Redo", size="sm", min_width=64, elem_id=f"redo-{name}")
    return Card(section, head, stop, text, hint, redo, rating)


def look(card: Card, state: SectionState) -> dict[Any, Any]:
    """Return the updates that make a card show a state (the rating apart)."""
    rests = state.status in AT_REST
    return {
        card.head: str(draft_marks.section_head(card.section.title, state)),
        card.text: gr.update(value=state.text, interactive=rests),
        card.stop: gr.update(interactive=not rests),
        card.redo: gr.update(interactive=rests),
    }
