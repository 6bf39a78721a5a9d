"""Small components of our own: escaped HTML from Python, behaviour from ui/static/*.js."""

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

STATIC = Path(__file__).parent / "static"


@cache
def static_text(name: str) -> str:
    """Return a file of ui/static."""
    return (STATIC / name).read_text("utf-8")


def html(value: Markup | str = "", *classes: str, **options: Any) -> gr.HTML:
    """Return a place for HTML that only shows."""
    return gr.HTML(
        str(value),
        js_on_load=None,
        apply_default_css=False,
        elem_classes=list(classes),
        **options,
    )


def widget(script: str, value: dict[str, Any], *classes: str, **options: Any) -> gr.HTML:
    """Return a place for HTML that acts: `value["html"]` is shown, `script` listens to it.

    The template names the value and never holds it, so that nothing in it is evaluated.
    """
    return gr.HTML(
        value,
        html_template="${value.html}",
        js_on_load=static_text(script),
        apply_default_css=False,
        elem_classes=list(classes),
        **options,
    )


def shown(markup: Markup | str, **fields: Any) -> dict[str, Any]:
    """Return the value of a widget."""
    return {"html": str(markup), **fields}
