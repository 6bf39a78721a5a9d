"""Models: found, fetched, converted, checked; with packages and folders made here."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from serving.errors import ModelProblem
from serving.models import default as default_model
from serving.models import files as model_files
from serving.models import hub as hub_model
from serving.models.digest import checkpoint_digest, damage, read_json, sha256_file, write_manifest
from serving.models.files import ModelFiles, check_folder, embedding_model_path, ensure_model
from serving.settings import DEFAULT_MODEL, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def fill(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_a_folder_is_taken_as_it_is(settings: Settings, tmp_path: Path) -> None:
    settings.model = str(fill(tmp_path / "my-model"))
    model = ensure_model(settings)
    pairs = [[n, hashlib.sha256(d).hexdigest()] for n, d in
             (("config.json", b"{}"), ("model.safetensors", b"weights"))]  # fmt: skip
    digest = hashlib.sha256(json.dumps(pairs, separators=(",", ":")).encode()).hexdigest()
    assert model == ModelFiles(tmp_path / "my-model", "my-model", digest, False)


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    one, two = fill(tmp_path / "a"), fill(tmp_path / "b")
    assert checkpoint_digest(one) == checkpoint_digest(two)
    (two / "model.safetensors").write_bytes(b"Weights")
    assert checkpoint_digest(one) != checkpoint_digest(two)
    (two / "model.safetensors").write_bytes(b"weights")
    (two / "config.json").write_text('{"a": 1}')
    assert checkpoint_digest(one) != checkpoint_digest(two)


def test_checksums_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    file, cache = tmp_path / "f", tmp_path / "cache.json"
    file.write_bytes(b"one")
    first = sha256_file(file, cache)
    known = json.loads(cache.read_text())
    known[str(file)]["sha256"] = "remembered"
    cache.write_text(json.dumps(known))
    assert sha256_file(file, cache) == "remembered"
    file.write_bytes(b"three")
    assert sha256_file(file, cache) == hashlib.sha256(b"three").hexdigest() != first


@pytest.mark.parametrize(
    ("take_away", "add", "words"),
    [
        ("config.json", None, "no config.json"),
        ("tokenizer.json", None, "no tokenizer"),
        ("model.safetensors", None, "no weights"),
        ("model.safetensors", "pytorch_model.bin", "pickle"),
    ],
)
def test_a_folder_that_cannot_be_served(
    settings: Settings, tmp_path: Path, take_away: str, add: str | None, words: str
) -> None:
    folder = fill(tmp_path / "m")
    (folder / take_away).unlink()
    if add:
        (folder / add).write_bytes(b"\x80")
    settings.model = str(folder)
    with pytest.raises(ModelProblem, match=words):
        ensure_model(settings)


def test_a_missing_shard_is_told(tmp_path: Path) -> None:
    folder = fill(tmp_path / "m")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelProblem, match=r"1 of its 2 .*model-2"):
        check_folder(folder)


@pytest.mark.parametrize("name", ["/no/such/folder", "./nothing", "nothing-at-all"])
def test_a_model_that_is_nowhere(settings: Settings, name: str) -> None:
    settings.model = name
    with pytest.raises(ModelProblem, match="ROUNDS_MODEL"):
        ensure_model(settings)


def test_a_name_in_the_models_folder(settings: Settings) -> None:
    fill(settings.models_path / "merged-1")
    settings.model = "merged-1"
    assert ensure_model(settings).name == "merged-1"


def counted_build(monkeypatch: pytest.MonkeyPatch, seconds: float = 0) -> list[Path]:
    """Replace fetching and converting by writing a small folder; return the calls."""
    calls: list[Path] = []

    def build(folder: Path, _progress: Any) -> None:
        calls.append(folder)
        time.sleep(seconds)
        fill(folder)
        write_manifest(folder, recipe=default_model.RECIPE)

    monkeypatch.setattr(default_model, "build", build)
    return calls


def test_the_default_model_is_made_once_and_again_when_damaged(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted_build(monkeypatch)
    first = ensure_model(settings)
    assert first.is_default and first.name == DEFAULT_MODEL
    assert ensure_model(settings) == first
    assert len(calls) == 1

    (first.path / "model.safetensors").write_bytes(b"wEights")  # same size
    told: list[str] = []
    assert ensure_model(settings, told.append) == first
    assert len(calls) == 2
    assert "wrong checksum" in told[0]

    (first.path / "tokenizer.json").unlink()
    ensure_model(settings)
    manifest = first.path / "rounds-model.json"
    manifest.write_text(manifest.read_text().replace('"recipe": 1', '"recipe": 0'))
    ensure_model(settings)
    assert len(calls) == 4
    assert damage(first.path) is None
    assert not list(settings.models_path.glob(".incoming*"))


def test_two_starts_at_once_make_it_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = counted_build(monkeypatch, seconds=0.5)
    found: list[ModelFiles] = []
    threads = [
        threading.Thread(target=lambda: found.append(ensure_model(settings))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(found) == 3 and len(set(found)) == 1


def test_an_interrupted_build_leaves_no_model(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(folder: Path, _progress: Any) -> None:
        fill(folder)
        raise ModelProblem("no network")

    monkeypatch.setattr(default_model, "build", breaks)
    with pytest.raises(ModelProblem):
        ensure_model(settings)
    assert not (settings.models_path / DEFAULT_MODEL).exists()
    calls = counted_build(monkeypatch)
    ensure_model(settings)
    assert len(calls) == 1


def test_a_package_with_another_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / default_model.GGUF
    wrong.write_bytes(b"GGUF but not ours")
    monkeypatch.setattr(default_model, "_installed", lambda: wrong)
    with pytest.raises(ModelProblem, match="SHA-256"):
        default_model.build(tmp_path / "out", lambda _: None)


def test_no_network_is_told_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_model, "_installed", lambda: None)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ModelProblem, match=r"could not be fetched.*--no-deps.*ROUNDS_MODEL"):
        default_model.build(tmp_path / "out", lambda _: None)


def test_a_hub_id_is_fetched_once_and_then_offline(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fetch(model_id: str, folder: Path, _progress: Any) -> None:
        calls.append(model_id)
        fill(folder)
        write_manifest(folder)

    monkeypatch.setattr(hub_model, "fetch", fetch)
    settings.model = "owner/some-7b"
    model = ensure_model(settings)
    assert (model.name, model.path.name) == ("some-7b", "owner--some-7b")
    assert ensure_model(settings) == model
    assert calls == ["owner/some-7b"]


def test_an_unreachable_hub_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    settings.model = "owner/some-7b"
    with pytest.raises(ModelProblem, match=r"could not be downloaded.*ROUNDS_MODEL"):
        ensure_model(settings)
    assert not (settings.models_path / "owner--some-7b").exists()


def test_the_embedding_model_comes_from_its_package(settings: Settings) -> None:
    folder = embedding_model_path(settings)
    assert (folder / "model.safetensors").stat().st_size > 10**7
    code = (
        "import sys; from serving.models.files import embedding_model_path as e;"
        "from serving.settings import Settings; e(Settings()); print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_a_missing_embedding_package_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_files, "find_spec", lambda _name: None)
    with pytest.raises(ModelProblem, match="make setup"):
        embedding_model_path(settings)


def test_the_real_default_model(default_model: ModelFiles) -> None:
    """The true conversion: whole, with the special tokens and the template of SmolLM2."""
    from tokenizers import Tokenizer

    assert damage(default_model.path) is None
    tokenizer = Tokenizer.from_file(str(default_model.path / "tokenizer.json"))
    ids = {t: tokenizer.token_to_id(t) for t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")}
    assert list(ids.values()) == [0, 1, 2]
    assert tokenizer.encode("<|im_start|>user\nHi<|im_end|>").ids[0] == 1
    assert read_json(default_model.path / "generation_config.json")["eos_token_id"] == 2
    assert read_json(default_model.path / "config.json")["eos_token_id"] == 2
    wording = read_json(default_model.path / "tokenizer_config.json")
    assert wording["eos_token"] == "<|im_end|>"
    assert wording["model_max_length"] == 8192
    template = (default_model.path / "chat_template.jinja").read_text()
    assert "<|im_start|>assistant" in template

    # Every digit stands alone, as in training; the space before a number is not joined to it.
    assert tokenizer.encode("on 120 mg").tokens == ["on", "Ġ", "1", "2", "0", "Ġmg"]
    assert tokenizer.encode("x  12").tokens == ["x", "ĠĠ", "1", "2"]
    text = "Na 138 mmol/L,  K 4.1\t(12/03) – µg ½ 🙂\r\n"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
