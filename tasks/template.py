"""How messages become the text a model was trained to read.

A template is a Jinja source rendered as transformers renders chat templates, in a sandbox.
Training and serving use the same object, and its digest goes with every adapter and output.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tasks.base import Message
from tasks.break_up import break_up

_ROLES = ("system", "user", "assistant")
_CONTROL = re.compile(r"<\|[^|<>\s]{1,40}\|>|<</?[A-Z]{2,10}>>|\[/?[A-Z_]{2,20}\]|</?[a-z_]{1,20}>")
# Every family's turn marks; broken up wherever a template cannot tell us its own.
COMMON_CONTROLS = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>",
    "<|end|>", "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "<|eom_id|>", "<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "<bos>", "<eos>",
    "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "###",
)  # fmt: skip


class TemplateProblem(ValueError):
    """The template cannot be read or will not take these messages."""


@dataclass(frozen=True)
class Template:
    """A prompt format.

    source: Jinja over `messages`, `add_generation_prompt` and the special tokens' names.
    add_bos: the text lacks its first token, and the tokenizer adds it
    (`add_special_tokens=True`); otherwise the text holds all there is.
    controls: strings beyond those in the source that have meaning for the model.
    """

    name: str
    source: str
    add_bos: bool = False
    bos_token: str = ""
    eos_token: str = ""
    controls: tuple[str, ...] = ()

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = True) -> str:
        """Return the prompt's text; control strings inside the messages are broken apart.

        Raises TemplateProblem, without the messages' text, when the template fails on them.
        """
        try:
            return _compile(self.source).render(
                messages=defuse(messages, self.control_strings),
                add_generation_prompt=add_generation_prompt,
                bos_token=self.bos_token,
                eos_token=self.eos_token,
                tools=None,
                documents=None,
            )
        except (jinja2.TemplateError, TypeError) as error:
            kind = type(error).__name__
            raise TemplateProblem(
                f"the prompt template {self.name} does not take these messages ({kind})"
            ) from None

    @cached_property
    def control_strings(self) -> tuple[str, ...]:
        """Return every string that has meaning for the model and none in a note."""
        own = {self.bos_token, self.eos_token, *self.controls, *_CONTROL.findall(self.source)}
        return tuple(sorted(own - {""}))

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 (64 hex characters) of the source and its special tokens."""
        parts = [self.source, self.add_bos, self.bos_token, self.eos_token]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def defuse(messages: Sequence[Message], controls: Sequence[str]) -> list[Message]:
    """Return the messages with the control strings in their texts broken apart.

    Raises TemplateProblem on a role that is none of system, user and assistant.
    """
    if any(message["role"] not in _ROLES for message in messages):
        raise TemplateProblem(f"a message's role must be one of {', '.join(_ROLES)}")
    return [_defused(message, controls) for message in messages]


def plain_chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return role and content alone, defused of every family's turn marks.

    For an engine that applies its own chat template, unknown to us.
    """
    safe = defuse(messages, COMMON_CONTROLS)
    return [{"role": message["role"], "content": message["content"]} for message in safe]


def _defused(message: Message, controls: Sequence[str]) -> Message:
    safe: Message = {"role": message["role"], "content": break_up(message["content"], controls)}
    if "instruction" in message:
        safe["instruction"] = break_up(message["instruction"], controls)
        safe["input"] = break_up(message.get("input", ""), controls)
    return safe


class _Generation(Extension):
    """Lets `{% generation %}` pass: transformers marks the model's turns with it."""

    tags = {"generation"}  # noqa: RUF012 - the form Jinja asks for

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _fixed_date(form: str) -> str:
    """Return one fixed date: a prompt that changes overnight has no digest to trust."""
    return datetime(2024, 7, 26).strftime(form)


def _to_json(value: Any, indent: int | None = None, **_: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


@lru_cache(maxsize=32)
def _compile(source: str) -> jinja2.Template:
    """Compile as transformers does, so that the two render the same text."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _fixed_date
    return environment.from_string(source)
