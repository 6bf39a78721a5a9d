"""What an export says of the models that wrote it."""

from pathlib import Path

import pytest

from serving.exporting import draft_document
from serving.intake import demo
from serving.settings import DEFAULT_MODEL
from serving.store import Store
from serving.store.records import SectionText


@pytest.mark.parametrize(
    ("served", "modest"),
    [
        (DEFAULT_MODEL, True),
        (f"our-{DEFAULT_MODEL}-tuned", False),
        (f"{DEFAULT_MODEL}@0123456789ab", False),  # an adapter of that name
    ],
)
def test_only_what_the_default_model_itself_wrote_is_called_modest(
    tmp_path: Path, served: str, modest: bool
) -> None:
    with Store(f"sqlite:///{tmp_path / 'rounds.db'}") as store:
        store.migrate()
        me = store.accounts.ensure("me", "admin").id
        draft = store.drafts.create(me, store.admissions.save(me, demo.get("demo-03")))
        output = store.outputs.add(
            me,
            task="discharge",
            alias="discharge",
            served_model=served,
            model_digest="d" * 64,
            template_hash="t" * 64,
            input_digest="i" * 64,
            text="She does well.",
            prompt_tokens=1,
            completion_tokens=1,
            params={},
            section="follow_up",
        )
        written = {"follow_up": SectionText("She does well.", output.id)}
        store.drafts.add_version(draft.id, me, written, "generated", 0)
        document = draft_document(store, me, draft.id)
    assert document.modest is modest
    assert [model.name for model in document.models] == [served]
