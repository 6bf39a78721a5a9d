"""What a question brings back, piece by piece: passages, place in line, text, checked answer."""

from dataclasses import dataclass, field

from serving.evidence import Quote, Support
from serving.retrieval.collections import Passage


@dataclass(frozen=True, slots=True)
class Passages:
    """What the answer may rest on; citation [n] means `passages[n - 1]`.

    left_out: passages that were found but do not fit into what the model reads at once.
    """

    passages: tuple[Passage, ...]
    left_out: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Place in the line in front of the engine; 0: the answer is being written."""

    place: int


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of the answer."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer, `text[start:end]`, offsets in characters.

    cited: numbers of passages that the model put there; support: what was found to back it,
    whatever the model cites.
    """

    start: int
    end: int
    cited: tuple[int, ...]
    support: Support

    @property
    def supported(self) -> bool:
        """Tell whether any passage was found to back the sentence."""
        return bool(self.support.passages)


@dataclass(frozen=True, slots=True)
class AskAnswer:
    """An answer and what it rests on.

    refused: the sources do not answer, and `reason` says how that was seen. remarks: what the
    reader should know, in whole sentences. missing: words of the question that stand in none
    of the passages. nearest: the sentences of the passages closest to the question, found
    without the model. output_id: the stored output, None where no model was asked.
    """

    text: str = field(repr=False)
    sentences: tuple[Sentence, ...] = field(default=(), repr=False)
    passages: tuple[Passage, ...] = ()
    refused: bool = False
    reason: str = ""
    remarks: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=(), repr=False)
    nearest: tuple[Quote, ...] = ()
    output_id: str | None = None


@dataclass(frozen=True, slots=True)
class Final:
    """The last event: the whole answer, checked and saved."""

    answer: AskAnswer


AskEvent = Passages | Place | Delta | Final
