"""The answer form of Llama2-MedTuned: one "token : tag" line for each token.

Longer and slower than JSON, but the form those models were trained on (papers/001, figure 4).
A task with one label writes bare B, I and O; with several, B-protein and so on.
"""

import re
from collections.abc import Sequence

from tasks.base import Span
from tasks.bio import from_bio, to_bio
from tasks.ner import NerExample, NerPrediction, NerTask
from tasks.text import Offsets, tokens

_LINE = re.compile(r"(?P<token>.*\S)\s*:\s*(?P<tag>O|[BI](?:-\w+)?)\s*")
_LONGEST_LINE = 1000


def bio_lines(task: NerTask, example: NerExample, offsets: Offsets | None = None) -> str:
    """Return the gold answer in BIO lines.

    offsets: the tokens' (start, end) of a pre-tokenised corpus; else `tasks.text.tokens`.
    """
    offsets = tokens(example.text) if offsets is None else offsets
    tags = to_bio(example.spans, offsets).tags
    if len(task.labels) == 1:
        tags = tuple(tag[0] for tag in tags)
    pairs = zip(offsets, tags, strict=True)
    return "\n".join(f"{example.text[start:end]} : {tag}" for (start, end), tag in pairs)


def parse_bio_lines(task: NerTask, text: str, example: NerExample) -> NerPrediction:
    """Read BIO lines; each token is looked for after the one before it.

    A line of another form is passed over. A run whose tokens the text does not hold, or whose
    label is not the task's, is dropped and counted.
    """
    offsets: Offsets = []
    tags: list[str] = []
    position = 0
    for token, tag in _lines(text):
        start = example.text.find(token, position)
        if start < 0:
            offsets.append((-1, -1))
        else:
            position = start + len(token)
            offsets.append((start, position))
        tags.append(tag)
    runs = from_bio(tags, offsets, example.text, label=task.labels[0])
    kept = tuple(run for run in runs if _stands(run, task.labels))
    return NerPrediction(kept, len(runs) - len(kept))


def _lines(text: str) -> Sequence[tuple[str, str]]:
    lines = (line.strip() for line in text.splitlines() if len(line) <= _LONGEST_LINE)
    matches = (_LINE.fullmatch(line) for line in lines)
    return [(match["token"], match["tag"]) for match in matches if match]


def _stands(run: Span, labels: tuple[str, ...]) -> bool:
    return 0 <= run.start < run.end and run.label in labels
