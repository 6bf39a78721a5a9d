"""HTML of the Draft tab."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from serving.intake import AdmissionSummary, Intake
from serving.jobs.draft_job import SectionState
from serving.jobs.planning import NoteTokens, Plan
from serving.notes import Admission, Note
from serving.store.records import RecentDraft
from ui.marks import EMPTY, aside, day_time, joined, long_time, warnings

_MOST = 500  # admissions of one file in the list; more would freeze the page
SYNTHETIC = Markup('<span class="tagline">synthetic</span>')


def picks(rows: Iterable[tuple[str, str, Markup | str]], nothing: str) -> Markup:
    """Return a list of buttons from (id, title, one line of facts)."""
    items = [
        Markup(
            '<li><button type="button" data-id="{}"><b>{}</b><small>{}</small></button></li>'
        ).format(ident, title, facts)
        for ident, title, facts in rows
    ]
    if not items:
        return Markup('<p class="aside">{}</p>').format(nothing)
    return Markup('<ul class="picks">{}</ul>').format(joined(items))


def demo_picks(summaries: Iterable[AdmissionSummary]) -> Markup:
    """Return the demo admissions to choose from."""
    rows = ((s.hadm_id, s.title, Markup("{} {}").format(_span_of(s), SYNTHETIC)) for s in summaries)
    return picks(rows, "There are no demo admissions.")


def found(taken: Intake) -> Markup:
    """Return the admissions of an uploaded file to choose from."""
    rows = ((s.hadm_id, f"Admission {s.hadm_id}", _span_of(s)) for s in taken.summaries[:_MOST])
    count = len(taken.summaries)
    more = f"; the first {_MOST} are shown, split the file to reach the others"
    head = f"{count:,} admissions in this file{more if count > _MOST else ''}. Pick one:"
    return aside(head) + warnings(taken.warnings) + picks(rows, "")


def recent_picks(drafts: Iterable[RecentDraft]) -> Markup:
    """Return the drafts of late to open again."""
    rows = (
        (
            str(d.draft.id),
            d.title or f"Admission {d.hadm_id}",
            f"changed {long_time(d.changed_at.isoformat())} UTC, version {d.version}",
        )
        for d in drafts
    )
    return picks(rows, "No drafts yet. Those you make are listed here, also after a restart.")


def _span_of(s: AdmissionSummary) -> str:
    days = " to ".join(dict.fromkeys(day_time(t[:10]) for t in (s.first, s.last) if t))
    return ", ".join(part for part in (f"{s.notes} notes", f"{s.words:,} words", days) if part)


def chosen(admission: Admission) -> Markup:
    """Return who is being written about."""
    facts = " · ".join(
        f"{name.removesuffix('_at').replace('_', ' ')} {long_time(value)}"
        for name, value in admission.facts.items()
    )
    return Markup('<div class="chosen"><b>{}</b> {}<small>{}</small></div>').format(
        admission.title or f"Admission {admission.hadm_id}",
        SYNTHETIC if admission.synthetic else EMPTY,
        facts or f"{len(admission.notes)} notes",
    )


def note_list(notes: Sequence[Note], counts: Sequence[NoteTokens] = ()) -> Markup:
    """Return the notes with ticks (set by ui/static/notes.js), dates, categories and tokens.

    counts: the tokens of the notes, empty while the engine cannot count them.
    """
    tokens = {n.note.note_id: f"{n.tokens:,}" for n in counts}
    rows = joined(_note_row(note, tokens.get(note.note_id, "")) for note in notes)
    return Markup(
        '<div class="notes-head"><b>{} notes</b><span>click one to read it</span>'
        '<button type="button" data-all="yes">Tick all</button>'
        '<button type="button" data-all="no">None</button><i>tokens</i></div>'
        '<ul class="notes" aria-label="Notes of this admission">{}</ul>'
    ).format(len(notes), rows)


def _note_row(note: Note, tokens: str) -> Markup:
    when, what = day_time(note.charted_at) or "no date", note.category or "Note"
    return Markup(
        '<li class="note"><input type="checkbox" value="{}" aria-label="Use {}, {}">'
        '<button type="button" data-id="{}" title="Read this note">'
        '<span class="when">{}</span><span class="what">{}</span></button>'
        '<span class="tokens">{}</span></li>'
    ).format(note.note_id, what, when, note.note_id, when, what, tokens)


def reader(note: Note) -> Markup:
    """Return one note to read, every character of it as text."""
    return Markup(
        '<section class="reader" aria-label="Note"><header><b>{}</b> <span>{}</span></header>'
        '<pre tabindex="0">{}</pre></section>'
    ).format(note.category or "Note", long_time(note.charted_at) or "no date", note.text)


def plan_line(plan: Plan) -> Markup:
    """Return what the model will read, against what it can read."""
    share = min(100, round(100 * plan.tokens / max(plan.budget, 1)))
    return Markup(
        '<div class="plan{}"><meter min="0" max="100" value="{}" aria-label="Space used">'
        "</meter><span>{}</span></div>"
    ).format(" short" if plan.left_out else "", share, plan.explain())


_SAYS = {
    "waiting": "waiting for the notes to be read",
    "queued": "in line",
    "writing": "writing",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
}


def section_head(title: str, state: SectionState) -> Markup:
    """Return a section's title and where it stands."""
    says = _SAYS[state.status]
    if state.status == "queued" and state.place:
        says = f"number {state.place} in line"
    if state.edited and state.status in ("done", "stopped", "failed"):
        says = "edited"
    reason = Markup('<span class="reason">{}</span>').format(state.error) if state.error else EMPTY
    return Markup(
        '<div class="section-head"><h3>{}</h3>'
        '<span class="status {}" role="status">{}</span>{}</div>'
    ).format(title, "edited" if says == "edited" else state.status, says, reason)


def export_links(draft_id: int) -> Markup:
    """Return the downloads of a draft as it is saved."""
    kinds = (("docx", "Word"), ("md", "Markdown"), ("txt", "Text"))
    links = joined(
        Markup('<a href="/export/draft/{}.{}" download>{}</a>').format(draft_id, end, name)
        for end, name in kinds
    )
    return Markup('<nav class="exports" aria-label="Export"><span>Export</span>{}</nav>').format(
        links
    )
