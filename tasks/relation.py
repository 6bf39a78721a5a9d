"""Relations between two marked spans of a text: one of a few types, or none.

The pair is masked as in BLUE: "@DRUG$ raises @DRUG$ levels." The model answers with the type's
name alone, held to the list by the engine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tasks.base import Constraint, Message, Span, Task, UnparseableAnswer, ask
from tasks.metrics import precision_recall_f1
from tasks.text import sentences

NONE = "none"

# Corpora give one sentence or a few: shown whole. Of a longer text only the pair's sentences are.
_WHOLE_UP_TO = 1000
# Arguments farther apart than this share no sentence that prose would hold.
_FARTHEST = 500


@dataclass(frozen=True, slots=True)
class RelationExample:
    """A text and a pair of its spans; without head and tail, a text that is masked already."""

    text: str
    head: Span | None = None
    tail: Span | None = None
    type: str | None = None


_WORDINGS = (
    "{marks} Which relation between the two marked mentions does the text state? Answer with one "
    "of these words:\n{choices}",
    "{marks} Decide how the two marked mentions are related in this text and reply with the name "
    "of the relation only.\n{choices}",
    "Classify the relation between the marked mentions. {marks} Choose one:\n{choices}",
    "{marks} Going only by what the text says, pick the description that fits the pair and give "
    "its name:\n{choices}",
    "Read the text and name the relation that holds between the marked pair. {marks}\n{choices}",
)


class RelationTask(Task[RelationExample, str]):
    """One inventory of relation types over pairs of entities.

    ner_tasks: ids of the tasks that find its arguments. types: name to plain description;
    "none" is among them. masks: entity label to the mark that stands for it. pairs: which
    types two labels (head, tail) can have; None allows all types to all pairs.
    """

    max_tokens = 16

    def __init__(
        self,
        task_id: str,
        title: str,
        *,
        ner_tasks: tuple[str, ...],
        types: Mapping[str, str],
        masks: Mapping[str, str],
        marks: str,
        pairs: Mapping[tuple[str, str], tuple[str, ...]],
    ) -> None:
        self.id = task_id
        self.title = title
        self.ner_tasks = ner_tasks
        self.types = dict(types)
        self.masks = dict(masks)
        self.pairs = dict(pairs)
        choices = "\n".join(f"- {name}: {meaning}" for name, meaning in types.items())
        self.wordings = tuple(wording.format(marks=marks, choices=choices) for wording in _WORDINGS)

    def render(self, example: RelationExample, wording: int = 0) -> list[Message]:
        """Return one user turn: the instruction, then the masked text."""
        return [ask(self.wordings[wording], f"Text: {self.masked(example)}")]

    def masked(self, example: RelationExample) -> str:
        """Return the pair's sentences with the pair masked; already masked text as it is."""
        text, head, tail = example.text, example.head, example.tail
        if head is None or tail is None:
            return text
        start, end = _window(text, head, tail)
        first, second = sorted((head, tail))
        marks = [self._mask(first), self._mask(second)]
        if second.start < first.end:  # BLUE writes overlapping arguments as one: @CHEM-GENE$
            both = f"@{marks[0][1:-1]}-{marks[1][1:-1]}$"
            return text[start : first.start] + both + text[max(first.end, second.end) : end]
        between = text[first.end : second.start]
        before, after = text[start : first.start], text[second.end : end]
        return before + marks[0] + between + marks[1] + after

    def _mask(self, span: Span) -> str:
        return self.masks.get(span.label) or f"@{span.label.upper()}$"

    def answer(self, example: RelationExample) -> str:
        """Return the type's name; an example without a type counts as none."""
        return example.type or NONE

    def choices(self, example: RelationExample) -> tuple[str, ...]:
        """Return the types that the pair's labels can have, "none" last."""
        if example.head is None or example.tail is None:
            return tuple(self.types)
        allowed = self.pairs.get((example.head.label, example.tail.label))
        return (*allowed, NONE) if allowed else tuple(self.types)

    def constraint(self, example: RelationExample) -> Constraint:
        """Return the choice among the pair's possible types."""
        return Constraint(choice=self.choices(example))

    def parse(self, text: str, example: RelationExample) -> str:
        """Return the type named; raise UnparseableAnswer where it is none of the task's."""
        answer = text.strip()
        if answer not in self.types:
            raise UnparseableAnswer("the answer is none of the task's relation types")
        return answer

    def candidate_pairs(self, text: str, spans: Sequence[Span]) -> list[tuple[Span, Span]]:
        """Return the (head, tail) pairs of one sentence that the task can relate, in order.

        Spans that overlap, or stand more than 500 characters apart, make no pair; neither do
        two mentions of the same words.
        """
        ordered = sorted(spans)
        ends = _sentence_ends(text, ordered)
        found = []
        for index, first in enumerate(ordered):
            for later in range(index + 1, len(ordered)):
                second = ordered[later]
                if ends[later] != ends[index] or second.start - first.end > _FARTHEST:
                    break
                if first.end <= second.start and first.text.lower() != second.text.lower():
                    found += self._oriented(first, second)
        return found

    def _oriented(self, first: Span, second: Span) -> list[tuple[Span, Span]]:
        if (first.label, second.label) in self.pairs:
            return [(first, second)]
        return [(second, first)] if (second.label, first.label) in self.pairs else []

    def score(self, predictions: Sequence[str], golds: Sequence[str]) -> dict[str, float]:
        """Return micro precision, recall and F1 over the types that are not "none", the F1 of
        each of those types ("f1/effect"), and accuracy over all pairs.
        """  # noqa: D205

        def sets(side: Sequence[str], keep: Callable[[str], bool]) -> list[set[str]]:
            return [{one} if keep(one) else set() for one in side]

        scores = precision_recall_f1(
            sets(predictions, lambda one: one != NONE), sets(golds, lambda one: one != NONE)
        )
        for name in self.types:
            if name != NONE:
                own = precision_recall_f1(sets(predictions, name.__eq__), sets(golds, name.__eq__))
                scores[f"f1/{name}"] = own["f1"]
        right = sum(one == other for one, other in zip(predictions, golds, strict=True))
        return scores | {"accuracy": right / len(golds) if golds else 0.0}


def _window(text: str, head: Span, tail: Span) -> tuple[int, int]:
    """Return the stretch of the sentences that hold the pair, or a short text whole."""
    if len(text) <= _WHOLE_UP_TO:
        return 0, len(text)
    first, last = min(head.start, tail.start), max(head.end, tail.end)
    near = max(0, first - _WHOLE_UP_TO)
    bounds = sentences(text[near : last + _WHOLE_UP_TO])
    touched = [(near + a, near + b) for a, b in bounds if near + b > first and near + a < last]
    return min(first, touched[0][0]), max(last, touched[-1][1])


def _sentence_ends(text: str, ordered: Sequence[Span]) -> list[int]:
    """Return, for each span (in order), the end of the sentence it begins in."""
    bounds = sentences(text)
    ends, position = [], 0
    for span in ordered:
        while position < len(bounds) - 1 and bounds[position][1] <= span.start:
            position += 1
        ends.append(bounds[position][1] if bounds else 0)
    return ends
