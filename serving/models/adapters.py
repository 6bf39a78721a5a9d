"""Reading and checking the files of a LoRA adapter before an engine ever sees them."""

import hashlib
import json
import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serving.errors import ModelProblem

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
CARD = "README.md"
ROUNDS = "rounds.json"  # written by our training: base digest, template hash, task
_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".ckpt")
_HEADER_LIMIT = 100_000_000  # bytes; safetensors' own limit for its JSON header


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """A checked adapter folder.

    digest: SHA-256 over weights and config (64 hex). base_digest and template_hash are None
    where the adapter does not say. card: its model card in Markdown, possibly empty.
    """

    path: Path
    digest: str
    rank: int
    base_digest: str | None
    template_hash: str | None
    card: str

    def served_name(self, alias: str) -> str:
        """Return the name it is served under: the alias and what is in the files."""
        return f"{alias}@{self.digest[:12]}"


def read_adapter(
    folder: Path, max_rank: int, base_digest: str, template_hash: str | None = None
) -> AdapterFiles:
    """Check a folder and return what it holds; raise ModelProblem saying what does not fit."""
    _refuse_pickles(folder)
    config = _config(folder)
    rank = _rank(config, folder)
    if rank > max_rank:
        raise ModelProblem(
            f"{folder.name} has rank {rank}; this engine takes at most {max_rank}. "
            "Raise ROUNDS_MAX_LORA_RANK and restart, or train a smaller rank."
        )
    _refuse_what_vllm_cannot(config, _tensor_names(folder / WEIGHTS), folder)
    ours = _read_json(folder / ROUNDS) if (folder / ROUNDS).exists() else {}
    if ours.get("base_digest") not in (None, base_digest):
        raise ModelProblem(
            f"{folder.name} was trained on another base checkpoint "
            f"({ours['base_digest'][:12]}, not {base_digest[:12]}); it works on that one only."
        )
    trained_with = ours.get("template_hash")
    if template_hash and trained_with not in (None, template_hash):
        raise ModelProblem(
            f"{folder.name} was trained with another prompt template "
            f"({trained_with[:12]}, not {template_hash[:12]}); its answers would be off."
        )
    card = folder / CARD
    return AdapterFiles(
        path=folder,
        digest=_digest(folder),
        rank=rank,
        base_digest=ours.get("base_digest"),
        template_hash=trained_with,
        card=card.read_text(encoding="utf-8", errors="replace") if card.exists() else "",
    )


def keep_copy(adapter: AdapterFiles, shelf: Path) -> AdapterFiles:
    """Copy the checked files to a folder named by digest, so that no one changes them later."""
    target = shelf / adapter.digest
    if not target.exists():
        part = shelf / f"{adapter.digest}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, mode=0o700)
        for name in (WEIGHTS, CONFIG, CARD, ROUNDS):
            if (adapter.path / name).exists():
                shutil.copyfile(adapter.path / name, part / name)
        part.rename(target)
    if _digest(target) != adapter.digest:
        raise ModelProblem(f"{adapter.path.name} changed while it was being copied; try again.")
    return replace(adapter, path=target)


def find_adapters(folders: Iterable[Path]) -> dict[str, Path]:
    """Return adapter folders by name, one level below the given folders."""
    found: dict[str, Path] = {}
    for folder in folders:
        if folder.is_dir():
            for config in sorted(folder.glob(f"*/{CONFIG}")):
                found.setdefault(config.parent.name, config.parent)
    return found


def _refuse_pickles(folder: Path) -> None:
    if not (folder / WEIGHTS).is_file():
        pickled = [p.name for p in folder.glob("*") if p.suffix in _PICKLED]
        if pickled:
            raise ModelProblem(
                f"{folder.name} holds pickled weights ({pickled[0]}), which can run code when "
                "opened. Save it as safetensors first."
            )
        raise ModelProblem(f"{folder.name} has no {WEIGHTS}.")


def _config(folder: Path) -> dict[str, Any]:
    config = _read_json(folder / CONFIG)
    if str(config.get("peft_type", "")).upper() != "LORA":
        raise ModelProblem(f"{folder.name} is not a LoRA adapter (peft_type in {CONFIG}).")
    return config


def _rank(config: dict[str, Any], folder: Path) -> int:
    ranks = [config.get("r"), *(config.get("rank_pattern") or {}).values()]
    if not all(isinstance(r, int) and r > 0 for r in ranks):
        raise ModelProblem(f"{folder.name} states no valid rank (r in {CONFIG}).")
    return max(int(r) for r in ranks)


def _refuse_what_vllm_cannot(config: dict[str, Any], tensors: list[str], folder: Path) -> None:
    whole = config.get("modules_to_save")
    added = [t for t in tensors if "lora_" not in t]
    if whole or added:
        raise ModelProblem(
            f"{folder.name} brings whole layers or added tokens ({whole or added[0]}), which the "
            "engine does not take as an adapter. Merge it into its base and serve the checkpoint."
        )
    if config.get("use_dora"):
        raise ModelProblem(f"{folder.name} uses DoRA, which the engine does not serve; merge it.")


def _tensor_names(weights: Path) -> list[str]:
    """Read only the safetensors header: 8 bytes of length, then JSON."""
    try:
        with weights.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _HEADER_LIMIT:
                raise ValueError("header too long")
            header = json.loads(file.read(length))
            data = max((t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"))
            if weights.stat().st_size != 8 + length + data:
                raise ValueError("file cut short or with trailing bytes")
    except (struct.error, ValueError, KeyError, TypeError, OSError) as error:
        raise ModelProblem(f"{weights.parent.name}/{WEIGHTS} is corrupt ({error}).") from error
    return [name for name in header if name != "__metadata__"]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelProblem(f"{path.parent.name}/{path.name} cannot be read.") from error
    if not isinstance(data, dict):
        raise ModelProblem(f"{path.parent.name}/{path.name} is not a JSON object.")
    return data


def _digest(folder: Path) -> str:
    """Return the SHA-256 over weights and config, in this order."""
    digest = hashlib.sha256()
    for name in (WEIGHTS, CONFIG):
        with (folder / name).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
