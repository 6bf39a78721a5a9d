"""Model outputs with their provenance: written once, never changed."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from serving.errors import BadInput, NotFound
from serving.store import models
from serving.store.records import Output
from serving.store.topic import Topic, record
from serving.store.types import now


class Outputs(Topic):
    """Every text that a model wrote for somebody."""

    def add(
        self,
        account_id: int,
        *,
        task: str,
        alias: str,
        served_model: str,
        model_digest: str,
        template_hash: str,
        input_digest: str,
        text: str,
        prompt_tokens: int,
        completion_tokens: int,
        params: Mapping[str, Any],
        section: str | None = None,
        adapter_digest: str | None = None,
        finish_reason: str | None = None,
        stopped: bool = False,
    ) -> Output:
        """Keep one output as generated and return it with its new id (see records.Output).

        Raises NotFound for an unknown account, BadInput where `params` is not JSON.
        A U+0000 in the text, which Postgres cannot hold, is kept as U+FFFD.
        """
        row = models.Output(
            id=uuid4().hex,
            account_id=account_id,
            task=task,
            section=section,
            created_at=now(),
            alias=alias,
            served_model=served_model,
            model_digest=model_digest,
            adapter_digest=adapter_digest,
            template_hash=template_hash,
            params=_json_object(params),
            input_digest=input_digest,
            text=text.replace("\0", "\ufffd"),
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            finish_reason=finish_reason,
            stopped=stopped,
        )
        with self._db.writing() as session:
            if session.get(models.Account, account_id) is None:
                raise NotFound("There is no such account.")
            session.add(row)
            session.flush()
            return record(Output, row)

    def get(self, output_id: str, owner: int | None = None) -> Output:
        """Return the output; raise NotFound where there is none.

        owner: where given, another account's output is NotFound too. Leave it out only where
        the caller has checked that this user may read what others' models wrote.
        """
        with self._db.reading() as session:
            row = session.get(models.Output, output_id)
            if row is None or (owner is not None and row.account_id != owner):
                raise NotFound("There is no such output.")
            return record(Output, row)


def _json_object(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as JSON will give them back (a tuple becomes a list)."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(params), allow_nan=False))
    except (TypeError, ValueError):
        raise BadInput("The generation parameters cannot be written as JSON.") from None
    return plain
