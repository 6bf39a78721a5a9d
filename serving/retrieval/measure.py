"""Measure retrieval on the shipped questions: `python -m serving.retrieval.measure`.

Prints the tables of docs/results/retrieval.md: how often the passage that answers a question
is found, and what thresholds on its score let through. Nothing is asked of a language model.
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serving import offline
from serving.retrieval.collections import Passage
from serving.retrieval.index import SHIPPED, Index
from serving.retrieval.scopes import REFERENCE
from serving.settings import Settings

K = 5
_DEEP = 200  # passages ranked, for the reciprocal rank
_THRESHOLDS = (0.0, 0.2, 0.3, 0.35, 0.38, 0.4, 0.45, 0.5, 0.55, 0.6)


@dataclass(frozen=True, slots=True)
class Asked:
    """A shipped question and what was found for it.

    rank: of the first passage that holds words of the gold quote, from 1; None: not found, or
    there is no gold. best: score of the nearest passage. answerable: the collection answers it.
    """

    id: str
    answerable: bool
    rank: int | None
    best: float


def ask_all(index: Index, folder: Path = SHIPPED) -> list[Asked]:
    """Return every question of questions.jsonl with the rank of its gold passage."""
    lines = (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = []
    for line in filter(None, lines):
        one = json.loads(line)
        found = index.search([REFERENCE], one["question"], _DEEP)
        gold = one["quote"]
        rank = next((n for n, p in enumerate(found, 1) if gold and _holds(index, p, gold)), None)
        asked.append(Asked(one["id"], bool(gold), rank, found[0].score))
    return asked


def _holds(index: Index, passage: Passage, quote: str) -> bool:
    """Tell whether the passage overlaps the place of the quote in its document."""
    start = index.text(passage.scope, passage.document_id).find(quote)
    return start >= 0 and passage.start < start + len(quote) and start < passage.end


def recall(asked: Sequence[Asked], k: int = K) -> float:
    """Return the share of answerable questions whose gold passage is among the first k."""
    gold = [one for one in asked if one.answerable]
    return sum(one.rank is not None and one.rank <= k for one in gold) / len(gold)


def mean_reciprocal_rank(asked: Sequence[Asked]) -> float:
    """Return the mean of 1/rank over the answerable questions, 0 where not found."""
    gold = [one for one in asked if one.answerable]
    return sum(1 / one.rank for one in gold if one.rank) / len(gold)


def abstention(asked: Sequence[Asked], threshold: float) -> tuple[int, int]:
    """Return how many answerable questions pass and how many of the others are refused."""
    passed = sum(one.answerable and one.best >= threshold for one in asked)
    refused = sum(not one.answerable and one.best < threshold for one in asked)
    return passed, refused


def main() -> None:
    """Print the tables as Markdown."""
    with tempfile.TemporaryDirectory() as home:
        index = Index(Settings(home=Path(home), chroma_url=None))
        asked = ask_all(index)
        index.close()
    gold = sum(one.answerable for one in asked)
    rows = [f"| recall@{k} | {recall(asked, k):.3f} |" for k in (1, 3, K)]
    rows.append(f"| mean reciprocal rank | {mean_reciprocal_rank(asked):.3f} |")
    lines = ["| measure | value |", "|---|---|", *rows, ""]
    lines += [
        f"| threshold | answered of {gold} | refused of {len(asked) - gold} |",
        "|---|---|---|",
        *("| {:.2f} | {} | {} |".format(t, *abstention(asked, t)) for t in _THRESHOLDS),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    offline.apply()
    warnings.simplefilter("ignore")
    main()
