import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import httpx2
import pytest

from serving.client import Completion, EngineClient, Params
from serving.client.gate import Gate
from serving.errors import EngineUnavailable, ModelProblem, StreamBroken, TooLong
from tasks.base import Constraint
from tasks.catalog import task
from tasks.ner import NerExample
from tasks.presets import preset

COUNT = [{"role": "user", "content": "Count from one to one hundred in words."}]


# --- with a scripted server -------------------------------------------------------------


class Script(httpx2.AsyncBaseTransport):
    """Answers like vLLM, failing as told: what comes first in `failures` is raised or sent."""

    def __init__(self, *failures: Exception | int, cut: bool = False) -> None:
        self.failures = list(failures)
        self.cut = cut
        self.completions = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/models":
            return httpx2.Response(200, json={"data": [{"id": "m", "max_model_len": 100}]})
        if request.url.path == "/tokenize":
            return httpx2.Response(200, json={"tokens": list(range(10))})
        self.completions += 1
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return httpx2.Response(failure, json={"error": {"message": "no"}})
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=_Events(self.cut))


class _Events(httpx2.AsyncByteStream):
    def __init__(self, cut: bool) -> None:
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for text, reason in (("Hello", None), (" there", "stop")):
            if self._cut and reason:
                raise httpx2.ReadError("connection reset")
            choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
            chunk = {"id": "c", "object": "text_completion", "created": 0, "model": "m"}
            yield f"data: {json.dumps(chunk | {'choices': [choice]})}\n\n".encode()
        yield b"data: [DONE]\n\n"


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    real = httpx2.AsyncClient

    def make(script: Script, **more: Any) -> EngineClient:
        class Scripted(real):  # type: ignore[valid-type,misc]
            def __init__(self, **kw: Any) -> None:
                super().__init__(transport=script, **kw)

        monkeypatch.setattr(httpx2, "AsyncClient", Scripted)
        return EngineClient("http://engine", "key", None, model="m", **more)

    yield make


async def test_what_never_reached_the_engine_is_sent_again(scripted: Any) -> None:
    script = Script(httpx2.ConnectError("refused"), 503)
    client = scripted(script)
    answer = await client.complete("m", await client.prompt(COUNT), Params(max_tokens=5))
    assert answer.text == "Hello there"
    assert script.completions == 3
    await client.close()


async def test_what_the_engine_has_begun_is_never_sent_again(scripted: Any) -> None:
    script = Script(cut=True)
    client, result = scripted(script), Completion()
    with pytest.raises(StreamBroken, match="kept"):
        async for _ in client.stream(
            "m", await client.prompt(COUNT), Params(max_tokens=5), result=result
        ):
            pass
    assert (result.text, script.completions) == ("Hello", 1)
    await client.close()


@pytest.mark.parametrize("failure", [500, httpx2.ReadTimeout("slow")])
async def test_a_failure_of_unknown_effect_is_not_repeated(scripted: Any, failure: Any) -> None:
    script = Script(failure)
    client = scripted(script)
    with pytest.raises(EngineUnavailable):
        await client.complete("m", await client.prompt(COUNT), Params(max_tokens=5))
    assert script.completions == 1
    await client.close()


async def test_a_model_that_is_not_served_is_named_as_such(scripted: Any) -> None:
    client = scripted(Script(404))
    with pytest.raises(ModelProblem, match="does not serve"):
        await client.complete("m", await client.prompt(COUNT), Params(max_tokens=5))
    await client.close()


async def test_too_long_is_said_before_anything_is_sent(scripted: Any) -> None:
    script = Script()
    client = scripted(script)
    with pytest.raises(TooLong, match="reads at most 5"):
        await client.complete("m", await client.prompt(COUNT), Params(max_tokens=95))
    assert script.completions == 0
    await client.close()


async def test_a_failed_request_gives_its_slot_back(scripted: Any) -> None:
    gate = Gate(slots=1, depth=0)
    client = scripted(Script(500, cut=False), gate=gate)
    prompt = await client.prompt(COUNT)
    with pytest.raises(EngineUnavailable):
        await client.complete("m", prompt, Params(max_tokens=5))
    assert (await client.complete("m", prompt, Params(max_tokens=5))).text == "Hello there"
    assert gate.running == 0
    await client.close()


@pytest.mark.parametrize("verb", ["load", "unload"])
async def test_adapters_come_and_go_as_safely_as_answers(scripted: Any, verb: str) -> None:
    async def move(client: EngineClient) -> None:
        await (client.load_adapter("red", "/a") if verb == "load" else client.unload_adapter("red"))
        await client.close()

    script = Script(httpx2.ConnectError("refused"))
    await move(scripted(script))
    assert script.completions == 2  # sent again, for it never arrived
    for lost in (httpx2.ReadError("reset"), httpx2.ReadTimeout("slow")):
        script = Script(lost)
        client = scripted(script)
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            await move(client)
        assert script.completions == 1
        await client.close()
    client = scripted(Script(400))
    with pytest.raises(ModelProblem, match=f"did not {verb} red: no"):
        await move(client)
    await client.close()


async def test_a_client_speaks_as_it_is_told(scripted: Any) -> None:
    client, alpaca = scripted(Script()), preset("alpacare")
    assert client.template_hash == "engine:m" and alpaca.template
    client.speak(alpaca, alpaca.template)
    assert client.template_hash == alpaca.template.digest
    assert (await client.prompt(COUNT)).template_hash == alpaca.template.digest
    await client.close()


# --- with the real engine ----------------------------------------------------------------


@pytest.mark.engine
async def test_the_engine_streams_and_counts(engine_client: EngineClient) -> None:
    prompt = await engine_client.prompt(COUNT)
    result, pieces = Completion(), []
    async for piece in engine_client.stream(
        engine_client.model, prompt, Params(max_tokens=20), result=result
    ):
        pieces.append(piece)
    assert len(pieces) > 5
    assert "".join(pieces) == result.text
    assert (result.prompt_tokens, result.completion_tokens) == (len(prompt), 20)
    assert result.finish_reason == "length"


@pytest.mark.engine
async def test_greedy_answers_are_the_same_twice(engine_client: EngineClient) -> None:
    prompt = await engine_client.prompt(COUNT)
    once = await engine_client.complete(engine_client.model, prompt, Params(max_tokens=16))
    again = await engine_client.complete(engine_client.model, prompt, Params(max_tokens=16))
    assert once.text == again.text


@pytest.mark.engine
async def test_closing_the_stream_aborts_on_the_engine(engine_client: EngineClient) -> None:
    before = await engine_client.metrics()
    prompt = await engine_client.prompt(COUNT)
    params = Params(max_tokens=4000)
    async with aclosing(engine_client.stream(engine_client.model, prompt, params)) as stream:
        async for _ in stream:
            break
        running = (await engine_client.metrics())["vllm:num_requests_running"]
        assert running >= 1
    for _ in range(100):
        if (await engine_client.metrics())["vllm:num_requests_running"] == 0:
            break
        await asyncio.sleep(0.1)
    after = await engine_client.metrics()
    assert after["vllm:num_requests_running"] == 0
    written = after["vllm:generation_tokens_total"] - before["vllm:generation_tokens_total"]
    assert written < 1000  # of the 4,000 it would have gone on to write


@pytest.mark.engine
async def test_structured_answers_are_of_the_form(engine_client: EngineClient) -> None:
    ner = task("ner-disease")
    example = NerExample("The patient has type 2 diabetes and pneumonia.")
    prompt = await engine_client.prompt_for(ner, example)
    answer = await engine_client.complete(
        engine_client.model, prompt, Params(max_tokens=ner.max_tokens), ner.constraint(example)
    )
    ner.parse(answer.text, example)
    picked = await engine_client.complete(
        engine_client.model, prompt, Params(max_tokens=8), Constraint(choice=("aye", "nay"))
    )
    assert picked.text in ("aye", "nay")
    dated = await engine_client.complete(
        engine_client.model, prompt, Params(max_tokens=16), Constraint(regex=r"\d{4}-\d{2}")
    )
    assert len(dated.text) == 7 and dated.text[4] == "-"


@pytest.mark.engine
async def test_our_rendering_is_the_engines_own(engine_client: EngineClient) -> None:
    """The template applied here gives the token ids that vLLM's chat endpoint would use."""
    ours = await engine_client.prompt(COUNT)
    theirs = EngineClient(*engine_client._address, None, model=engine_client.model)
    assert (await theirs.prompt(COUNT)).token_ids == ours.token_ids
    await theirs.close()


@pytest.mark.engine
async def test_a_wrong_adapter_path_is_told_and_harms_nothing(engine_client: EngineClient) -> None:
    with pytest.raises(ModelProblem, match="did not load ghost"):
        await engine_client.load_adapter("ghost", "/nonexistent")
    assert await engine_client.models() == [engine_client.model]
