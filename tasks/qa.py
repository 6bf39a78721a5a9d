"""Questions answered from numbered passages, with citations."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tasks.base import Message, Task, ask
from tasks.envelope import envelope
from tasks.metrics import f1

NO_ANSWER = "The sources do not answer this."

_CITATION = re.compile(r"\[(\d{1,4}(?:\s{0,3}[,;–-]\s{0,3}\d{1,4})*)\]")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True)
class AskExample:
    """A question over passages (number, title, text).

    history: the (question, answer) turns before it, oldest first. target: the gold answer.
    """

    question: str
    passages: tuple[tuple[int, str, str], ...]
    history: tuple[tuple[str, str], ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class AskPrediction:
    """text: the answer; cited: numbers of given passages that it cites, in order of first
    mention; refused: it says that the sources do not answer.
    """  # noqa: D205

    text: str
    cited: tuple[int, ...] = ()
    refused: bool = False


class AskTask(Task[AskExample, AskPrediction]):
    """Answers in free text from the passages alone."""

    id = "ask"
    title = "Questions over sources"
    wordings = (
        "Answer the question from the sources above and from nothing else. Put the number of the "
        f"source behind each statement, like [1]. If they do not answer it, write: {NO_ANSWER}",
        "Reply briefly, relying on the sources alone, and cite each by its number in square "
        f"brackets, as in [1]. When the answer is not in them, write exactly: {NO_ANSWER}",
        "Using only these sources, answer the question below; every statement ends with the "
        f"number of its source, such as [1]. Without an answer in them, write: {NO_ANSWER}",
        "What do the sources say to this question? Give the answer with source numbers in "
        f"brackets, e.g. [1]. If they say nothing to it, the whole answer is: {NO_ANSWER}",
    )
    max_tokens = 256

    def render(self, example: AskExample, wording: int = 0) -> list[Message]:
        """Return one user turn: passages, earlier turns, instruction, question last."""
        earlier = "".join(
            f"Earlier question: {question}\nEarlier answer: {answer}\n\n"
            for question, answer in example.history
        )
        request = f"{earlier}{self.wordings[wording]}\n\nQuestion: {example.question.strip()}"
        return [ask(request, _material(example), material_first=True)]

    def answer(self, example: AskExample) -> str:
        """Return the gold answer; an example without one is not answered by its passages."""
        return example.target or NO_ANSWER

    def parse(self, text: str, example: AskExample) -> AskPrediction:
        """Return the answer, the passages it cites, and whether it declines to answer."""
        text = text.strip()
        given = {number for number, _, _ in example.passages}
        cited = tuple(dict.fromkeys(n for n in _cited_numbers(text) if n in given))
        return AskPrediction(text, cited, NO_ANSWER.rstrip(".").lower() in text.lower())

    def score(
        self, predictions: Sequence[AskPrediction], golds: Sequence[AskPrediction]
    ) -> dict[str, float]:
        """Return exact match and token F1 after SQuAD's normalisation, citations left aside."""
        pairs = [
            (_normal(one.text), _normal(other.text))
            for one, other in zip(predictions, golds, strict=True)
        ]
        if not pairs:
            return {"exact_match": 0.0, "f1": 0.0}
        return {
            "exact_match": fmean(one == other for one, other in pairs),
            "f1": fmean(_token_f1(one.split(), other.split()) for one, other in pairs),
        }


def _material(example: AskExample) -> str:
    return envelope(
        "SOURCES",
        "Below are numbered sources.",
        [(f"[{number}] {title}", text) for number, title, text in example.passages],
    )


def _cited_numbers(text: str) -> list[int]:
    """Return the numbers in [1], [1, 2] and [1-3], in order."""
    numbers: list[int] = []
    for match in _CITATION.finditer(text):
        for part in re.split(r"[,;]", match[1]):
            ends = [int(number) for number in re.findall(r"\d+", part)]
            numbers += range(ends[0], min(ends[-1], ends[0] + 50) + 1) if len(ends) == 2 else ends
    return numbers


def _normal(text: str) -> str:
    """Lower case, no punctuation, no articles, single spaces (the SQuAD evaluation's rule)."""
    plain = _CITATION.sub(" ", text).lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLE.sub(" ", plain).split())


def _token_f1(found: Sequence[str], wanted: Sequence[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    shared = sum((Counter(found) & Counter(wanted)).values())
    return f1(shared / len(found), shared / len(wanted))
