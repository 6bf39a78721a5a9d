"""Ratings: 1 to 5, of exactly one output, never overwritten."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serving.errors import BadInput, NotFound
from serving.store import Store
from serving.store.records import Account, Output


def test_comes_back_exactly(store: Store, bob: Account, output: Output) -> None:
    made = store.ratings.add(bob.id, output.id, 4, "fine\r\n😀", "edited")
    assert store.ratings.latest(bob.id, output.id) == made
    assert (made.user, made.role, made.output_id, made.score) == ("bob", "annotator", output.id, 4)
    assert (made.comment, made.edited_text) == ("fine\r\n😀", "edited")
    assert "fine" not in repr(made)
    assert "edited'" not in repr(made)


def test_nothing_and_empty_text_are_told_apart(store: Store, bob: Account, output: Output) -> None:
    store.ratings.add(bob.id, output.id, 1, "", None)
    store.ratings.add(bob.id, output.id, 1, None, "")
    first, second = store.ratings.of_output(output.id)
    assert (first.comment, first.edited_text) == ("", None)
    assert (second.comment, second.edited_text) == (None, "")


def test_the_newest_counts_and_both_are_kept(
    store: Store, ada: Account, bob: Account, output: Output
) -> None:
    first = store.ratings.add(bob.id, output.id, 2)
    other = store.ratings.add(ada.id, output.id, 5)
    again = store.ratings.add(bob.id, output.id, 3)
    assert store.ratings.latest(bob.id, output.id) == again
    assert store.ratings.latest(ada.id, output.id) == other
    assert store.ratings.of_output(output.id) == (first, other, again)
    assert store.ratings.count() == 3


def test_the_role_is_the_one_when_rating(store: Store, bob: Account, output: Output) -> None:
    store.ratings.add(bob.id, output.id, 2)
    store.accounts.ensure("bob", "admin")
    store.ratings.add(bob.id, output.id, 2)
    assert [r.role for r in store.ratings.of_output(output.id)] == ["annotator", "admin"]


def test_mine_are_those_that_count_newest_first(
    store: Store, ada: Account, bob: Account, add_output: Callable[..., Output]
) -> None:
    first, second = add_output(ada, "first"), add_output(ada, "second")
    store.ratings.add(bob.id, first.id, 1)
    two = store.ratings.add(bob.id, second.id, 2)
    three = store.ratings.add(bob.id, first.id, 3)
    store.ratings.add(ada.id, first.id, 5)
    assert store.ratings.mine(bob.id) == ((three, first), (two, second))
    assert store.ratings.mine(bob.id, 1) == ((three, first),)
    assert store.ratings.mine(999) == ()


@pytest.mark.parametrize("score", [0, 6, -1, True, 3.0, "3", None, 10**30])
def test_other_scores_are_refused(store: Store, bob: Account, output: Output, score: Any) -> None:
    with pytest.raises(BadInput, match="1 to 5"):
        store.ratings.add(bob.id, output.id, score)
    assert store.ratings.count() == 0


def test_unknown_output_or_account(store: Store, bob: Account, output: Output) -> None:
    with pytest.raises(NotFound):
        store.ratings.add(bob.id, "none", 3)
    with pytest.raises(NotFound):
        store.ratings.add(999, output.id, 3)
    assert store.ratings.latest(bob.id, output.id) is None
    assert store.ratings.of_output("none") == ()


def test_twenty_writers_at_once_lose_nothing(store: Store, output: Output) -> None:
    raters = [store.accounts.ensure(f"rater {n}", "annotator") for n in range(20)]

    def rate(rater: Account) -> None:
        for score in (1, 2, 3, 4, 5):
            store.ratings.add(rater.id, output.id, score, f"{rater.name}: {score}")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(rate, raters))
    ratings = store.ratings.of_output(output.id)
    wanted = {f"{rater.name}: {score}" for rater in raters for score in (1, 2, 3, 4, 5)}
    assert {rating.comment for rating in ratings} == wanted
    assert len(ratings) == 100
    for rater in raters:
        latest = store.ratings.latest(rater.id, output.id)
        assert latest is not None
        assert latest.score == 5
