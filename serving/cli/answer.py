"""Printing an answer with its sources."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from serving.cli.session import say
from serving.jobs.ask_events import AskAnswer, Final, Passages, Sentence
from serving.notice import MODEST, NOTICE
from serving.retrieval.documents import read_document

if TYPE_CHECKING:
    from serving.workbench import Workbench


async def print_answer(
    built: "Workbench", account_id: int, question: str, documents: Sequence[Path]
) -> None:
    """Ask over the shipped collection and these documents, and print what comes of it.

    Raises what Asking.ask and reading the documents raise. The documents stay among the
    account's own, where the page finds them too.
    """
    for path in documents:
        built.index.add_document(account_id, read_document(path.name, path.read_bytes()))
    async for event in built.asking.ask(account_id, question, scopes=("reference", "documents")):
        if isinstance(event, Passages) and event.left_out:
            say(f"{len(event.left_out)} passages did not fit and were left out.")
        if isinstance(event, Final):
            print(render(event.answer))
            say(NOTICE + (f"\n{MODEST}" if built.is_default_model else ""))


def render(answer: AskAnswer) -> str:
    """Return the answer as plain text: sentences with their passages' numbers, then sources."""
    if answer.refused:
        lines = [answer.text, answer.reason]
    else:
        lines = [" ".join(_sentence(answer.text, one) for one in answer.sentences)]
    lines += [f"Note: {remark}" for remark in answer.remarks]
    if answer.nearest and not any(one.supported for one in answer.sentences):
        lines.append("\nNearest places in the sources")
        for quote in answer.nearest:
            text = answer.passages[quote.passage - 1].text[quote.start : quote.end]
            lines.append(f"- {' '.join(text.split())} [{quote.passage}]")
    if answer.passages:
        lines.append("\nSources")
    for number, passage in enumerate(answer.passages, start=1):
        page = f", page {passage.page}" if passage.page else ""
        lines.append(f"[{number}] {passage.title}{page}: {' '.join(passage.text.split())}")
    return "\n".join(line for line in lines if line)


def _sentence(text: str, one: Sentence) -> str:
    numbers = sorted({*one.cited, *one.support.passages})
    marks = "".join(f"[{n}]" for n in numbers) if one.supported else " (no source found)"
    return f"{text[one.start : one.end]} {marks}".strip()
