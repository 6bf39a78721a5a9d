"""The workbench: every part of the house, put together once and handed to page, API and CLI."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from serving.client import EngineClient
from serving.client.gate import Gate
from serving.engine.address import running_engine
from serving.engine.external import ExternalEngine, connect_external
from serving.engine.handle import EngineHandle
from serving.engine.supervisor import Engine
from serving.errors import EngineUnavailable
from serving.jobs.asking import Asking
from serving.jobs.drafting import Drafting
from serving.jobs.tagging import Tagging
from serving.models.files import ModelFiles, ensure_model
from serving.models.registry import Registry
from serving.retrieval.index import Index
from serving.settings import DEFAULT_MODEL, Settings
from serving.store import Store
from tasks.presets import Preset, from_model_folder, guess, preset
from tasks.template import Template

Progress = Callable[[str], None]
NOT_YET = "http://127.0.0.1:1"  # until the engine has an address; nothing listens there


class Workbench:
    """Settings, store, engine, client, registry and the three jobs: drafting, tagging, asking."""

    def __init__(
        self,
        settings: Settings,
        progress: Progress = lambda _line: None,
        share_engine: bool = False,
    ) -> None:
        """Prepare everything that needs no engine: home, store, model files.

        progress is told, in words for the user, what takes long. share_engine: use the engine
        of a `rounds run` beside us if there is one, so that a batch job starts in seconds and
        needs no second copy of the model. Raises ModelProblem, StoreUnavailable or
        EngineUnavailable with what to do.
        """
        settings.prepare_home()
        self.store = Store(settings.store_url)
        self.store.migrate()
        self.files = None if settings.vllm_url else ensure_model(settings, progress)
        name = self.files.name if self.files else settings.model
        self.preset = preset(settings.preset or guess(name))
        context = settings.max_model_len or self.preset.context_length
        self.settings = settings.model_copy(update={"max_model_len": context})
        self.gate = Gate(settings.max_in_flight, settings.max_waiting)
        self.engine = self._engine(share_engine)
        self.client = EngineClient(
            self.engine.base_url or NOT_YET,
            self.engine.api_key,
            _template(self.preset, settings, self.files),
            self.gate,
            name,
            self.preset,
        )
        self.registry = Registry(settings, self.store, self.client, self._digest())
        self.index = Index(settings)
        self.drafting = Drafting(self.client, self.registry, self.store)
        self.tagging = Tagging(self.client, self.registry, self.store)
        self.asking = Asking(self.client, self.registry, self.index, self.store)

    @property
    def model_name(self) -> str:
        """Return the name under which the engine serves the base checkpoint."""
        return self.client.model

    @property
    def is_default_model(self) -> bool:
        """Tell whether the small default model answers."""
        return self.files.is_default if self.files else self.model_name == DEFAULT_MODEL

    async def start(self) -> None:
        """Start the engine in the background; `engine.wait_ready` waits for it."""
        await self.engine.start()

    async def close(self) -> None:
        """Stop what is being written (keeping it), then the engine, then the store."""
        await self.drafting.close()
        await self.engine.stop()
        await self.client.close()
        await asyncio.to_thread(self.index.close)
        await asyncio.to_thread(self.store.close)

    def require_engine(self) -> None:
        """Raise EngineUnavailable, with the reason for the user, unless the engine is ready."""
        if self.engine.state != "ready":
            raise EngineUnavailable(f"The engine is not ready: {self.engine.reason}")

    def _engine(self, share: bool) -> EngineHandle:
        if self.files is None:
            return connect_external(self.settings, self._on_ready)
        if share and (running := running_engine(self.settings)):
            return ExternalEngine(*running, on_ready=self._on_ready)
        return Engine(self.settings, self.files, self._on_ready)

    def _digest(self) -> str:
        """Return the checkpoint's digest; of an engine elsewhere only its name is known."""
        if self.files is None and Path(self.settings.model).is_dir():
            return ensure_model(self.settings).digest
        return self.files.digest if self.files else f"external:{self.settings.model}"

    async def _on_ready(self) -> None:
        """After each start of the engine: find it, and bring its adapters back."""
        await self.client.move(self.engine.base_url, self.engine.api_key)
        if self.files is None:
            names = await self.client.models()
            if self.client.model not in names:
                self._meet(names[0])
        await self.registry.restore()

    def _meet(self, served: str) -> None:
        """Speak to an engine elsewhere as what it serves, unless the settings choose a preset."""
        self.client.model = served
        if not Path(self.settings.model).is_dir():
            self.registry.model_digest = f"external:{served}"
        if self.settings.preset is None:
            self.preset = preset(guess(served))
            self.client.speak(self.preset, _template(self.preset, self.settings, None))


def _template(preset: Preset, settings: Settings, files: ModelFiles | None) -> Template | None:
    """Return the preset's template, or the model's own where its files are here.

    None: the files are elsewhere, and the engine applies its own chat template.
    """
    if preset.template is not None:
        return preset.template
    folder = files.path if files else Path(settings.model)
    return from_model_folder(folder) if folder.is_dir() else None
