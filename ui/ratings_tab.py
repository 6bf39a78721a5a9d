"""The Ratings tab: what I rated, and all ratings as files."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import gradio as gr
from markupsafe import Markup

from serving.store.records import Output, Rating
from tasks.catalog import all_tasks
from ui.events import QUIET
from ui.guard import Updates, guarded
from ui.marks import empty, joined, long_time, table
from ui.people import account
from ui.widget import html

if TYPE_CHECKING:
    from serving.workbench import Workbench

_WELCOME = empty(
    "No ratings of yours yet",
    "Under every output of a model there are five buttons, 1 (of no use) to 5 (could be used "
    "as it stands).",
    "Choose one, add a comment if you like, and save. The keys 1 to 5 work there, too.",
    "Ratings and edits are what the next model learns from.",
)
_EXPORTS = Markup(
    '<nav class="exports" aria-label="Export all ratings"><span>Export all ratings</span>'
    '<a href="/api/ratings?format=csv" download>CSV</a>'
    '<a href="/api/ratings?format=jsonl" download>JSON Lines</a>'
    '<a href="/api/ratings?format=parquet" download>Parquet</a></nav>'
)
Rated = Sequence[tuple[Rating, Output]]


class RatingsTab:
    """Counts by task and the newest ratings."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the tab out; call within its gr.Tab."""
        self._bench = workbench
        self._problem = html("", elem_id="ratings-problem")
        self._exports = html("", elem_id="ratings-exports")
        self._mine = html(_WELCOME, elem_id="my-ratings")

    def wire_page(self, tab: gr.Tab) -> None:
        """Show what there is whenever the tab is opened."""
        places = [self._problem, self._exports, self._mine]
        tab.select(guarded(self._problem)(self._refresh), None, places, **QUIET)

    async def _refresh(self, request: gr.Request) -> Updates:
        person = await account(request, self._bench)
        rated = await asyncio.to_thread(self._bench.store.ratings.mine, person.id)
        exporter = person.role in ("annotator", "admin")
        return {
            self._exports: str(_EXPORTS) if exporter else "",
            self._mine: str(_counts(rated) + _list(rated)) if rated else str(_WELCOME),
        }


def _counts(rated: Rated) -> Markup:
    by_task: defaultdict[str, list[int]] = defaultdict(list)
    for rating, output in rated:
        by_task[output.task].append(rating.score)
    rows = [
        (
            _title(task),
            len(scores),
            f"{sum(scores) / len(scores):.1f}",
            " ".join(f"{score}: {scores.count(score)}" for score in range(1, 6)),
        )
        for task, scores in sorted(by_task.items())
    ]
    return Markup("<h3>My ratings</h3>{}").format(
        table(("Task", "Rated", "Mean", "How often each"), rows, "My ratings by task")
    )


def _list(rated: Rated) -> Markup:
    rows = [
        (
            long_time(rating.created_at.isoformat()),
            _title(output.task) + (f", {output.section}" if output.section else ""),
            rating.score,
            rating.comment or "",
            "edited" if rating.edited_text is not None else "",
            joined([Markup("<code>{}</code>").format(output.served_model)]),
        )
        for rating, output in rated
    ]
    head = ("When (UTC)", "What", "Score", "Comment", "", "Model")
    return Markup("<h3>The newest {}</h3>{}").format(len(rows), table(head, rows, "My ratings"))


def _title(task_id: str) -> str:
    task = all_tasks().get(task_id)
    return task.title if task else task_id
