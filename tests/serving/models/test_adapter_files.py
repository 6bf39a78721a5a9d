import json
from pathlib import Path

import pytest

from serving.errors import ModelProblem
from serving.models.adapters import find_adapters, keep_copy, read_adapter
from tests.serving.models.adapters import make_adapter

BASE = "b" * 64


def _read(folder: Path, **more: object):  # type: ignore[no-untyped-def]
    return read_adapter(folder, max_rank=16, base_digest=BASE, **more)  # type: ignore[arg-type]


def test_a_sound_adapter_is_read_and_named_by_its_content(tmp_path: Path) -> None:
    one = _read(make_adapter(tmp_path / "one", seed=1))
    again = _read(make_adapter(tmp_path / "again", seed=1))
    other = _read(make_adapter(tmp_path / "other", seed=2))
    assert one.rank == 8
    assert one.card.startswith("# A test adapter")
    assert one.served_name("ner") == f"ner@{one.digest[:12]}"
    assert one.digest == again.digest != other.digest


def test_a_changed_config_alone_changes_the_name(tmp_path: Path) -> None:
    one = _read(make_adapter(tmp_path / "one", seed=1))
    other = _read(make_adapter(tmp_path / "other", seed=1, lora_alpha=32))
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"r": 64}, "rank 64"),
        ({"r": "many"}, "no valid rank"),
        ({"rank_pattern": {"q_proj": 99}}, "rank 99"),
        ({"peft_type": "IA3"}, "not a LoRA"),
        ({"modules_to_save": ["embed_tokens"]}, "Merge it"),
        ({"use_dora": True}, "DoRA"),
    ],
)
def test_what_the_engine_cannot_serve_is_refused_and_says_why(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ModelProblem, match=words):
        _read(make_adapter(tmp_path / "odd", seed=1, **changes))


def test_pickled_weights_are_refused_unopened(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "old", seed=1)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelProblem, match="pickled"):
        _read(folder)


@pytest.mark.parametrize("cut", [4, 100, -1])
def test_a_corrupt_weight_file_is_refused(tmp_path: Path, cut: int) -> None:
    folder = make_adapter(tmp_path / "cut", seed=1)
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut])
    with pytest.raises(ModelProblem, match="corrupt"):
        _read(folder)


def test_another_base_or_template_is_refused(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "one", seed=1)
    (folder / "rounds.json").write_text(json.dumps({"base_digest": "c" * 64}))
    with pytest.raises(ModelProblem, match="another base"):
        _read(folder)
    (folder / "rounds.json").write_text(
        json.dumps({"base_digest": BASE, "template_hash": "d" * 64})
    )
    assert _read(folder, template_hash="d" * 64).base_digest == BASE
    with pytest.raises(ModelProblem, match="another prompt template"):
        _read(folder, template_hash="e" * 64)


def test_the_kept_copy_survives_changes_of_the_original(tmp_path: Path) -> None:
    folder = make_adapter(tmp_path / "one", seed=1)
    adapter = _read(folder)
    kept = keep_copy(adapter, tmp_path / "shelf")
    (folder / "adapter_model.safetensors").write_bytes(b"overwritten")
    assert _read(kept.path).digest == adapter.digest
    assert keep_copy(adapter, tmp_path / "shelf") == kept


def test_adapters_are_found_one_level_down(tmp_path: Path) -> None:
    make_adapter(tmp_path / "models" / "one", seed=1)
    (tmp_path / "models" / "not-one").mkdir()
    assert list(find_adapters([tmp_path / "models", tmp_path / "absent"])) == ["one"]
