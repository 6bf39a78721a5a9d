"""Named entity recognition: text in, labelled spans out.

The model answers with one JSON object, label to list of strings copied from the text, which is
far shorter than a tag a token; `tasks.align` finds where each string stands.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.align import align
from tasks.base import Constraint, Message, Span, Task, UnparseableAnswer, ask
from tasks.metrics import precision_recall_f1

_LONGEST_MENTION = 256
_MOST_MENTIONS = 128
_LIST_MARKS = re.compile(r"[,;/+&()]|\band\b|\bor\b")

# Strings of bounded length hold no escapes in xgrammar, so mentions are written with signs that
# need none; `tasks.fold` takes them for the same.
_CONTROL = {char: " " if char.isspace() else "" for char in map(chr, range(32))}
_NO_ESCAPES = str.maketrans({'"': "”", "\\": "/"} | _CONTROL)


@dataclass(frozen=True, slots=True)
class NerExample:
    """A text and, for training and evaluation, its gold spans."""

    text: str
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class NerPrediction:
    """spans: in order of the text; dropped: named by the model, not held by the text."""

    spans: tuple[Span, ...] = ()
    dropped: int = 0


_WORDINGS = (
    "Find every mention of {what} in the text. Copy each mention exactly as it is written, in "
    "order of appearance, repeats included. Answer with JSON of this form: {form}",
    "Read the text and list all {what} it names, first to last, letter for letter as they stand "
    "there. A kind that does not occur gets an empty list. Reply in JSON only: {form}",
    "Which {what} does this text mention? Give the words of the text unchanged and in their order, "
    "once for each time they occur, as JSON: {form}",
    "Mark the {what} in the passage below. Return a JSON object like {form}, where the lists hold "
    "the passage's own words in sequence and nothing that is not in the text.",
    "Extract {what}. Take each one word for word from the text, keep the order in which they "
    "come, leave nothing out and add nothing. The result is a JSON object: {form}",
)


class NerTask(Task[NerExample, NerPrediction]):
    """Recognition of one family of entities."""

    max_tokens = 512

    def __init__(self, task_id: str, title: str, what: str, labels: tuple[str, ...]) -> None:
        self.id = task_id
        self.title = title
        self.labels = labels
        form = json.dumps({label: ["..."] for label in labels})
        self.wordings = tuple(wording.format(what=what, form=form) for wording in _WORDINGS)

    def render(self, example: NerExample, wording: int = 0) -> list[Message]:
        """Return one user turn: the instruction, then the text."""
        return [ask(self.wordings[wording], f"Text: {example.text}")]

    def answer(self, example: NerExample) -> str:
        """Return compact JSON: every label, its mentions in order of the text."""
        spans = sorted(example.spans)
        named = {
            label: [s.text.translate(_NO_ESCAPES) for s in spans if s.label == label]
            for label in self.labels
        }
        return json.dumps(named, ensure_ascii=False, separators=(",", ":"))

    def gold(self, example: NerExample) -> NerPrediction:
        """Return the gold spans themselves, offsets and all."""
        return NerPrediction(tuple(sorted(example.spans)))

    def constraint(self, example: NerExample) -> Constraint:
        """Return the JSON schema of the answer, bounded by the text's length.

        The bounds keep a small model that repeats itself from running on: no more mentions than
        every other word and every item of a list could be. They are rounded up to powers of
        two, so that the engine compiles few grammars and finds them again.
        """
        longest = _power_of_two(len(example.text), 8, _LONGEST_MENTION)
        words, marks = len(example.text.split()), len(_LIST_MARKS.findall(example.text))
        most = _power_of_two(words // 2 + marks + 1, 4, _MOST_MENTIONS)
        mention = {"type": "string", "minLength": 1, "maxLength": longest}
        mentions = {"type": "array", "items": mention, "maxItems": most}
        return Constraint(
            json_schema={
                "type": "object",
                "properties": dict.fromkeys(self.labels, mentions),
                "required": list(self.labels),
                "additionalProperties": False,
            }
        )

    def parse(self, text: str, example: NerExample) -> NerPrediction:
        """Read the JSON and find its strings in the text; cut or malformed JSON is refused."""
        try:
            named = json.loads(text)
        except (ValueError, RecursionError):
            raise UnparseableAnswer("the answer is not JSON, or was cut short") from None
        if not isinstance(named, dict) or set(named) != set(self.labels):
            raise UnparseableAnswer("the answer does not hold exactly the task's labels")
        pairs = []
        for label in self.labels:
            strings = named[label]
            if not isinstance(strings, list) or not all(isinstance(s, str) for s in strings):
                raise UnparseableAnswer("a label of the answer does not hold a list of strings")
            pairs += [(label, string) for string in strings]
        found = align(example.text, pairs)
        return NerPrediction(found.spans, found.dropped)

    def score(
        self, predictions: Sequence[NerPrediction], golds: Sequence[NerPrediction]
    ) -> dict[str, float]:
        """Return strict entity precision, recall and F1: micro, and per label ("f1/Disease").

        An entity is right when start, end and label are all right. `dropped` is the share of
        what the models named that the texts do not hold.
        """
        found = [{(s.start, s.end, s.label) for s in one.spans} for one in predictions]
        wanted = [{(s.start, s.end, s.label) for s in one.spans} for one in golds]
        scores = precision_recall_f1(found, wanted)
        for label in self.labels if len(self.labels) > 1 else ():
            kept = [
                [{entity for entity in one if entity[2] == label} for one in side]
                for side in (found, wanted)
            ]
            own = precision_recall_f1(kept[0], kept[1])
            scores |= {f"{metric}/{label}": value for metric, value in own.items()}
        dropped = sum(one.dropped for one in predictions)
        named = dropped + sum(len(one.spans) for one in predictions)
        return scores | {"dropped": dropped / named if named else 0.0}


def _power_of_two(size: int, least: int, most: int) -> int:
    """Return the smallest power of two that holds `size`, within [least, most]."""
    return max(least, min(most, 1 << max(0, size - 1).bit_length()))


NER_TASKS = (
    NerTask("ner-disease", "Diseases", "diseases and disorders", ("Disease",)),
    NerTask("ner-chemical", "Chemicals and drugs", "chemicals and drugs", ("Chemical",)),
    NerTask("ner-gene", "Genes and proteins", "genes and gene products", ("Gene",)),
    NerTask(
        "ner-bio",
        "Molecular biology",
        "proteins, DNA, RNA, cell types and cell lines",
        ("protein", "DNA", "RNA", "cell_type", "cell_line"),
    ),
    NerTask(
        "ner-clinical",
        "Problems, treatments and tests",
        "medical problems, treatments and tests",
        ("problem", "treatment", "test"),
    ),
)
