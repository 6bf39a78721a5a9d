"""A client of no engine: answers are scripted, so that unit tests can hold and break them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from serving.client import Completion, Params, Prompt
from serving.errors import StreamBroken
from tasks.base import Constraint

CONTEXT = 4096


@dataclass
class FakeClient:
    """Counts a token a word. `answer(text of the prompt)` gives the words of an answer.

    before: waited for ahead of the first word; hold: waited for after each word. break_after:
    words until the stream breaks. asked, closed: prompts in the order they were opened, and
    those closed early.
    """

    answer: Callable[[str], str] = lambda prompt: f"about {prompt.split()[-1]} all is well"
    model: str = "fake"
    template_hash: str = "t" * 64
    context: int = CONTEXT
    break_after: int | None = None
    before: asyncio.Event | None = None
    hold: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)
    _texts: dict[tuple[int, ...], str] = field(default_factory=dict)

    async def prompt_for(self, task: Any, example: Any) -> Prompt:
        text = task.render(example)[-1]["content"]
        ids = (*range(len(text.split())), hash(text) % 10**9)
        self._texts[ids] = text
        return Prompt(ids, self.template_hash)

    async def prompt(self, messages: Any) -> Prompt:
        return Prompt((1, 2, 3), self.template_hash)

    async def count(self, text: str) -> int:
        return len(text.split())

    async def context_length(self) -> int:
        return self.context

    async def stream(
        self,
        model: str,
        prompt: Prompt,
        params: Params,
        constraint: Constraint | None = None,
        on_place: Callable[[int], None] | None = None,
        result: Completion | None = None,
    ) -> AsyncIterator[str]:
        text = self._texts[prompt.token_ids]
        self.asked.append(text)
        done = result or Completion()
        done.prompt_tokens = len(prompt)
        if on_place:
            on_place(0)
        finished = False
        try:
            if self.before is not None:
                await self.before.wait()
            for number, word in enumerate(self.answer(text).split()):
                if self.break_after is not None and number >= self.break_after:
                    raise StreamBroken("The engine went away while it was writing.")
                piece = word if number == 0 else f" {word}"
                done.text += piece
                done.completion_tokens += 1
                yield piece
                if self.hold is not None:
                    await self.hold.wait()
                await asyncio.sleep(0)
            done.finish_reason, finished = "stop", True
        finally:
            if not finished:
                self.closed.append(text)

    async def complete(self, model: str, prompt: Prompt, params: Params, *rest: Any) -> Completion:
        result = Completion()
        async for _ in self.stream(model, prompt, params, *rest, result=result):
            pass
        return result

    async def models(self) -> list[str]:
        return [self.model, *self.loaded]

    async def load_adapter(self, name: str, path: str) -> None:
        self.loaded.add(name)

    async def unload_adapter(self, name: str) -> None:
        self.loaded.discard(name)

    async def next_token_logprobs(self, model: str, prompt: Prompt) -> dict[str, float]:
        return {"a": -1.0 if model == self.model else -2.0}
