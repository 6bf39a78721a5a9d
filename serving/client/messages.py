"""What goes to the engine and what comes back: sampling, prompt, completion."""

from dataclasses import asdict, dataclass
from typing import Any

# A loop: 4 to 40 tokens that come three times in a row.
LOOP = {"min_pattern_size": 4, "max_pattern_size": 40, "min_count": 3}


@dataclass(frozen=True, slots=True)
class Params:
    """How to sample. max_tokens counts new tokens; temperature 0 is greedy.

    frequency_penalty lowers the logit of a token by this much for each time it was already
    written (it spares the words of the prompt, which a summary must be free to repeat).
    stop_loops ends the answer when the same stretch of tokens comes three times in a row.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float = 0.0
    stop_loops: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict, as stored with each output."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt as the engine's token ids, and the digest of its template."""

    token_ids: tuple[int, ...]
    template_hash: str

    def __len__(self) -> int:
        return len(self.token_ids)


@dataclass(slots=True)
class Completion:
    """An answer; fields other than text are filled when the engine has finished it."""

    text: str = ""
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
