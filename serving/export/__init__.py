"""Export: drafts as Markdown, text and DOCX; tagged text as JSON lines and CoNLL/BIO."""

from serving.export.draft import DraftDocument, DraftSection, ModelUsed
from serving.export.markdown import to_markdown
from serving.export.plain import to_text
from serving.export.tags import TagDocument, from_jsonl, to_conll, to_jsonl
from serving.export.word import to_docx

__all__ = [
    "DraftDocument",
    "DraftSection",
    "ModelUsed",
    "TagDocument",
    "from_jsonl",
    "to_conll",
    "to_docx",
    "to_jsonl",
    "to_markdown",
    "to_text",
]
