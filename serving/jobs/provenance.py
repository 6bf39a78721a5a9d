"""What is recorded with every output, so that it can be told later how it came about."""

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serving.client import Completion, Params, Prompt
from serving.figures import count_output

if TYPE_CHECKING:
    from serving.models.registry import Served
    from serving.store import Store


@dataclass(slots=True)
class Made:
    """One output in the making: which task and model, with what, and what came of it.

    served and prompt are filled as soon as they are known; result grows with the stream.
    """

    task: str
    params: Params
    section: str | None = None
    served: "Served | None" = None
    prompt: Prompt | None = None
    result: Completion = field(default_factory=Completion)


def input_digest(*prompts: Prompt) -> str:
    """Return the SHA-256 over the token ids of the prompts, in order (64 hex characters)."""
    ids = [list(prompt.token_ids) for prompt in prompts]
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()


async def record_output(store: "Store", account_id: int, made: Made, stopped: bool) -> str:
    """Save an output with its provenance and return its id.

    Raises ValueError when served or prompt are unknown: there is then no output to record.
    """
    if made.served is None or made.prompt is None:
        raise ValueError("an output needs a model and a prompt")
    output = await asyncio.to_thread(
        store.outputs.add,
        account_id,
        task=made.task,
        section=made.section,
        alias=made.served.alias,
        served_model=made.served.model,
        model_digest=made.served.model_digest,
        adapter_digest=made.served.adapter_digest,
        template_hash=made.prompt.template_hash,
        params=made.params.as_dict(),
        input_digest=input_digest(made.prompt),
        text=made.result.text,
        prompt_tokens=made.result.prompt_tokens,
        completion_tokens=made.result.completion_tokens,
        finish_reason=made.result.finish_reason,
        stopped=stopped,
    )
    count_output(made.task, made.result.prompt_tokens, made.result.completion_tokens)
    return output.id
