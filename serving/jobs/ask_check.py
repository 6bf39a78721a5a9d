"""From what the model wrote to what is shown: citations, support, and what to be wary of."""

import re
from collections.abc import Sequence

from serving.evidence import Embed, Quote, content_words, support
from serving.jobs.ask_events import AskAnswer, Sentence
from serving.retrieval.collections import Passage
from tasks.qa import NO_ANSWER, AskExample, AskPrediction, AskTask
from tasks.text import sentences

NEAREST = 3
_FEWEST_WORDS = 3  # headings and list markers are not answers
_WORD = re.compile(r"\w+(?:[.,-]\w+)*")
_TASK = AskTask()
_REFUSED = (
    "The model says that the passages do not answer the question. A small model often says so "
    "in error: see the nearest places in the sources."
)


def checked(
    prediction: AskPrediction,
    question: str,
    passages: Sequence[Passage],
    embed: Embed,
    output_id: str | None,
) -> AskAnswer:
    """Return the answer with each sentence linked to passages. Blocks while embedding."""
    numbered = [(number, passage.text) for number, passage in enumerate(passages, 1)]
    linked = tuple(
        Sentence(one.start, one.end, _cited(one.sentence, len(passages)), one)
        for one in support(prediction.text, numbered, embed)
    )
    backed = [one for one in linked if one.supported]
    refused = prediction.refused and not backed
    remarks = []
    if not prediction.text:
        remarks.append(
            "The model wrote nothing. The nearest places in the sources may answer the question."
        )
    elif not refused and not backed:
        remarks.append(
            "No sentence of this answer was found in the passages: do not rely on it. "
            "The nearest places in the sources may answer the question."
        )
    elif prediction.refused and not refused:
        remarks.append(f"The model also wrote: {NO_ANSWER}")
    missing = missing_words(question, [f"{p.title} {p.heading} {p.text}" for p in passages])
    if missing and not refused:
        remarks.append(
            f"Words of the question that stand in none of the passages: {', '.join(missing)}."
        )
    return AskAnswer(
        text=prediction.text,
        sentences=linked,
        passages=tuple(passages),
        refused=refused,
        reason=_REFUSED if refused else "",
        remarks=tuple(remarks),
        missing=missing,
        nearest=nearest(question, passages, embed),
        output_id=output_id,
    )


def nearest(question: str, passages: Sequence[Passage], embed: Embed) -> tuple[Quote, ...]:
    """Return the sentences of the passages that are closest to the question, best first.

    They are quoted from the sources word for word; no language model has touched them.
    """
    places = [
        (passage.score, Quote(number, start, end), _in_context(passage, start, end))
        for number, passage in enumerate(passages, 1)
        for start, end in sentences(passage.text)
        if len(content_words(passage.text[start:end])) >= _FEWEST_WORDS
        and not passage.text.startswith("#", start)
    ]
    asked, *vectors = embed([question, *(text for _, _, text in places)])
    scored = [
        (score + sum(a * b for a, b in zip(asked, vector, strict=True)), quote)
        for (score, quote, _), vector in zip(places, vectors, strict=True)
    ]
    scored.sort(key=lambda pair: -pair[0])
    return tuple(quote for _, quote in scored[:NEAREST])


def _in_context(passage: Passage, start: int, end: int) -> str:
    """Return a sentence under its title and heading, without which many mean nothing."""
    return f"{passage.title}: {passage.heading}: {passage.text[start:end]}"


def missing_words(question: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Return the content words of a question that none of the texts holds, as they are written."""
    held = frozenset[str]().union(*(content_words(text) for text in texts))
    words = dict.fromkeys(_WORD.findall(question))
    return tuple(word for word in words if content_words(word) and not content_words(word) & held)


def _cited(sentence: str, passages: int) -> tuple[int, ...]:
    """Return the numbers in a sentence that are numbers of passages."""
    known = tuple((number, "", "") for number in range(1, passages + 1))
    return _TASK.parse(sentence, AskExample("", known)).cited
