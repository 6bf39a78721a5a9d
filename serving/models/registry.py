"""Which served model answers for which alias, and how adapters come and go.

An alias is the stable name people pick, one for each task. It maps to the base checkpoint
or to a loaded adapter. Adapters are named by content and their names never reused, because
vLLM may serve stale prefix-cache blocks for a name whose weights changed.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serving import log
from serving.client import EngineClient
from serving.errors import BadInput, ModelProblem, NotFound, RoundsError
from serving.models.adapters import AdapterFiles, find_adapters, keep_copy, read_adapter
from serving.settings import Settings
from serving.store import Store
from tasks.catalog import all_tasks

_log = log.get(__name__)

SHIPPED = Path(__file__).resolve().parents[2] / "models"
_DRAIN_S = 120.0  # longest wait for answers in flight before an adapter is unloaded


@dataclass(frozen=True, slots=True)
class Served:
    """A model as the engine serves it: its name there, and exactly what it is."""

    alias: str
    model: str
    model_digest: str
    adapter_digest: str | None
    template_hash: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One line of the Models tab. in_flight: answers being written by it now."""

    name: str
    kind: str  # "checkpoint" or "adapter"
    digest: str
    loaded: bool
    aliases: tuple[str, ...]
    in_flight: int


class Registry:
    """Maps aliases to served models and moves adapters in and out of the engine."""

    def __init__(
        self, settings: Settings, store: Store, client: EngineClient, model_digest: str
    ) -> None:
        """Serve everything by the base checkpoint until told otherwise.

        model_digest: of the base checkpoint; of one elsewhere, what is known of it.
        """
        self._settings = settings
        self._store = store
        self._client = client
        self.model_digest = model_digest
        self._shelf = settings.home / "adapters"
        self._adapters: dict[str, AdapterFiles] = {}  # loaded, by served name
        self._assigned: dict[str, str] = {}  # alias -> served name; absent: the checkpoint
        self._in_flight: Counter[str] = Counter()
        self._change = asyncio.Lock()

    # --- what answers ----------------------------------------------------------------

    def served(self, alias: str) -> Served:
        """Return what answers for an alias now."""
        name = self._assigned.get(alias)
        adapter = self._adapters.get(name) if name else None
        return Served(
            alias=alias,
            model=name if name and adapter else self._client.model,
            model_digest=self.model_digest,
            adapter_digest=adapter.digest if adapter else None,
            template_hash=self._client.template_hash,
        )

    @contextmanager
    def use(self, alias: str) -> Iterator[Served]:
        """Hold what answers for an alias, so that it is not unloaded in mid-answer."""
        served = self.served(alias)
        self._in_flight[served.model] += 1
        try:
            yield served
        finally:
            self._in_flight[served.model] -= 1

    def available(self) -> dict[str, Path]:
        """Return the adapter folders that may be loaded, by name (allow-listed places only)."""
        return find_adapters((SHIPPED, *self._settings.adapter_dirs))

    async def status(self) -> list[ModelStatus]:
        """Return the checkpoint and every adapter with digest, health and aliases."""
        known = set(await self._client.models())
        aliases = {alias: self.served(alias).model for alias in all_tasks()}
        entries = [(self._client.model, "checkpoint", self.model_digest)]
        entries += [(name, "adapter", a.digest) for name, a in self._adapters.items()]
        return [
            ModelStatus(
                name=name,
                kind=kind,
                digest=digest,
                loaded=name in known,
                aliases=tuple(alias for alias, model in aliases.items() if model == name),
                in_flight=self._in_flight[name],
            )
            for name, kind, digest in entries
        ]

    # --- coming and going --------------------------------------------------------------

    async def load(self, folder_name: str) -> str:
        """Verify an available adapter, load it, check that it answers; return its served name.

        Loading what is loaded already is fine. Raises NotFound, ModelProblem, EngineUnavailable
        or StoreUnavailable; on any failure the engine is made to forget the adapter again.
        """
        folder = self.available().get(folder_name)
        if folder is None:
            raise NotFound(
                f"There is no adapter {folder_name!r} in the folders that are allowed "
                f"({SHIPPED.name}/ and ROUNDS_ADAPTER_DIRS)."
            )
        async with self._change:
            adapter = await asyncio.to_thread(self._read, folder)
            name = adapter.served_name(folder_name)
            if name not in self._adapters:
                adapter = await asyncio.to_thread(keep_copy, adapter, self._shelf)
                try:
                    await self._load_checked(name, adapter.path)
                    await asyncio.to_thread(self._register, folder_name, adapter)
                except BaseException:  # a cancelled load, too, must leave nothing behind
                    await self._put_out(name)
                    raise
                self._adapters[name] = adapter
        return name

    async def assign(self, alias: str, name: str | None, account_id: int) -> Served:
        """Let a loaded adapter (or, with None, the checkpoint) answer for an alias from now on."""
        if alias not in all_tasks():
            raise BadInput(f"There is no task {alias!r}; the tasks are {', '.join(all_tasks())}.")
        async with self._change:  # checked within: an unload may be under way
            if name is not None and name != self._client.model and name not in self._adapters:
                raise NotFound(f"No adapter {name!r} is loaded; load it first.")
            adapter = self._adapters.get(name) if name else None
            await asyncio.to_thread(
                self._store.models.assign,
                alias,
                name if name and adapter else self._client.model,
                adapter.digest if adapter else None,
                account_id,
            )
            self._set(alias, name if adapter else None)
        return self.served(alias)

    async def unload(self, name: str) -> None:
        """Let answers in flight finish, then unload an adapter that no alias uses."""
        async with self._change:  # checked within: an assignment or unload may be under way
            users = [alias for alias, model in self._assigned.items() if model == name]
            if users:
                raise BadInput(
                    f"{name} answers for {', '.join(users)}; assign another model first."
                )
            if name not in self._adapters:
                raise NotFound(f"No adapter {name!r} is loaded.")
            await self._drain(name)
            await self._client.unload_adapter(name)
            del self._adapters[name]

    async def restore(self) -> None:
        """After an engine start: load again what was loaded, assign what was assigned.

        An adapter that does not come back leaves its alias to the checkpoint, and the Models
        tab shows it so.
        """
        async with self._change:
            for name, adapter in await asyncio.to_thread(self._wanted):
                try:
                    if name not in await self._client.models():
                        await self._client.load_adapter(name, str(adapter.path))
                    self._adapters[name] = adapter
                except ModelProblem:
                    self._adapters.pop(name, None)
                    _log.warning("adapter_not_restored", served=name)

    def _wanted(self) -> list[tuple[str, AdapterFiles]]:
        """Return the adapters that were loaded or are assigned in the store, checked anew."""
        wanted = dict(self._adapters)
        for alias, assignment in self._store.models.current().items():
            name = assignment.served_model
            self._set(alias, name if assignment.adapter_digest else None)
            if assignment.adapter_digest and name not in wanted:
                try:
                    wanted[name] = self._read(Path(self._store.models.adapter(name).path))
                except (ModelProblem, NotFound):
                    _log.warning("adapter_files_missing_or_changed", served=name)
        return list(wanted.items())

    def _register(self, folder_name: str, adapter: AdapterFiles) -> None:
        self._store.models.register(
            alias=folder_name,
            digest=adapter.digest,
            path=str(adapter.path),
            rank=adapter.rank,
            base_digest=self.model_digest,
            card=adapter.card,
        )

    def _read(self, folder: Path) -> AdapterFiles:
        return read_adapter(
            folder, self._settings.max_lora_rank, self.model_digest, self._client.template_hash
        )

    def _set(self, alias: str, name: str | None) -> None:
        if name is None:
            self._assigned.pop(alias, None)
        else:
            self._assigned[alias] = name

    async def _load_checked(self, name: str, folder: Path) -> None:
        """Load unless it is there, then make sure that it does not silently answer as the base."""
        if name not in await self._client.models():
            await self._client.load_adapter(name, str(folder))
        prompt = await self._client.prompt([{"role": "user", "content": "Say what you see."}])
        ours = await self._client.next_token_logprobs(name, prompt)
        base = await self._client.next_token_logprobs(self._client.model, prompt)
        if ours == base:
            raise ModelProblem(
                f"{name} loaded but answers exactly as its base: its target layers do not fit "
                "this checkpoint. It was unloaded again."
            )

    async def _put_out(self, name: str) -> None:
        """Unload what did not pass, as well as that goes; the next load copes with the rest."""
        try:
            await self._client.unload_adapter(name)
        except RoundsError:
            _log.warning("adapter_left_in_engine", served=name)

    async def _drain(self, name: str) -> None:
        deadline = asyncio.get_running_loop().time() + _DRAIN_S
        while self._in_flight[name] > 0:
            if asyncio.get_running_loop().time() > deadline:
                raise ModelProblem(f"{name} is still writing an answer; try again in a minute.")
            await asyncio.sleep(0.1)
