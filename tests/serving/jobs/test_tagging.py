import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.client import EngineClient
from serving.errors import BadInput, EngineUnavailable, TooLong
from serving.jobs.tagging import PIECE_LIMIT, TEXT_LIMIT, Tagging, pieces
from serving.models.registry import Registry
from serving.settings import Settings
from serving.store import Store
from tests.serving.jobs.fakes import FakeClient

KNOWN = ("asthma", "type 2 diabetes", "fièvre", "aspirin", "warfarin")


def _finds(prompt: str) -> str:
    """Answer as a model would that knows a few words and invents one more."""
    text = prompt.split("Text: ", 1)[1]
    if "@DRUG$" in text:
        return "effect"
    label = "Chemical" if "chemicals" in prompt else "Disease"
    words = [w for w in KNOWN if (w in ("aspirin", "warfarin")) == (label == "Chemical")]
    found = [m.group() for m in re.finditer("|".join(words), text)]
    return json.dumps({label: [*found, "an invention"]}, ensure_ascii=False)


@dataclass
class House:
    client: FakeClient
    store: Store
    tagging: Tagging
    me: int


@pytest.fixture
async def house(home: Path) -> AsyncIterator[House]:
    home.mkdir()
    with Store(f"sqlite:///{home / 'rounds.db'}") as store:
        store.migrate()
        client = FakeClient(answer=_finds)
        registry = Registry(Settings(), store, client, "m" * 64)  # type: ignore[arg-type]
        me = store.accounts.ensure("me", "clinician").id
        yield House(client, store, Tagging(client, registry, store), me)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "He has asthma. No type 2 diabetes.",
        "\tAsthma? yes, asthma.\r\nAlso type 2 diabetes.\r\n",
        "😷 fièvre 🤒 and asthma.\nThen 👩‍⚕️ said: type 2 diabetes.",
    ],
)
async def test_offsets_point_at_the_words_of_the_whole_text(house: House, text: str) -> None:
    result = await house.tagging.tag(house.me, "ner-disease", text)
    assert result.spans
    for span in result.spans:
        assert text[span.start : span.end] == span.text
        assert span.text in KNOWN


async def test_what_the_text_does_not_hold_is_dropped_and_counted(house: House) -> None:
    result = await house.tagging.tag(house.me, "ner-disease", "He has asthma. She is well.")
    assert [s.text for s in result.spans] == ["asthma"]
    assert result.dropped == 2  # one invention a sentence


async def test_relations_are_asked_for_pairs_of_a_sentence(house: House) -> None:
    text = "Aspirin aside, aspirin with warfarin bleeds. Asthma is quiet."
    result = await house.tagging.tag(house.me, "re-ddi", text)
    assert [(r.head.text, r.tail.text, r.type) for r in result.relations] == [
        ("aspirin", "warfarin", "effect")
    ]


async def test_an_answer_that_is_not_of_the_form_is_counted_not_shown(house: House) -> None:
    house.client.answer = lambda _prompt: '{"Disease": ["asth'
    result = await house.tagging.tag(house.me, "ner-disease", "He has asthma.")
    assert (result.spans, result.unread) == ((), 1)


async def test_the_output_is_recorded_with_its_provenance(house: House) -> None:
    result = await house.tagging.tag(house.me, "ner-disease", "He has asthma. No type 2 diabetes.")
    output = house.store.outputs.get(result.output_id or "", house.me)
    found = json.loads(output.text)
    assert [s["text"] for s in found["spans"]] == ["asthma", "type 2 diabetes"]
    assert (output.task, output.alias, output.model_digest) == (
        "ner-disease",
        "ner-disease",
        "m" * 64,
    )
    assert output.completion_tokens > 0


async def test_progress_counts_up_to_the_whole(house: House) -> None:
    told: list[tuple[int, int, int]] = []
    text = "He has asthma. " * 20
    await house.tagging.tag(house.me, "ner-disease", text, lambda *n: told.append(n))
    assert told[-1] == (20, 20, 0)
    done = [number for number, _, _ in told]
    assert done == sorted(done) and set(done) == set(range(21))


async def test_the_place_in_line_is_told_until_one_is_answered(house: House) -> None:
    told: list[int] = []

    class Crowded(FakeClient):
        async def complete(self, *args: Any) -> Any:  # type: ignore[override]
            for place in (3, 2, 1, 0):
                args[4](place)
            return await FakeClient.complete(self, *args[:4])

    client = Crowded(answer=_finds)
    registry = Registry(Settings(), house.store, client, "m" * 64)  # type: ignore[arg-type]
    tagging = Tagging(client, registry, house.store)  # type: ignore[arg-type]
    await tagging.tag(house.me, "ner-disease", "He has asthma.", lambda *n: told.append(n[2]))
    assert told == [3, 2, 1, 0, 0]


async def test_the_same_text_has_the_same_input_digest(house: House) -> None:
    text = "He has asthma. She has type 2 diabetes. Both aspirin and warfarin bleed. " * 3
    digests = set()
    for _ in range(3):
        result = await house.tagging.tag(house.me, "re-ddi", text)
        output = house.store.outputs.get(result.output_id or "", house.me)
        digests.add(output.input_digest)
        assert output.alias == "re-ddi"
        assert len(json.loads(output.text)["answers"]) == 9 + 3
    assert len(digests) == 1


async def test_a_dead_engine_is_an_error_not_an_empty_result(house: House) -> None:
    house.client.break_after = 0
    with pytest.raises(EngineUnavailable):
        await house.tagging.tag(house.me, "ner-disease", "He has asthma. She too.")


@pytest.mark.parametrize("text", ["", " \n\t"])
async def test_nothing_to_tag_is_said(house: House, text: str) -> None:
    with pytest.raises(BadInput, match="no text"):
        await house.tagging.tag(house.me, "ner-disease", text)


async def test_a_task_that_does_not_tag_and_a_text_that_is_too_long(house: House) -> None:
    with pytest.raises(BadInput, match="does not tag"):
        await house.tagging.tag(house.me, "discharge", "He has asthma.")
    with pytest.raises(TooLong, match="100,000"):
        await house.tagging.tag(house.me, "ner-disease", "a" * (TEXT_LIMIT + 1))


def test_a_line_without_end_is_cut_between_words() -> None:
    text = "word " * 20_000
    parts = pieces(text)
    assert "".join(text[a:b] for a, b in parts).replace(" ", "") == text.replace(" ", "")
    assert all(b - a <= PIECE_LIMIT for a, b in parts)
    assert all(text[b - 1] == "d" or text[b : b + 1] in ("", " ") for _, b in parts)
    unbroken = "x" * 5000
    assert max(b - a for a, b in pieces(unbroken)) <= PIECE_LIMIT


@pytest.mark.engine
async def test_the_real_model_answers_in_form(home: Path, engine_client: EngineClient) -> None:
    registry = Registry(Settings(), None, engine_client, "m" * 64)  # type: ignore[arg-type]
    tagging = Tagging(engine_client, registry, store=None)
    text = "Aspirin was stopped. 🤒 Fever and pneumonia improved on amoxicillin."
    for task_id in ("ner-chemical", "ner-clinical", "re-ddi"):
        result = await tagging.tag(0, task_id, text)
        assert result.unread == 0
        assert all(text[s.start : s.end] == s.text for s in result.spans)
