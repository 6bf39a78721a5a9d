"""Model outputs and their provenance."""

import re
from collections.abc import Callable
from datetime import UTC

import pytest

from serving.errors import BadInput, NotFound
from serving.store import Store
from serving.store.records import Account, Output

AddOutput = Callable[..., Output]


def test_comes_back_exactly(store: Store, ada: Account, output: Output) -> None:
    kept = store.outputs.get(output.id)
    assert kept == output
    assert re.fullmatch("[0-9a-f]{32}", kept.id)
    assert kept.text == "Stable, µg 5 😀.\r\n"
    assert (kept.task, kept.section, kept.alias) == ("discharge", "follow_up", "discharge")
    assert (kept.model_digest, kept.adapter_digest) == ("a" * 64, None)
    assert (kept.prompt_tokens, kept.completion_tokens) == (700, 31)
    assert (kept.finish_reason, kept.stopped) == ("stop", False)
    assert kept.created_at.tzinfo is UTC
    expected = {"max_tokens": 512, "temperature": 0.0, "seed": None, "stop": ["\n", "😀"]}
    assert kept.params == expected
    assert isinstance(kept.params["temperature"], float)


def test_owner_is_checked_when_given(
    store: Store, ada: Account, bob: Account, output: Output
) -> None:
    assert store.outputs.get(output.id, ada.id) == output
    with pytest.raises(NotFound):
        store.outputs.get(output.id, bob.id)
    with pytest.raises(NotFound):
        store.outputs.get("no such output")


def test_a_nul_from_the_model_does_not_lose_the_text(
    store: Store, ada: Account, add_output: AddOutput
) -> None:
    kept = add_output(ada, "before\0after")
    assert store.outputs.get(kept.id).text == "before\ufffdafter"


def test_empty_text_is_kept(store: Store, ada: Account, add_output: AddOutput) -> None:
    assert store.outputs.get(add_output(ada, "").id).text == ""


def test_parameters_must_be_json(store: Store, ada: Account) -> None:
    for params in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(BadInput):
            store.outputs.add(
                ada.id, task="t", alias="a", served_model="s", model_digest="d",
                template_hash="h", input_digest="i", text="", prompt_tokens=0,
                completion_tokens=0, params=params,
            )  # fmt: skip


def test_unknown_account(store: Store, add_output: AddOutput) -> None:
    ghost = Account(999, "ghost", "clinician", store.accounts.ensure("x", "admin").created_at)
    with pytest.raises(NotFound):
        add_output(ghost)


def test_text_stays_out_of_repr(output: Output) -> None:
    assert "Stable" not in repr(output)
