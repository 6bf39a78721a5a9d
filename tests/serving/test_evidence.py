import pytest

from serving.evidence import content_words, support

AFTERCARE = (
    "Apixaban 5 mg twice daily. Reduce to 2.5 mg twice daily if two apply: age 80 or over, "
    "weight 60 kg or less. Idarucizumab 5 g intravenously reverses dabigatran."
)
DIET = "Low-salt diet was explained to the patient. Weigh every morning."
PASSAGES = [(1, DIET), (2, AFTERCARE)]


def test_a_sentence_is_linked_to_the_place_that_says_it() -> None:
    [found] = support("Dabigatran is reversed by 5 g idarucizumab intravenously [1].", PASSAGES)
    assert found.passages == (2,)
    assert found.quote is not None
    quoted = AFTERCARE[found.quote.start : found.quote.end]
    assert quoted == "Idarucizumab 5 g intravenously reverses dabigatran."
    assert found.score == 1.0


@pytest.mark.parametrize("number", ["10", "0.5", "50", "1,005"])
def test_another_number_is_no_support(number: str) -> None:
    [found] = support(f"Idarucizumab {number} g intravenously reverses dabigatran.", PASSAGES)
    assert found.passages == ()
    assert found.quote is None


def test_numbers_must_stand_in_the_same_place_not_somewhere_in_the_passage() -> None:
    [found] = support("Idarucizumab 80 g intravenously reverses dabigatran.", PASSAGES)
    assert found.passages == ()


def test_offsets_are_those_of_the_answer() -> None:
    answer = "🙂 Weigh every morning.\nThe moon is made of cheese and butter. "
    first, second = support(answer, PASSAGES)
    assert answer[first.start : first.end] == first.sentence
    assert answer[second.start : second.end] == "The moon is made of cheese and butter."
    assert (first.passages, second.passages) == ((1,), ())


def test_meaning_stands_in_for_words_but_never_for_numbers() -> None:
    def alike(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    answer = "Sodium intake must go down."
    assert support(answer, PASSAGES)[0].passages == ()
    assert support(answer, PASSAGES, alike)[0].passages == (1, 2)
    assert support("Sodium intake must go down to 77 mmol.", PASSAGES, alike)[0].passages == ()


def test_meaning_that_is_far_is_no_support() -> None:
    def apart(texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0], *([0.6, 0.8] for _ in texts[1:])]

    assert support("Sodium intake must go down.", PASSAGES, apart)[0].passages == ()


def test_nothing_supports_nothing() -> None:
    assert support("", PASSAGES) == []
    assert [one.passages for one in support("Yes.", PASSAGES)] == [()]
    assert [one.passages for one in support("Weigh every morning.", [])] == [()]


def test_a_citation_mark_is_not_a_number_of_the_sentence() -> None:
    assert content_words("Doses of 1,000 mg [1, 2] were halved") == {"dos", "1000", "mg", "halv"}
