"""Figures that several tasks share. An empty denominator gives 0, as conlleval has it."""

from collections.abc import Hashable, Sequence, Set


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean of the two."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def precision_recall_f1(
    found: Sequence[Set[Hashable]], wanted: Sequence[Set[Hashable]]
) -> dict[str, float]:
    """Return micro precision, recall and F1 over aligned sets of items.

    Raises ValueError where the two sequences differ in length.
    """
    hits = sum(len(one & other) for one, other in zip(found, wanted, strict=True))
    named = sum(len(one) for one in found)
    there = sum(len(one) for one in wanted)
    precision = hits / named if named else 0.0
    recall = hits / there if there else 0.0
    return {"precision": precision, "recall": recall, "f1": f1(precision, recall)}
