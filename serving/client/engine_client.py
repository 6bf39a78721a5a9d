"""The one way to the engine: prompts in, tokens out, over vLLM's OpenAI-compatible API.

Prompts go as token ids to `/v1/completions`: the template is applied here, by the same
object that makes the training data, and the engine's own tokenizer counts and encodes.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import httpx2
import openai
from prometheus_client.parser import text_string_to_metric_families

from serving.client.gate import Gate, OnPlace
from serving.client.messages import LOOP, Completion, Params, Prompt
from serving.client.transport import TIMEOUT, reason, safely, structured
from serving.errors import EngineUnavailable, ModelProblem, StreamBroken, TooLong
from tasks.base import Constraint, Example, Message, Task
from tasks.presets import Preset
from tasks.presets import preset as find_preset
from tasks.template import Template, plain_chat


class EngineClient:
    """Asynchronous client of one vLLM server; safe to share between tasks of one loop."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        template: Template | None,
        gate: Gate | None = None,
        model: str = "",
        preset: Preset | None = None,
    ) -> None:
        """Connect lazily to `base_url` (without `/v1`); use it from one event loop.

        template None: the engine's own chat template is asked for through `/tokenize`.
        model: the name under which the engine answers as its base checkpoint.
        preset: how its family is spoken to (wording, stop strings); None: as any chat model.
        """
        self.model = model
        self.gate = gate or Gate(slots=64, depth=100_000)
        self.speak(preset or find_preset("chat"), template)
        self._connect(base_url, api_key)

    def speak(self, preset: Preset, template: Template | None) -> None:
        """Speak to the model in this way from the next prompt on; both as for a new client."""
        self._preset, self._template = preset, template

    def _connect(self, base_url: str, api_key: str | None) -> None:
        self._address = (base_url, api_key)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        # trust_env=False: a proxy set for the internet must never see a prompt.
        self._http = httpx2.AsyncClient(
            base_url=base_url, headers=headers, timeout=TIMEOUT, limits=limits, trust_env=False
        )
        self._openai = openai.AsyncOpenAI(
            base_url=f"{base_url}/v1",
            api_key=api_key or "none",
            http_client=self._http,
            max_retries=0,  # a half-streamed answer must not be asked for twice
        )
        self._context: int | None = None

    async def move(self, base_url: str, api_key: str | None) -> None:
        """Talk to this address from now on (an engine may come back on another port)."""
        if (base_url, api_key) != self._address:
            old = self._http
            self._connect(base_url, api_key)
            await old.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @property
    def template_hash(self) -> str:
        """Return the digest of the template that prompts are rendered with."""
        return self._template.digest if self._template else f"engine:{self.model}"

    # --- prompts ---------------------------------------------------------------------

    async def prompt(self, messages: list[Message]) -> Prompt:
        """Render the messages and encode them with the engine's tokenizer."""
        if self._template is None:
            body: dict[str, Any] = {
                "messages": plain_chat(messages),
                "add_generation_prompt": True,
            }
        else:
            text = self._template.render(messages)
            body = {"prompt": text, "add_special_tokens": self._template.add_bos}
        return Prompt(tuple(await self._tokenize(body)), self.template_hash)

    async def prompt_for(self, task: Task[Example, Any], example: Example) -> Prompt:
        """Render an example of a task, in the wording this family of models is used to."""
        return await self.prompt(task.render(example, self._preset.wording))

    async def count(self, text: str) -> int:
        """Return how many tokens the text is, without special tokens."""
        return len(await self._tokenize({"prompt": text, "add_special_tokens": False}))

    async def context_length(self) -> int:
        """Return the engine's context in tokens (prompt and answer together)."""
        if self._context is None:
            data = (await self._get("/v1/models")).json()["data"]
            self._context = int(next(m["max_model_len"] for m in data if m.get("max_model_len")))
        return self._context

    async def _tokenize(self, body: dict[str, Any]) -> list[int]:
        response = await self._post("/tokenize", {"model": self.model, **body})
        tokens: list[int] = response.json()["tokens"]
        return tokens

    # --- answers ---------------------------------------------------------------------

    async def stream(
        self,
        model: str,
        prompt: Prompt,
        params: Params,
        constraint: Constraint | None = None,
        on_place: OnPlace | None = None,
        result: Completion | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield the answer as it is written; closing the iterator aborts it on the engine.

        `result`, if given, holds text, finish reason and token counts, up to date with what
        was yielded. Raises Busy, TooLong, ModelProblem, EngineUnavailable (before the first
        token, after safe retries) or StreamBroken (after it).
        """
        done = result if result is not None else Completion()
        done.prompt_tokens = len(prompt)
        await self._check_length(prompt, params)
        async with self.gate.enter(on_place):
            answer = await self._open(model, prompt, params, constraint)
            try:
                async for chunk in answer:
                    if chunk.usage:
                        done.completion_tokens = chunk.usage.completion_tokens
                    for choice in chunk.choices:
                        reason: str | None = choice.finish_reason  # None until the last piece
                        done.finish_reason = reason or done.finish_reason
                        if choice.text:
                            done.text += choice.text
                            yield choice.text
            except (openai.APIError, httpx2.HTTPError) as error:
                raise StreamBroken(
                    "The engine went away while it was writing. What it had written is kept; "
                    "it restarts by itself, then you can redo this part."
                ) from error
            finally:
                await answer.close()
        if done.finish_reason is None:
            raise StreamBroken(
                "The engine stopped in the middle of its answer. What it had written is kept."
            )

    async def complete(
        self,
        model: str,
        prompt: Prompt,
        params: Params,
        constraint: Constraint | None = None,
        on_place: OnPlace | None = None,
    ) -> Completion:
        """Return the whole answer at once. Raises as `stream` does."""
        result = Completion()
        async for _ in self.stream(model, prompt, params, constraint, on_place, result):
            pass
        return result

    async def next_token_logprobs(self, model: str, prompt: Prompt) -> dict[str, float]:
        """Return the ten likeliest next tokens with their natural log-probabilities."""

        async def ask() -> openai.types.Completion:
            return await self._openai.completions.create(
                model=model, prompt=list(prompt.token_ids), max_tokens=1, logprobs=10, temperature=0
            )

        logprobs = (await safely(ask)).choices[0].logprobs
        if logprobs is None or not logprobs.top_logprobs:
            raise EngineUnavailable("The engine sent no log-probabilities.")
        return logprobs.top_logprobs[0]

    async def _open(
        self, model: str, prompt: Prompt, params: Params, constraint: Constraint | None
    ) -> openai.AsyncStream[openai.types.Completion]:
        extra: dict[str, Any] = {}
        if params.stop_loops:
            extra["repetition_detection"] = LOOP
        if constraint is not None:
            extra["structured_outputs"] = structured(constraint)

        async def ask() -> openai.AsyncStream[openai.types.Completion]:
            return await self._openai.completions.create(
                model=model,
                prompt=list(prompt.token_ids),
                max_tokens=params.max_tokens,
                temperature=params.temperature,
                top_p=params.top_p,
                frequency_penalty=params.frequency_penalty,
                seed=params.seed,
                stop=[*params.stop, *self._preset.stop] or None,
                stream=True,
                stream_options={"include_usage": True},
                extra_body=extra,
            )

        return await safely(ask)

    async def _check_length(self, prompt: Prompt, params: Params) -> None:
        context = await self.context_length()
        if len(prompt) + params.max_tokens > context:
            raise TooLong(
                f"The text is {len(prompt):,} tokens long with its instruction; with "
                f"{params.max_tokens:,} tokens kept for the answer, the model reads at most "
                f"{context - params.max_tokens:,}. Take out some notes or split the text."
            )

    # --- the engine itself -----------------------------------------------------------

    async def models(self) -> list[str]:
        """Return the names that the engine answers to: base checkpoint and loaded adapters."""
        return [m["id"] for m in (await self._get("/v1/models")).json()["data"]]

    async def healthy(self) -> bool:
        """Tell whether the engine answers at all."""
        try:
            return (await self._http.get("/health", timeout=5.0)).status_code == httpx2.codes.OK
        except httpx2.HTTPError:
            return False

    async def metrics(self) -> dict[str, float]:
        """Return vLLM's own figures by name, summed over labels (`vllm:num_requests_running`…)."""
        figures: dict[str, float] = {}
        for family in text_string_to_metric_families((await self._get("/metrics")).text):
            for sample in family.samples:
                if sample.name.startswith("vllm:"):
                    figures[sample.name] = figures.get(sample.name, 0.0) + sample.value
        return figures

    async def load_adapter(self, name: str, path: str) -> None:
        """Load LoRA weights from a folder under a name; the name is never to be reused.

        Raises ModelProblem with the engine's reason, or EngineUnavailable.
        """
        body = {"lora_name": name, "lora_path": path}
        response = await safely(lambda: self._http.post("/v1/load_lora_adapter", json=body))
        if response.status_code != httpx2.codes.OK:
            raise ModelProblem(f"The engine did not load {name}: {reason(response)}")

    async def unload_adapter(self, name: str) -> None:
        """Make the engine forget an adapter; unknown names are fine. Raises as `load_adapter`."""
        body = {"lora_name": name}
        response = await safely(lambda: self._http.post("/v1/unload_lora_adapter", json=body))
        if response.status_code not in (httpx2.codes.OK, httpx2.codes.NOT_FOUND):
            raise ModelProblem(f"The engine did not unload {name}: {reason(response)}")

    async def _get(self, path: str) -> httpx2.Response:
        return await self._checked(lambda: self._http.get(path))

    async def _post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        return await self._checked(lambda: self._http.post(path, json=body))

    async def _checked(self, ask: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        response = await safely(ask)
        if response.status_code >= httpx2.codes.BAD_REQUEST:
            raise EngineUnavailable(f"The engine answered {response.status_code}.")
        return response
