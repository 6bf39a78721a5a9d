"""What is recorded with every output, so that it can be told later how it came about."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.client import Completion, Params, Prompt

if TYPE_CHECKING:
    from serving.registry import Served
    from serving.store.store import Store


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked which model what; all that is known before the answer."""

    account_id: str
    task: str
    served: "Served"
    params: Params
    section: str | None = None


def input_digest(prompt: Prompt) -> str:
    """Return the SHA-256 of the prompt's token ids (64 hex characters)."""
    return hashlib.sha256(json.dumps(prompt.token_ids).encode()).hexdigest()
