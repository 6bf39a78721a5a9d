import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serving.client import EngineClient, Params, Prompt
from serving.errors import (
    BadInput,
    EngineUnavailable,
    ModelProblem,
    NotFound,
    StoreUnavailable,
)
from serving.models.registry import Registry
from serving.settings import Settings
from serving.store import Store
from tests.serving.jobs.fakes import FakeClient
from tests.serving.models.adapters import make_adapter

BASE = "b" * 64


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of adapters that the settings allow."""
    folder = tmp_path / "allowed"
    make_adapter(folder / "red", seed=1)
    make_adapter(folder / "blue", seed=2)
    return folder


@pytest.fixture
async def store(home: Path) -> AsyncIterator[Store]:
    home.mkdir()
    with Store(f"sqlite:///{home / 'rounds.db'}") as store:
        store.migrate()
        yield store


def _registry(home: Path, shelf: Path, store: Store, client: object) -> Registry:
    settings = Settings(home=home, adapter_dirs=(shelf,))
    return Registry(settings, store, client, BASE)  # type: ignore[arg-type]


async def test_an_adapter_is_loaded_by_content_assigned_and_unloaded(
    home: Path, shelf: Path, store: Store
) -> None:
    client, me = FakeClient(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    assert registry.served("ner-gene").model == "fake"
    name = await registry.load("red")
    assert name.startswith("red@") and len(name) == len("red@") + 12
    assert client.loaded == {name}
    served = await registry.assign("ner-gene", name, me)
    assert (served.model, served.adapter_digest is not None) == (name, True)
    assert registry.served("ner-disease").model == "fake"
    with pytest.raises(BadInput, match="answers for ner-gene"):
        await registry.unload(name)
    await registry.assign("ner-gene", None, me)
    await registry.unload(name)
    assert client.loaded == set()


async def test_only_what_lies_in_allowed_folders_is_loaded(
    home: Path, shelf: Path, store: Store, tmp_path: Path
) -> None:
    make_adapter(tmp_path / "elsewhere", seed=3)
    client = FakeClient()
    registry = _registry(home, shelf, store, client)
    for name in ("elsewhere", "../elsewhere", str(tmp_path / "elsewhere"), ""):
        with pytest.raises(NotFound):
            await registry.load(name)
    assert client.loaded == set()


async def test_an_adapter_that_answers_as_its_base_is_put_out_again(
    home: Path, shelf: Path, store: Store
) -> None:
    class Silent(FakeClient):
        async def next_token_logprobs(self, model: str, prompt: object) -> dict[str, float]:
            return {"same": -1.0}

    client = Silent()
    registry = _registry(home, shelf, store, client)
    with pytest.raises(ModelProblem, match="exactly as its base"):
        await registry.load("red")
    assert client.loaded == set()
    assert [m.kind for m in await registry.status()] == ["checkpoint"]


class Strict(FakeClient):
    """Refuses, as vLLM does, to load a name twice; what is in `failing` is not to be had."""

    failing: frozenset[str] = frozenset()

    async def load_adapter(self, name: str, path: str) -> None:
        if name in self.loaded:
            raise ModelProblem(f"The engine did not load {name}: already loaded")
        await super().load_adapter(name, path)

    async def unload_adapter(self, name: str) -> None:
        if "unload" in self.failing:
            raise EngineUnavailable("The engine cannot be reached.")
        await super().unload_adapter(name)

    async def next_token_logprobs(self, model: str, prompt: Prompt) -> dict[str, float]:
        if "canary" in self.failing:
            raise EngineUnavailable("The engine sent no log-probabilities.")
        return await super().next_token_logprobs(model, prompt)


@pytest.mark.parametrize("unloads", [True, False], ids=["put_out", "left_behind"])
@pytest.mark.parametrize("part", ["canary", "register"])
async def test_a_load_that_fails_half_way_can_be_repeated(
    home: Path,
    shelf: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    unloads: bool,
) -> None:
    def locked(**_: object) -> None:
        raise StoreUnavailable("The database is locked.")

    client = Strict()
    client.failing = frozenset({part} if unloads else {part, "unload"})
    registry = _registry(home, shelf, store, client)
    with monkeypatch.context() as broken:
        if part == "register":
            broken.setattr(store.models, "register", locked)
        with pytest.raises((EngineUnavailable, StoreUnavailable), match=r"no log-prob|locked"):
            await registry.load("red")
    assert bool(client.loaded) is not unloads
    assert [m.kind for m in await registry.status()] == ["checkpoint"]
    client.failing = frozenset()
    assert client.loaded == {await registry.load("red")}
    assert [m.loaded for m in await registry.status()] == [True, True]


async def test_what_waits_for_an_unload_finds_it_gone(
    home: Path, shelf: Path, store: Store
) -> None:
    client, me = FakeClient(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    name = await registry.load("red")
    await registry.assign("ner-gene", name, me)
    with registry.use("ner-gene"):  # holds the first unload, and with it those behind it
        await registry.assign("ner-gene", None, me)
        first = asyncio.create_task(registry.unload(name))
        await asyncio.sleep(0)
        behind = [registry.unload(name), registry.assign("ner-gene", name, me)]
        waiting = [asyncio.ensure_future(task) for task in behind]
        await asyncio.sleep(0.05)
    await first
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, NotFound)
    assert registry.served("ner-gene").model == "fake"
    assert store.models.current()["ner-gene"].adapter_digest is None


async def test_an_unload_behind_an_assignment_is_refused(
    home: Path, shelf: Path, store: Store
) -> None:
    client, me = FakeClient(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    name = await registry.load("red")
    assigning = asyncio.create_task(registry.assign("ner-gene", name, me))
    await asyncio.sleep(0)
    with pytest.raises(BadInput, match="answers for ner-gene"):
        await registry.unload(name)
    await assigning
    assert client.loaded == {name}


async def test_after_an_engine_restart_adapters_and_aliases_come_back(
    home: Path, shelf: Path, store: Store
) -> None:
    client, me = FakeClient(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    name = await registry.load("red")
    await registry.assign("ner-gene", name, me)
    client.loaded.clear()  # the engine restarted
    await registry.restore()
    assert client.loaded == {name}
    fresh = _registry(home, shelf, store, FakeClient())  # the app restarted, too
    await fresh.restore()
    assert fresh.served("ner-gene").model == name


async def test_files_that_changed_after_loading_do_not_come_back(
    home: Path, shelf: Path, store: Store
) -> None:
    client, me = FakeClient(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    name = await registry.load("red")
    await registry.assign("ner-gene", name, me)
    kept = Path(store.models.adapter(name).path)
    (kept / "adapter_model.safetensors").write_bytes(b"tampered")
    fresh = _registry(home, shelf, store, FakeClient())
    await fresh.restore()
    assert fresh.served("ner-gene").model == "fake"


async def test_unloading_waits_for_answers_in_flight(home: Path, shelf: Path, store: Store) -> None:
    client, me = FakeClient(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    name = await registry.load("red")
    await registry.assign("ner-gene", name, me)
    with registry.use("ner-gene") as served:
        assert served.model == name
        await registry.assign("ner-gene", None, me)
        unloading = asyncio.create_task(registry.unload(name))
        await asyncio.sleep(0.25)
        assert name in client.loaded
    await unloading
    assert name not in client.loaded


async def test_an_alias_must_be_a_task_and_a_model_must_be_loaded(
    home: Path, shelf: Path, store: Store
) -> None:
    registry = _registry(home, shelf, store, FakeClient())
    with pytest.raises(BadInput, match="no task"):
        await registry.assign("astrology", None, 1)
    with pytest.raises(NotFound, match="load it first"):
        await registry.assign("ner-gene", "red@000000000000", 1)


@pytest.mark.engine
async def test_two_real_adapters_answer_apart_on_the_real_engine(
    home: Path, shelf: Path, store: Store, engine_client: EngineClient
) -> None:
    registry = _registry(home, shelf, store, engine_client)
    me = store.accounts.ensure("me", "admin").id
    prompt = await engine_client.prompt([{"role": "user", "content": "Name a colour."}])
    names = [await registry.load("red"), await registry.load("blue")]
    try:
        assert set(names) <= set(await engine_client.models())
        base = await engine_client.next_token_logprobs(engine_client.model, prompt)
        ours = [await engine_client.next_token_logprobs(name, prompt) for name in names]
        assert base != ours[0] != ours[1] != base
        served = await registry.assign("ask", names[1], me)
        answer = await engine_client.complete(served.model, prompt, Params(max_tokens=5))
        assert answer.completion_tokens > 0
        status = {m.name: m for m in await registry.status()}
        assert status[names[1]].aliases == ("ask",) and status[names[1]].loaded
    finally:
        await registry.assign("ask", None, me)
        for name in names:
            await registry.unload(name)
    assert await engine_client.models() == [engine_client.model]


async def test_an_adapter_that_does_not_come_back_leaves_its_alias_to_the_checkpoint(
    home: Path, shelf: Path, store: Store
) -> None:
    class Forgetful(FakeClient):
        async def load_adapter(self, name: str, path: str) -> None:
            if self.context == 0:
                raise ModelProblem("no room")
            self.loaded.add(name)

    client, me = Forgetful(), store.accounts.ensure("me", "admin").id
    registry = _registry(home, shelf, store, client)
    name = await registry.load("red")
    await registry.assign("ner-gene", name, me)
    client.loaded.clear()
    client.context = 0  # from now on nothing loads
    await registry.restore()
    assert registry.served("ner-gene").model == "fake"
