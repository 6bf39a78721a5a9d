"""The models we know how to talk to: prompt format, context and stop strings of each."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from tasks.template import Template, TemplateProblem

_LLAMA2_CONTEXT = 4096


@dataclass(frozen=True, slots=True)
class Preset:
    """How to speak with one family of models.

    template: None means the model's own chat template. context_length: tokens of prompt and
    answer together; None means what the model's config says. stop: strings at which an answer
    has ended, for families that are not trained to end their turn cleanly. wording: index of
    the tasks' wordings to use.
    """

    name: str
    title: str
    template: Template | None
    context_length: int | None
    stop: tuple[str, ...] = ()
    wording: int = 0


def _llama(source: str, add_bos: bool = True, controls: tuple[str, ...] = ()) -> Template:
    """Return a packaged template for a model with the Llama or Llama-2 tokenizer."""
    text = resources.files("tasks").joinpath(f"templates/{source}.jinja").read_text("utf-8")
    return Template(source, text, add_bos, "<s>", "</s>", controls)


@cache
def presets() -> dict[str, Preset]:
    """Return all presets by name."""
    headings = ("###",)
    parts = ("INPUT:", "CONTEXT:", "OUTPUT:")
    alpaca = _llama("alpaca", controls=headings)
    medtuned = _llama("llama2-medtuned", controls=headings)
    me_llama = _llama("me-llama-chat", controls=parts)
    known = (
        Preset("chat", "The model's own chat template", None, None),
        Preset(
            "llama2-chat", "Llama-2-chat", _llama("llama2-chat", add_bos=False), _LLAMA2_CONTEXT
        ),
        Preset("llama2-medtuned", "Llama2-MedTuned", medtuned, _LLAMA2_CONTEXT, ("\n###",)),
        # AlpaCare and PMC-LLaMA were tuned on 2,048 tokens or fewer; AlpaCare's base reads 4,096.
        Preset("alpacare", "AlpaCare", alpaca, _LLAMA2_CONTEXT, ("\n###",)),
        Preset("me-llama-chat", "Me-LLaMA-chat", me_llama, _LLAMA2_CONTEXT, ("\nINPUT:",)),
        Preset("pmc-llama", "PMC-LLaMA", alpaca, 2048, ("\n###",)),
    )
    return {one.name: one for one in known}


def preset(name: str) -> Preset:
    """Return the preset of that name; raises UnknownPreset, which lists the names."""
    try:
        return presets()[name]
    except KeyError:
        raise UnknownPreset(name) from None


class UnknownPreset(LookupError):
    """There is no preset of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no preset {name!r}; known are {', '.join(presets())}")


_FAMILIES = (
    (r"med-?tuned", "llama2-medtuned"),
    (r"alpacare", "alpacare"),
    (r"(?:^|-)me-?llama", "me-llama-chat"),
    (r"pmc-?llama", "pmc-llama"),
    (r"llama-?2-\d+b-chat|llama-?2-chat", "llama2-chat"),
)


def guess(model: str) -> str:
    """Return the name of the preset for a model's id or folder, by its name alone.

    In a hub cache (".../models--owner--name/snapshots/<commit>") the owner and name are read.
    """
    cached = re.search(r"models--([^/\\]+)", model)
    name = cached[1] if cached else re.split(r"[/\\]", model.rstrip("/\\"))[-1]
    name = re.sub(r"[_\s]+", "-", name.lower())
    return next((family for pattern, family in _FAMILIES if re.search(pattern, name)), "chat")


def from_model_folder(path: str | Path) -> Template:
    """Return the chat template that lies in a model's folder, with its special tokens.

    Raises TemplateProblem where the folder has none: such a model needs a preset.
    """
    folder = Path(path)
    config = _read_json(folder / "tokenizer_config.json")
    source = _chat_template(folder, config)
    if source is None:
        raise TemplateProblem(
            f"the model in {folder.name} has no chat template; choose a preset: "
            f"{', '.join(name for name in presets() if name != 'chat')}"
        )
    return Template(
        name=folder.name,
        source=source,
        bos_token=_token(config.get("bos_token")),
        eos_token=_token(config.get("eos_token")),
        controls=_special_tokens(folder, config),
    )


def _chat_template(folder: Path, config: dict[str, Any]) -> str | None:
    """Return the template from its own file, else from the tokenizer's config."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    found = config.get("chat_template") or _read_json(folder / "chat_template.json").get(
        "chat_template"
    )
    if isinstance(found, list):  # several by name: the one called default is meant for chat
        found = {one["name"]: one["template"] for one in found}.get("default")
    return found if isinstance(found, str) else None


def _special_tokens(folder: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """Return the special tokens that the tokenizer would find even inside a note."""
    added = list(_read_json(folder / "tokenizer.json").get("added_tokens", []))
    added += config.get("added_tokens_decoder", {}).values()
    special = {one["content"] for one in added if one.get("special")}
    return tuple(sorted(token for token in special if len(token.strip()) > 1))


def _token(value: Any) -> str:
    """Return a token written as a string or as {"content": ...}; none as ""."""
    return str(value["content"] if isinstance(value, dict) else value or "")


def _read_json(file: Path) -> dict[str, Any]:
    """Return the file's object, or an empty one where there is no such file."""
    if not file.is_file():
        return {}
    try:
        data = json.loads(file.read_text("utf-8"))
    except ValueError:
        raise TemplateProblem(f"{file.name} in {file.parent.name} is not valid JSON") from None
    return data if isinstance(data, dict) else {}
