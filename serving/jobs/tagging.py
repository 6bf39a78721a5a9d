"""Tagging: entities by sentence, then relations between pairs, each by constrained output."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from serving.client import Completion, EngineClient, Params, Prompt
from serving.errors import BadInput, TooLong
from serving.jobs.provenance import Made, record_output
from serving.models.registry import Registry
from serving.store import Store
from tasks.base import Example, Relation, Span, Task, UnparseableAnswer
from tasks.catalog import task as find_task
from tasks.ner import NerExample, NerTask
from tasks.relation import NONE, RelationExample, RelationTask
from tasks.text import sentences

TEXT_LIMIT = 100_000  # characters in one text; a whole long admission is below it
PIECE_LIMIT = 1_200  # characters in one request; a longer "sentence" is cut between words
IN_FLIGHT = 16  # requests of one text at the engine at once

T = TypeVar("T")
# Requests done, requests in all, and the place in line (0: at least one is being answered).
OnProgress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class TagResult:
    """What was found in a text.

    dropped: names that the model gave and the text does not hold. unread: pieces whose answer
    was not of the form, so that nothing in them was tagged. output_id: the stored output.
    """

    task: str
    text: str
    spans: tuple[Span, ...]
    relations: tuple[Relation, ...]
    dropped: int
    unread: int
    output_id: str | None


class Tagging:
    """Finds entities and relations with whatever is served for the task."""

    def __init__(self, client: EngineClient, registry: Registry, store: Store | None) -> None:
        """Save every result as an output in `store`, if there is one."""
        self._client = client
        self._registry = registry
        self._store = store

    async def tag(
        self,
        account_id: int,
        task_id: str,
        text: str,
        on_progress: OnProgress | None = None,
        one_sentence: bool = False,
    ) -> TagResult:
        """Tag one text; a relation task finds its entities first.

        one_sentence: the text is a sentence already (of a corpus, say) and is not split.

        Raises BadInput for an empty text or a task that does not tag, TooLong above
        100,000 characters.
        """
        task = find_task(task_id)
        if not isinstance(task, NerTask | RelationTask):
            raise BadInput(f"{task_id} does not tag text; choose a ner-… or re-… task.")
        if not text.strip():
            raise BadInput("There is no text to tag.")
        if len(text) > TEXT_LIMIT:
            raise TooLong(
                f"The text has {len(text):,} characters; at most {TEXT_LIMIT:,} can be tagged at "
                "once. Split it into notes, or use `rounds tag` for many texts."
            )
        run = _Run(self._client, self._registry, on_progress)
        parts = [(0, len(text))] if one_sentence else pieces(text)
        ner = [task] if isinstance(task, NerTask) else [_ner(name) for name in task.ner_tasks]
        spans = await run.entities(ner, text, parts)
        relations: list[Relation] = []
        if isinstance(task, RelationTask):
            relations = await run.relations(task, text, spans)
        output_id = await self._record(account_id, task_id, run, spans, relations)
        return TagResult(
            task_id, text, tuple(spans), tuple(relations), run.dropped, run.unread, output_id
        )

    async def _record(
        self,
        account_id: int,
        task_id: str,
        run: "_Run",
        spans: Sequence[Span],
        relations: Sequence[Relation],
    ) -> str | None:
        """Store one output for the whole text: what was found, the answers as written, totals.

        The model named is the one that answered the task itself (for relations, where there
        was a pair to ask about); the input is all prompts, in the order of the text.
        """
        if self._store is None or not run.made:
            return None
        main = run.made[-1]
        found = {
            "spans": [_plain(s) for s in spans],
            "relations": [_pair(r) for r in relations],
            "answers": [m.result.text for m in run.made],
        }
        total = replace(
            main,
            task=task_id,
            prompt=Prompt(
                tuple(i for m in run.made if m.prompt for i in m.prompt.token_ids),
                main.prompt.template_hash if main.prompt else "",
            ),
            result=Completion(
                text=json.dumps(found, ensure_ascii=False),
                finish_reason="stop",
                prompt_tokens=sum(m.result.prompt_tokens for m in run.made),
                completion_tokens=sum(m.result.completion_tokens for m in run.made),
            ),
        )
        return await record_output(self._store, account_id, total, stopped=False)


class _Run:
    """The requests of one text, counted."""

    def __init__(
        self, client: EngineClient, registry: Registry, on_progress: OnProgress | None
    ) -> None:
        self._client = client
        self._registry = registry
        self._on_progress = on_progress
        self._done = 0
        self._total = 0
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._places: dict[int, int] = {}  # of the requests at the gate
        self.made: list[Made] = []
        self.dropped = 0
        self.unread = 0

    async def entities(
        self, tasks: Sequence[NerTask], text: str, parts: Sequence[tuple[int, int]]
    ) -> list[Span]:
        work = [(task, start, end) for task in tasks for start, end in parts]
        found = await self._all([self._entities_of(t, text, s, e) for t, s, e in work])
        self.made += [made for made, _ in found]
        return sorted(span for _, spans in found for span in spans)

    async def relations(
        self, task: RelationTask, text: str, spans: Sequence[Span]
    ) -> list[Relation]:
        pairs = task.candidate_pairs(text, spans)
        found = await self._all([self._relation_of(task, text, h, t) for h, t in pairs])
        self.made += [made for made, _ in found]
        return sorted(relation for _, relation in found if relation is not None)

    async def _entities_of(
        self, task: NerTask, text: str, start: int, end: int
    ) -> tuple[Made, list[Span]]:
        example = NerExample(text[start:end])
        made = await self._ask(task, example)
        try:
            prediction = task.parse(made.result.text, example)
        except UnparseableAnswer:
            self.unread += 1
            return made, []
        self.dropped += prediction.dropped
        return made, [
            replace(s, start=s.start + start, end=s.end + start) for s in prediction.spans
        ]

    async def _relation_of(
        self, task: RelationTask, text: str, head: Span, tail: Span
    ) -> tuple[Made, Relation | None]:
        example = RelationExample(text=text, head=head, tail=tail)
        made = await self._ask(task, example)
        try:
            kind = task.parse(made.result.text, example)
        except UnparseableAnswer:
            self.unread += 1
            return made, None
        return made, None if kind == NONE else Relation(head, tail, kind)

    async def _ask(self, task: Task[Example, Any], example: Example) -> Made:
        made = Made(task=task.id, params=Params(max_tokens=task.max_tokens))

        def on_place(place: int) -> None:
            self._places[id(made)] = place
            self._tell()

        with self._registry.use(task.id) as made.served:
            made.prompt = await self._client.prompt_for(task, example)
            try:
                made.result = await self._client.complete(
                    made.served.model, made.prompt, made.params, task.constraint(example), on_place
                )
            finally:
                self._places.pop(id(made), None)
        return made

    def _tell(self) -> None:
        if self._on_progress:
            self._on_progress(self._done, self._total, min(self._places.values(), default=0))

    async def _all(self, work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        """Run the requests, at most IN_FLIGHT at once; one failure ends them all."""
        self._total += len(work)

        async def counted(one: Coroutine[Any, Any, T]) -> T:
            async with self._slots:
                answer = await one
            self._done += 1
            self._tell()
            return answer

        running = [asyncio.create_task(counted(one)) for one in work]
        try:
            return await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for one in work:
                one.close()  # what was never begun


def pieces(text: str) -> list[tuple[int, int]]:
    """Return the sentences of a text as offsets, long ones cut between words."""
    found: list[tuple[int, int]] = []
    for first, end in sentences(text):
        start = first
        while end - start > PIECE_LIMIT:
            cut = text.rfind(" ", start + 1, start + PIECE_LIMIT)
            cut = cut if cut > start else start + PIECE_LIMIT
            found.append((start, cut))
            start = cut
        found.append((start, end))
    return found


def _ner(name: str) -> NerTask:
    task = find_task(name)
    if not isinstance(task, NerTask):
        raise TypeError(f"{name} is not an NER task")
    return task


def _plain(span: Span) -> dict[str, object]:
    return {"start": span.start, "end": span.end, "label": span.label, "text": span.text}


def _pair(relation: Relation) -> dict[str, object]:
    return {"head": _plain(relation.head), "tail": _plain(relation.tail), "type": relation.type}
