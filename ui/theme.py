"""How the page looks: system fonts only, one accent, light and dark by the system's choice."""

from typing import Any

import gradio as gr

from ui.widget import STATIC, static_text

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono", "monospace")


def theme() -> gr.themes.Base:
    """Return the theme; fonts are plain names, so nothing is fetched for them."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        text_size="md",
        spacing_size="sm",
        radius_size="sm",
        font=[gr.themes.Font(name) for name in _SANS],
        font_mono=[gr.themes.Font(name) for name in _MONO],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_text_color="white",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_shadow="none",
        block_padding="0px",
        body_background_fill_dark="*neutral_950",
    )


def mount_options() -> dict[str, Any]:
    """Return what gr.mount_gradio_app needs to know of the look and of our script."""
    return {
        "theme": theme(),
        "css_paths": [STATIC / "rounds.css"],
        # As a function for Gradio to call: the content security policy lets no other script in.
        "js": f"() => {{ {static_text('keeper.js')}\n{static_text('rounds.js')} }}",
    }
