"""HTML of the Tag tab: the text with its spans, and tables of what was found."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup, escape

from serving.jobs.tagging import TagResult
from tasks.base import Span
from ui.marks import EMPTY, joined, table

_COLOURS = 6  # classes l0 to l5 in rounds.css
_MOST = 1_000  # rows of a table on the page; the exports hold them all


def tagged(result: TagResult) -> Markup:
    """Return legend, text, relations and offsets of a result."""
    return joined(
        [
            _legend(result),
            _remarks(result),
            Markup('<pre class="tagged" tabindex="0" aria-label="Tagged text">{}</pre>').format(
                spans_in(result.text, result.spans)
            ),
            _relations(result),
            _offsets(result),
        ]
    )


def colours(spans: Sequence[Span]) -> dict[str, str]:
    """Return a CSS class for each label; the label's name always stands beside the colour."""
    return {
        label: f"l{place % _COLOURS}"
        for place, label in enumerate(sorted({span.label for span in spans}))
    }


def spans_in(text: str, spans: Sequence[Span]) -> Markup:
    """Return the text with its spans marked, also where they overlap.

    The text is cut wherever a span begins or ends; each piece is marked by all spans over it,
    and a span's label stands at its end.
    """
    colour = colours(spans)
    cuts = sorted({0, len(text), *(s.start for s in spans), *(s.end for s in spans)})
    place = {cut: number for number, cut in enumerate(cuts)}
    over: list[list[Span]] = [[] for _ in cuts]
    for span in sorted(spans, key=lambda s: s.end - s.start):
        for number in range(place[span.start], place[span.end]):
            over[number].append(span)
    pieces = []
    for (start, end), covering in zip(pairwise(cuts), over, strict=False):
        piece = escape(text[start:end])
        for span in covering:
            label = Markup("<sub>{}</sub>").format(span.label) if span.end == end else EMPTY
            piece = Markup('<mark class="{}" title="{}">{}{}</mark>').format(
                colour[span.label], span.label, piece, label
            )
        pieces.append(piece)
    return joined(pieces)


def _legend(result: TagResult) -> Markup:
    colour, counts = colours(result.spans), Counter(span.label for span in result.spans)
    if not counts:
        return Markup('<p class="aside">Nothing of this kind was found in the text.</p>')
    items = joined(
        Markup('<li><mark class="{}">{}</mark> {}</li>').format(colour[label], label, count)
        for label, count in sorted(counts.items())
    )
    return Markup('<ul class="legend" aria-label="Found">{}</ul>').format(items)


def _remarks(result: TagResult) -> Markup:
    said = []
    if n := result.dropped:
        subject = "1 name that the text does" if n == 1 else f"{n} names that the text does"
        said.append(f"{subject} not hold {'was' if n == 1 else 'were'} dropped.")
    if n := result.unread:
        part = "1 part" if n == 1 else f"{n} parts"
        said.append(f"{part} of the text could not be tagged: the answer was not of the form.")
    return joined(Markup('<div class="caution">{}</div>').format(line) for line in said)


def _relations(result: TagResult) -> Markup:
    if not result.relations:
        return EMPTY
    rows = [(r.head.text, r.type, r.tail.text) for r in result.relations[:_MOST]]
    shown = table(("From", "Relation", "To"), rows, "Relations")
    return Markup("<h4>Relations</h4>{}").format(shown)


def _offsets(result: TagResult) -> Markup:
    if not result.spans:
        return EMPTY
    rows = [(s.start, s.end, s.label, s.text) for s in result.spans[:_MOST]]
    shown = table(("Start", "End", "Label", "Text"), rows, "Offsets")
    return Markup("<details><summary>Offsets in characters, {} spans</summary>{}</details>").format(
        len(result.spans), shown
    )


def progress(done: int, total: int, place: int = 0) -> Markup:
    """Return how far the tagging is, in requests, and the place in line where it waits."""
    waits = f", number {place} in line" if place else ""
    return Markup(
        '<div class="progress" role="status"><progress max="{}" value="{}"></progress>'
        "<span>{} of {} parts{}</span></div>"
    ).format(total or 1, done, done, total or "?", waits)


def export_links(annotation_id: int) -> Markup:
    """Return the downloads of the tags."""
    return Markup(
        '<nav class="exports" aria-label="Export"><span>Export</span>'
        '<a href="/export/tags/{}.jsonl" download>JSONL</a>'
        '<a href="/export/tags/{}.conll" download>CoNLL / BIO</a></nav>'
    ).format(annotation_id, annotation_id)
