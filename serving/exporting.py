"""Gathers from the store what an export shows: the text as it stands and where it came from."""

from serving.errors import NotFound
from serving.export import DraftDocument, DraftSection, ModelUsed, TagDocument
from serving.settings import DEFAULT_MODEL
from serving.store import Store
from serving.store.records import Output
from tasks.discharge import SECTIONS


def draft_document(store: Store, owner: int, draft_id: int) -> DraftDocument:
    """Return the newest version of a draft, ready for export.

    Raises NotFound where the draft is not the owner's or nothing of it has been saved.
    """
    draft = store.drafts.get(owner, draft_id)
    version = store.drafts.latest(owner, draft_id)
    if version is None:
        raise NotFound("Nothing of this draft has been saved yet.")
    admission = store.admissions.get(owner, draft.admission_id)
    ids = dict.fromkeys(s.output_id for s in version.sections.values() if s.output_id)
    outputs = [store.outputs.get(output_id, owner) for output_id in ids]
    return DraftDocument(
        hadm_id=admission.hadm_id,
        sections=tuple(
            DraftSection(section.id, section.title, version.sections[section.id].text)
            for section in SECTIONS
            if section.id in version.sections
        ),
        facts=dict(admission.facts),
        status=version.status,
        version=version.version,
        author=store.accounts.get(version.author).name,
        saved_at=version.created_at.isoformat(timespec="seconds"),
        models=tuple(dict.fromkeys(_model(output) for output in outputs)),
        modest=any(output.served_model == DEFAULT_MODEL for output in outputs),
        synthetic=admission.synthetic,
    )


def tag_document(store: Store, owner: int, annotation_id: int) -> TagDocument:
    """Return the tags of a text, ready for export; raise NotFound unless they are the owner's."""
    kept = store.annotations.get(owner, annotation_id)
    output = store.outputs.get(kept.output_id, owner) if kept.output_id else None
    model = _model(output) if output else ModelUsed("")
    return TagDocument(
        id=str(kept.id),
        text=kept.text,
        spans=kept.spans,
        relations=kept.relations,
        task=kept.task,
        model=model.name,
        model_digest=model.model_digest,
        adapter_digest=model.adapter_digest,
        template_hash=model.template_hash,
        made_at=kept.created_at.isoformat(timespec="seconds"),
    )


def _model(output: Output) -> ModelUsed:
    return ModelUsed(
        name=output.served_model,
        model_digest=output.model_digest,
        adapter_digest=output.adapter_digest or "",
        template_hash=output.template_hash,
    )
