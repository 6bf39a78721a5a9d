"""The rating under every output: how useful was it, from 1 to 5, and a comment."""

import asyncio
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from serving.errors import BadInput
from serving.store.records import Account, Rating
from ui.marks import EMPTY, joined
from ui.widget import shown, widget

if TYPE_CHECKING:
    from serving.workbench import Workbench

# The five anchors of usefulness of LlamaCare's Table 3, in our words.
ANCHORS = (
    "Of no use",
    "Mostly of no use; a sentence or two can be kept",
    "Of some use, after much rewriting",
    "Useful after small changes",
    "Could be used as it stands",
)
HIDDEN = shown(EMPTY)
_PROMPT = "How useful is this? 1 is of no use, 5 could be used as it stands."


def rating_widget(**options: Any) -> gr.HTML:
    """Return the place for a rating; it stays empty until there is an output to rate."""
    return widget("rate.js", HIDDEN, "rating", **options)


def rating_value(output_id: str | None, rating: Rating | None = None) -> dict[str, Any]:
    """Return what the widget shows for an output and this user's newest rating of it."""
    if output_id is None:
        return HIDDEN
    buttons = joined(
        Markup(
            '<button type="button" data-score="{}" title="{}" aria-label="{}: {}" '
            'aria-pressed="false">{}</button>'
        ).format(score, anchor, score, anchor, score)
        for score, anchor in enumerate(ANCHORS, 1)
    )
    said = f"Saved, {rating.score} of 5. You may change it." if rating else ""
    markup = Markup(
        '<div class="rate" role="group" aria-label="Rate this output, keys 1 to 5" '
        'data-output="{}" data-saved="{}" data-score="{}" data-comment="{}">'
        '<div class="rate-line"><span class="rate-label">Useful?</span>{}'
        '<span class="anchor" data-empty="{}"></span><span class="said" role="status">{}</span>'
        '</div><div class="rate-more"><textarea rows="1" maxlength="4000" '
        'aria-label="Comment on this output" placeholder="Comment (optional)"></textarea>'
        '<button type="button" data-save="yes">Save rating</button></div></div>'
    ).format(
        output_id,
        rating.id if rating else "",
        rating.score if rating else "",
        rating.comment or "" if rating else "",
        buttons,
        _PROMPT,
        said,
    )
    return shown(markup, output=output_id)


async def rating_of(workbench: "Workbench", account: Account, output_id: str | None) -> Any:
    """Return the widget's value for an output, with the rating this user gave before."""
    if output_id is None:
        return HIDDEN
    store = workbench.store
    rating = await asyncio.to_thread(store.ratings.latest, account.id, output_id)
    return rating_value(output_id, rating)


async def save_rating(
    workbench: "Workbench",
    account: Account,
    output_id: str | None,
    event: gr.EventData,
    edited_text: str | None = None,
) -> dict[str, Any]:
    """Store what the widget sent, as a new version; return the widget's new value.

    edited_text: the output as a person changed it, None where it is as generated. Raises
    NotFound unless the output is the account's own.
    """
    if not output_id:
        raise BadInput("There is nothing of the model here to rate.")
    store = workbench.store

    def save() -> Rating:
        store.outputs.get(output_id, account.id)
        return store.ratings.add(
            account.id,
            output_id,
            score=int(event.score),
            comment=str(event.comment).strip() or None,
            edited_text=edited_text,
        )

    return rating_value(output_id, await asyncio.to_thread(save))
