"""Questions over sources: find passages, let the model answer from them, check what it wrote."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from itertools import zip_longest

from serving.client import EngineClient, Params, Prompt
from serving.errors import BadInput, TooLong
from serving.evidence import content_words
from serving.jobs.ask_check import checked
from serving.jobs.ask_events import AskAnswer, AskEvent, Delta, Final, Passages, Place
from serving.jobs.provenance import Made, record_output
from serving.models.registry import Registry
from serving.notes import Admission
from serving.retrieval.collections import Passage
from serving.retrieval.index import Index
from serving.retrieval.scopes import REFERENCE, Kind, Scope, documents_of, notes_of
from serving.store import Store
from tasks.qa import NO_ANSWER, AskExample, AskTask

ALIAS = "ask"
TASK = AskTask()
Turn = tuple[str, str]  # question, answer

SHIPPED: tuple[Kind, ...] = ("reference",)
QUESTION_WORDS = 1_000
QUESTION_CHARS = 10_000
PASSAGES = 5
# Cosine similarity below which a passage is about something else (docs/results/retrieval.md).
# Charts are telegraphic: questions to them score lower than questions to prose.
MIN_SCORE: dict[Kind, float] = {"reference": 0.38, "documents": 0.38, "admission": 0.15}

# Greedy, so that an answer can be reproduced; the rest keeps a small model from rambling.
PARAMS = Params(max_tokens=220, frequency_penalty=0.3, stop_loops=True)

_TURNS = 2  # earlier turns shown to the model
_FOLLOW_UP = 3  # a question of at most so many content words may not stand alone


class Asking:
    """Answers questions with whatever is served as `ask`."""

    def __init__(
        self, client: EngineClient, registry: Registry, index: Index, store: Store | None
    ) -> None:
        """Search in `index`; save every output in `store`, if there is one."""
        self._client = client
        self._registry = registry
        self._index = index
        self._store = store

    async def ask(
        self,
        account_id: int,
        question: str,
        history: Sequence[Turn] = (),
        *,
        scopes: Collection[Kind] = SHIPPED,
        admission: Admission | None = None,
        note_ids: Collection[str] | None = None,
    ) -> AsyncGenerator[AskEvent, None]:
        """Yield Passages, then Place and Delta as they come, then Final.

        scopes: which kinds of source to ask, always this account's own; admission: whose notes
        "admission" means; note_ids: only these of them (None: all). Closing the iterator stops
        the engine; what was written by then is saved as stopped. Raises BadInput or TooLong
        before anything else, and what EngineClient.stream raises.
        """
        question = _check_question(question)
        places = _places(account_id, scopes, admission, note_ids)
        found = await self._find(places, question, history, admission, note_ids)
        near = [p for p in found if p.score >= MIN_SCORE[p.scope.kind]]
        if not near:
            yield Passages(())
            yield Final(AskAnswer(NO_ANSWER, refused=True, reason=_why_nothing(found)))
            return
        example, used, prompt = await self._fit(question, _recent(history), near)
        yield Passages(tuple(used), tuple(near[len(used) :]))
        made = Made(task=TASK.id, params=PARAMS, prompt=prompt)
        async with aclosing(self._write(account_id, made, prompt)) as events:
            async for event in events:
                yield event
        output_id = await self._save(account_id, made, stopped=False)
        embed = self._index.embeddings.embed_documents
        answer = await asyncio.to_thread(
            checked, TASK.parse(made.result.text, example), question, used, embed, output_id
        )
        yield Final(answer)

    # --- before the answer -------------------------------------------------------------

    async def _find(
        self,
        places: Sequence[Scope],
        question: str,
        history: Sequence[Turn],
        admission: Admission | None,
        note_ids: Collection[str] | None,
    ) -> list[Passage]:
        """Search with the question; a short follow-up also together with the question before."""
        queries = [question]
        if history and len(content_words(question)) <= _FOLLOW_UP:
            queries.insert(0, f"{history[-1][0][:QUESTION_CHARS]} {question}")
        results = [
            await asyncio.to_thread(
                self._index.search, places, query, PASSAGES, admission, note_ids
            )
            for query in queries
        ]
        merged: dict[tuple[str, int], Passage] = {}
        for rank in zip_longest(*results):
            for passage in rank:
                if passage is not None:
                    merged.setdefault((passage.document_id, passage.start), passage)
        return list(merged.values())[:PASSAGES]

    async def _fit(
        self, question: str, history: tuple[Turn, ...], passages: Sequence[Passage]
    ) -> tuple[AskExample, list[Passage], Prompt]:
        """Return the prompt with as many passages, best first, as the model can read whole."""
        room = await self._client.context_length() - PARAMS.max_tokens
        used = list(passages)
        while True:
            numbered = tuple((n, _name(p), p.text.strip()) for n, p in enumerate(used, 1))
            example = AskExample(question, numbered, history)
            prompt = await self._client.prompt_for(TASK, example)
            if len(prompt) <= room:
                return example, used, prompt
            if len(used) > 1:
                used.pop()
            elif history:
                history = history[1:]
            else:
                raise TooLong(
                    f"The question and one passage have {len(prompt):,} tokens; the model reads "
                    f"at most {max(room, 0):,}. Ask a shorter question."
                )

    # --- the answer --------------------------------------------------------------------

    async def _write(
        self, account_id: int, made: Made, prompt: Prompt
    ) -> AsyncGenerator[AskEvent, None]:
        """Yield places in line and text; save what there is when it ends early."""
        events: asyncio.Queue[AskEvent | None] = asyncio.Queue()

        async def write() -> None:
            try:
                with self._registry.use(ALIAS) as made.served:
                    stream = self._client.stream(
                        made.served.model,
                        prompt,
                        made.params,
                        on_place=lambda place: events.put_nowait(Place(place)),
                        result=made.result,
                    )
                    async for delta in stream:
                        events.put_nowait(Delta(delta))
            finally:
                events.put_nowait(None)

        writing = asyncio.create_task(write())
        complete = False
        try:
            while (event := await events.get()) is not None:
                yield event
            await writing
            complete = True
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            if not complete and made.result.text:
                await self._save(account_id, made, stopped=True)

    async def _save(self, account_id: int, made: Made, stopped: bool) -> str | None:
        if self._store is None:
            return None
        return await record_output(self._store, account_id, made, stopped)


def _check_question(question: str) -> str:
    question = question.strip()
    if not question:
        raise BadInput("There is no question. Write one and ask again.")
    words = len(question.split())
    if words > QUESTION_WORDS or len(question) > QUESTION_CHARS:
        raise TooLong(
            f"The question has {words:,} words and {len(question):,} characters; it may have "
            f"{QUESTION_WORDS:,} words and {QUESTION_CHARS:,} characters. "
            "Shorten it, or add the long text as a document and ask about that."
        )
    return question


def _places(
    account_id: int,
    kinds: Collection[Kind],
    admission: Admission | None,
    note_ids: Collection[str] | None,
) -> list[Scope]:
    """Return where to search: never anything but this account's own and what is shipped."""
    if "admission" in kinds and admission is None:
        raise BadInput("There is no admission to ask about. Choose one, or ask other sources.")
    if "admission" in kinds and note_ids is not None and not note_ids:
        raise BadInput("No note is ticked. Tick at least one note to ask about.")
    places = {"reference": REFERENCE, "documents": documents_of(account_id)}
    if admission is not None:
        places["admission"] = notes_of(account_id, admission.hadm_id)
    unknown = [kind for kind in kinds if kind not in places]
    if unknown or not kinds:
        raise BadInput(
            "Choose at least one source to ask: reference, documents or admission (the notes)."
        )
    return [places[kind] for kind in kinds]


def _why_nothing(found: Sequence[Passage]) -> str:
    if not found:
        return "There is nothing in the chosen sources yet. Add a document or choose another."
    best = found[0]
    return (
        f"No passage in them is close to the question: the nearest reaches a similarity of "
        f"{max(p.score for p in found):.2f}, and {MIN_SCORE[best.scope.kind]:.2f} is asked for. "
        "The model was not asked."
    )


def _recent(history: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the last turns that are of a size a person and this model would write."""
    return tuple(turn for turn in history[-_TURNS:] if len("".join(turn)) <= QUESTION_CHARS)


def _name(passage: Passage) -> str:
    """Return the title of a passage as the model sees it."""
    heading = passage.heading if passage.heading != passage.title else ""
    page = f"page {passage.page}" if passage.page else ""
    return ", ".join(part for part in (passage.title, heading, page) if part)
