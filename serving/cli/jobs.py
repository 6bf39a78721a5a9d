"""`rounds draft | tag | ask`: the page's three jobs in batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.cli.session import local_account, plain_errors, run, say
from serving.errors import BadInput

if TYPE_CHECKING:
    from serving.intake.jsonl import TagInput
    from serving.jobs.batch import BatchReport
    from serving.jobs.tagging import Tagging
    from serving.notes import Admission
    from serving.workbench import Workbench

jobs = typer.Typer()

Source = Annotated[Path, typer.Argument(help="JSON Lines file.", exists=True, dir_okay=False)]
Out = Annotated[
    Path,
    typer.Option("--out", help="Results; a run that was cut short goes on here.", dir_okay=False),
]
Admissions = Annotated[
    int, typer.Option(min=1, max=32, help="Admissions at once; one is eight requests.")
]
Requests = Annotated[int, typer.Option(min=1, max=256, help="Requests at the engine at once.")]


@jobs.command()
def draft(source: Source, out: Out, admissions_at_once: Admissions = 2) -> None:
    """Draft a discharge summary for each admission of a JSON Lines file.

    A line is {"hadm_id", "notes": [{"note_id", "category", "charted_at", "text"}]}.
    """
    from serving.intake.jsonl import read_admissions
    from serving.jobs.drafting import ALIAS
    from tasks.discharge import SECTIONS

    with plain_errors():
        warnings: list[str] = []
        items = {a.hadm_id: a for a in read_admissions(_lines(source), warnings)}
        _writable(out)
    for warning in warnings:
        say(warning)

    async def job(built: "Workbench") -> None:
        from serving.jobs.batch import run_batch

        account = local_account(built)
        made_by = {"task": ALIAS, "model": built.registry.served(ALIAS).model}

        async def one(admission: "Admission") -> dict[str, Any]:
            return await _draft_line(built, account, admission)

        with _progress("Drafting", len(items)) as on_done:
            report = await run_batch(
                items, "hadm_id", one, out, admissions_at_once, on_done, made_by
            )
        _tell(report, out)

    run(job, at_once=admissions_at_once * len(SECTIONS))


@jobs.command()
def tag(
    source: Source,
    out: Out,
    task: Annotated[str, typer.Option(help="ner-disease, re-ddi, …")] = "ner-disease",
    requests_at_once: Requests = 32,
) -> None:
    """Tag each text of a JSON Lines file.

    A line is {"id", "text"} or {"id", "tokens": [...]} (one sentence, already split).
    """
    from serving.intake.jsonl import read_tag_inputs
    from tasks.catalog import all_tasks

    with plain_errors():
        kinds = [name for name in all_tasks() if name.startswith(("ner-", "re-"))]
        if task not in kinds:
            raise BadInput(f"No task {task!r} tags text; choose one of {', '.join(kinds)}.")
        items = {line.id: line for line in read_tag_inputs(_lines(source))}
        _writable(out)

    async def job(built: "Workbench") -> None:
        from serving.jobs.batch import run_batch
        from serving.jobs.tagging import Tagging

        tagging = Tagging(built.client, built.registry, store=None)
        made_by = {"task": task, "model": built.registry.served(task).model}

        async def one(line: "TagInput") -> dict[str, Any]:
            return await _tag_line(tagging, task, line)

        with _progress("Tagging", len(items)) as on_done:
            report = await run_batch(items, "id", one, out, requests_at_once, on_done, made_by)
        _tell(report, out)

    run(job, at_once=requests_at_once)


@jobs.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotes.")],
    document: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also search this file (.txt, .md, .html, .pdf).", exists=True, dir_okay=False
        ),
    ] = None,
) -> None:
    """Answer a question from the shipped collection and your documents, with its sources."""

    async def job(built: "Workbench") -> None:
        from serving.cli.answer import print_answer

        await print_answer(built, local_account(built), question, document or [])

    run(job)


def _lines(source: Path) -> list[str]:
    """Return the lines of a text file; raise BadInput where it is not UTF-8 (see `decode`)."""
    from serving.intake.text import decode

    return decode(source.read_bytes()).split("\n")


def _writable(out: Path) -> None:
    """Raise OSError now, not after the engine has started, where results cannot be written."""
    out.touch(mode=0o600)
    with out.open("ab"):
        pass


async def _draft_line(built: "Workbench", account: int, admission: "Admission") -> dict[str, Any]:
    from serving.errors import EngineUnavailable, RoundsError
    from serving.jobs.drafting import ALIAS
    from serving.notice import NOTICE

    writing = await built.drafting.start(account, admission)
    async for _ in writing.watch():
        pass
    failed = {name: s.error for name, s in writing.sections.items() if s.status == "failed"}
    if failed:
        kind = EngineUnavailable if built.engine.state != "ready" else RoundsError
        raise kind("; ".join(f"{name}: {why}" for name, why in failed.items()))
    served = built.registry.served(ALIAS)
    return {
        "sections": {name: state.text for name, state in writing.sections.items()},
        "notes_used": [n.note.note_id for n in writing.plan.used],
        "notes_left_out": [n.note.note_id for n in writing.plan.left_out],
        "draft_id": writing.id,
        "model_digest": served.model_digest,
        "adapter_digest": served.adapter_digest,
        "template_hash": served.template_hash,
        "notice": NOTICE,
    }


async def _tag_line(tagging: "Tagging", task: str, line: "TagInput") -> dict[str, Any]:
    from tasks.bio import join_tokens, to_bio

    text, offsets = join_tokens(line.tokens) if line.tokens else (line.text, [])
    result = await tagging.tag(0, task, text, one_sentence=bool(line.tokens))
    found: dict[str, Any] = {"spans": [asdict(span) for span in result.spans]}
    if line.tokens:
        found["tags"] = list(to_bio(result.spans, offsets).tags)
    if result.relations:
        found["relations"] = [asdict(relation) for relation in result.relations]
    return found | {"dropped": result.dropped, "unread": result.unread}


@contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error; yield the function that moves it on."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda n: bar.advance(task, n)


def _tell(report: "BatchReport", out: Path) -> None:
    before = f", {report.skipped} were there already" if report.skipped else ""
    say(f"{report.written} written to {out}{before}.")
    for name, why in report.failed.items():
        say(f"  {name}: {why}")
    if report.failed:
        say(f"{len(report.failed)} failed; run the same command again to retry only these.")
        raise typer.Exit(1)
