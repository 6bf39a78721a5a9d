"""The shipped questions over the shipped collection, with the real embedding model."""

from pathlib import Path

from serving.jobs.asking import MIN_SCORE
from serving.retrieval.embedding import LocalEmbeddings
from serving.retrieval.index import Index
from serving.retrieval.measure import Asked, abstention, ask_all, mean_reciprocal_rank, recall
from serving.settings import Settings


def test_what_the_docs_say_of_retrieval_still_holds(
    tmp_path: Path, embeddings: LocalEmbeddings
) -> None:
    index = Index(Settings(home=tmp_path), embeddings)
    asked = ask_all(index)
    index.close()
    assert recall(asked) >= 0.85
    assert mean_reciprocal_rank(asked) >= 0.70
    answered, refused = abstention(asked, MIN_SCORE["reference"])
    assert answered >= 29
    assert refused >= 6


def test_the_measures_themselves() -> None:
    asked = [
        Asked("a", True, 1, 0.9),
        Asked("b", True, 4, 0.5),
        Asked("c", True, None, 0.2),
        Asked("d", False, None, 0.6),
        Asked("e", False, None, 0.1),
    ]
    assert recall(asked, 1) == 1 / 3
    assert recall(asked, 5) == 2 / 3
    assert mean_reciprocal_rank(asked) == (1 + 1 / 4) / 3
    assert abstention(asked, 0.5) == (2, 1)
