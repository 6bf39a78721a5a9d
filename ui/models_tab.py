"""The Models tab: what answers for which task, and adapters in and out while people work."""

from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from serving.errors import EngineUnavailable
from serving.models.registry import ModelStatus
from tasks.catalog import all_tasks
from ui.events import QUIET
from ui.guard import Updates, guarded
from ui.marks import EMPTY, aside, problem, table
from ui.people import account
from ui.widget import html

if TYPE_CHECKING:
    from serving.workbench import Workbench

_NO_ADAPTERS = (
    "No adapters are in the folders that may be loaded from. Put one into models/ or name its "
    "folder in ROUNDS_ADAPTER_DIRS, then press Refresh."
)


class ModelsTab:
    """Everyone may look; load, assign and unload are for admins."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the tab out; call within its gr.Tab."""
        self._bench = workbench
        self._problem = html("", elem_id="models-problem")
        with gr.Row(elem_classes="tools"):
            self._engine = html("", elem_id="engine-figures", scale=1)
            self._again = gr.Button("Refresh", size="sm", min_width=90, elem_id="models-refresh")
        self._table = html("", elem_id="models-table")
        with gr.Row(elem_classes="model-actions", equal_height=True):
            with gr.Column(elem_classes="card"):
                self._available = gr.Dropdown([], label="Load an adapter", elem_id="adapter")
                self._load = gr.Button("Load", size="md", elem_id="load-adapter")
            with gr.Column(elem_classes="card"):
                with gr.Row():
                    self._task = gr.Dropdown(
                        [(f"{t.title} ({t.id})", t.id) for t in all_tasks().values()],
                        label="Let this task",
                        elem_id="assign-task",
                    )
                    self._model = gr.Dropdown([], label="be answered by", elem_id="assign-model")
                self._assign = gr.Button("Assign", size="md", elem_id="assign")
            with gr.Column(elem_classes="card"):
                self._loaded = gr.Dropdown([], label="Unload an adapter", elem_id="loaded")
                self._unload = gr.Button("Unload", size="md", elem_id="unload-adapter")
        self._note = html(aside("Loading, assigning and unloading are for admins."))
        self._wire()

    def wire_page(self, tab: gr.Tab) -> None:
        """Show what is served whenever the tab is opened."""
        tab.select(guarded(self._problem)(self._refresh), None, self._places, **QUIET)

    @property
    def _places(self) -> list[Any]:
        return [
            *(self._problem, self._engine, self._table, self._available, self._model),
            *(self._loaded, self._load, self._unload, self._assign, self._note),
        ]

    def _wire(self) -> None:
        shield = guarded(self._problem)
        self._again.click(shield(self._refresh), None, self._places, **QUIET)
        for button, action, inputs in (
            (self._load, self._do_load, [self._available]),
            (self._assign, self._do_assign, [self._task, self._model]),
            (self._unload, self._do_unload, [self._loaded]),
        ):
            button.click(
                shield(action),
                inputs,
                self._places,
                **QUIET | {"show_progress": "minimal", "show_progress_on": button},
            )

    # --- actions -----------------------------------------------------------------------

    async def _do_load(self, folder: str | None, request: gr.Request) -> Updates:
        await account(request, self._bench, "admin")
        if not folder:
            return {self._problem: str(problem("Choose an adapter to load."))}
        self._bench.require_engine()
        name = await self._bench.registry.load(folder)
        return await self._refresh(request) | {
            self._problem: str(aside(f"{name} is loaded. Assign it to a task to use it."))
        }

    async def _do_assign(self, task: str | None, model: str | None, request: gr.Request) -> Updates:
        person = await account(request, self._bench, "admin")
        if not task or not model:
            return {self._problem: str(problem("Choose a task and a model."))}
        await self._bench.registry.assign(task, model, person.id)
        return await self._refresh(request) | {
            self._problem: str(aside(f"From now on {model} answers for {task}."))
        }

    async def _do_unload(self, name: str | None, request: gr.Request) -> Updates:
        await account(request, self._bench, "admin")
        if not name:
            return {self._problem: str(problem("Choose an adapter to unload."))}
        await self._bench.registry.unload(name)
        return await self._refresh(request) | {self._problem: str(aside(f"{name} is unloaded."))}

    # --- showing -----------------------------------------------------------------------

    async def _refresh(self, request: gr.Request) -> Updates:
        person = await account(request, self._bench)
        admin = person.role == "admin"
        try:
            models = await self._bench.registry.status()
            figures: Markup = _figures(await self._bench.client.metrics())
        except EngineUnavailable as error:
            return {self._engine: str(problem(str(error)))}
        adapters = [m.name for m in models if m.kind == "adapter"]
        ready = sorted(self._bench.registry.available())
        return {
            self._engine: str(figures),
            self._table: str(_served(models) + (EMPTY if ready else aside(_NO_ADAPTERS))),
            self._available: gr.update(choices=ready, value=None),
            self._model: gr.update(choices=[m.name for m in models], value=None),
            self._loaded: gr.update(choices=adapters, value=None),
            self._load: gr.update(interactive=admin and bool(ready)),
            self._assign: gr.update(interactive=admin),
            self._unload: gr.update(interactive=admin and bool(adapters)),
            self._note: gr.update(visible=not admin),
        }


def _served(models: list[ModelStatus]) -> Markup:
    rows = [
        (
            Markup("<b>{}</b>").format(m.name),
            m.kind,
            Markup('<code title="{}">{}</code>').format(m.digest, m.digest[:19]),
            "loaded" if m.loaded else "NOT loaded",
            ", ".join(m.aliases) or "none",
            m.in_flight,
        )
        for m in models
    ]
    head = ("Name", "Kind", "Digest", "Health", "Answers for", "In flight")
    return table(head, rows, "Models that are served")


def _figures(metrics: dict[str, float]) -> Markup:
    """Return the engine's own figures in a line (names are vLLM's)."""
    asked = metrics.get("vllm:prefix_cache_queries_total", 0.0)
    hits = metrics.get("vllm:prefix_cache_hits_total", 0.0)
    parts = [
        f"{metrics.get('vllm:num_requests_running', 0):.0f} requests running",
        f"{metrics.get('vllm:num_requests_waiting', 0):.0f} waiting",
        f"prefix cache hits {hits / asked:.0%}" if asked else "prefix cache not used yet",
        f"{metrics.get('vllm:generation_tokens_total', 0):,.0f} tokens written since start",
    ]
    return Markup('<span class="figures">Engine: {}</span>').format(" · ".join(parts))
