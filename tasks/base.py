"""What a task is: one object that renders the prompt, parses the answer and scores it.

The same Task makes the training example (`render` + `answer`), the live prompt
(`render` + `constraint`) and the evaluation (`parse` + `score`), so that training and
serving cannot drift apart.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

Role = Literal["system", "user", "assistant"]
Example = TypeVar("Example")
Prediction = TypeVar("Prediction")


class Message(TypedDict):
    """One turn of a chat, before a Template makes text of it.

    content: the whole turn; chat templates read nothing else. instruction and input: the same
    turn in its two parts, for templates with a slot for each (Alpaca and its kin).
    """

    role: Role
    content: str
    instruction: NotRequired[str]
    input: NotRequired[str]


def ask(instruction: str, material: str = "", material_first: bool = False) -> Message:
    """Return the user turn that asks `instruction` about `material`.

    material_first puts the material before the instruction in a chat, so that prompts which
    share the material share a prefix, which the engine then computes once.
    """
    parts = (material, instruction) if material_first else (instruction, material)
    content = "\n\n".join(part for part in parts if part)
    return {"role": "user", "content": content, "instruction": instruction, "input": material}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A labelled stretch of the input.

    `start` and `end` count Python characters (Unicode code points) from the start of the
    text, `end` exclusive, so `text == source[start:end]`. Names follow BigBIO's kb schema.
    """

    start: int
    end: int
    label: str
    text: str


@dataclass(frozen=True, slots=True, order=True)
class Relation:
    """A typed link from one span to another of the same text."""

    head: Span
    tail: Span
    type: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the engine may write: exactly one of the three is set.

    json_schema: a JSON Schema object; choice: one of these strings, verbatim;
    regex: a pattern the whole answer matches.
    """

    json_schema: dict[str, Any] | None = None
    choice: tuple[str, ...] | None = None
    regex: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless exactly one form is given."""
        if sum(form is not None for form in (self.json_schema, self.choice, self.regex)) != 1:
            raise ValueError("a constraint is exactly one of json_schema, choice and regex")


class UnparseableAnswer(ValueError):
    """The model's answer is not of the task's form; the raw answer is never shown as a result."""


class Task(ABC, Generic[Example, Prediction]):
    """One task family member, such as `ner-disease`.

    id: stable name, also the default alias that serves it. version: moves when a score can
    move. wordings: instructions that mean the same; index 0 is the one used live.
    max_tokens: the longest answer worth waiting for, in tokens.
    """

    id: str
    title: str
    version: int = 1
    wordings: tuple[str, ...]
    max_tokens: int

    @abstractmethod
    def render(self, example: Example, wording: int = 0) -> list[Message]:
        """Return the messages that ask for this example's answer."""

    @abstractmethod
    def answer(self, example: Example) -> str:
        """Return the gold answer as the model should write it (the training target)."""

    def gold(self, example: Example) -> Prediction:
        """Return the gold answer as a prediction, for `score`."""
        return self.parse(self.answer(example), example)

    def constraint(self, example: Example) -> Constraint | None:
        """Return what the engine may write for this example; None leaves it free text."""
        return None

    @abstractmethod
    def parse(self, text: str, example: Example) -> Prediction:
        """Read the model's answer; raise UnparseableAnswer where it is not of the form."""

    @abstractmethod
    def score(
        self, predictions: Sequence[Prediction], golds: Sequence[Prediction]
    ) -> dict[str, float]:
        """Return named metrics between 0 and 1 over aligned predictions and golds."""
