"""Fetch a model by its hub id: safetensors and tokenizer files only, never pickled weights.

The download runs in a child process (`python -m serving.models.hub`), the only one in which the
hub is switched on.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from serving.errors import ModelProblem
from serving.models.digest import write_manifest
from serving.offline import offline_env

WANTED = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", "merges.txt", "LICENSE*"]
UNWANTED = ["*/*"]  # other forms of the same weights live in sub-folders (original/, onnx/)

_ROOT = Path(__file__).resolve().parents[2]


def fetch(model_id: str, folder: Path, progress: Callable[[str], None]) -> None:
    """Download a hub model into `folder`; an interrupted download continues where it stopped.

    Raises ModelProblem, with what to do, when the hub cannot be reached or refuses.
    """
    progress(f"Downloading {model_id} from the model hub (this can take long)")
    ask = [sys.executable, "-m", "serving.models.hub", model_id, str(folder)]
    env = os.environ | offline_env(hub=True)
    done = subprocess.run(ask, cwd=_ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelProblem(
            f"{model_id} could not be downloaded: {why[:300]} Check the id and the network (for a "
            "gated model set HF_TOKEN), or copy the model's folder to this machine and set "
            "ROUNDS_MODEL to it."
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelProblem(
            f"{model_id} offers no safetensors weights, only forms that can run code when they "
            "are opened. Convert it on a machine you trust (save_pretrained) and set ROUNDS_MODEL "
            "to the folder."
        )
    write_manifest(folder, source={"hub": model_id})


def _download(model_id: str, folder: str) -> None:
    from huggingface_hub import snapshot_download

    snapshot_download(model_id, local_dir=folder, allow_patterns=WANTED, ignore_patterns=UNWANTED)


if __name__ == "__main__":
    try:
        _download(sys.argv[1], sys.argv[2])
    except Exception as error:
        # One line for the caller; the traceback would say nothing a user can act on.
        words = " ".join(str(error).split())
        sys.exit(f"{type(error).__name__}: {words}")
