"""HTML of the Ask tab: questions, answers with their citations, and the passages behind them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from serving.jobs.ask_events import AskAnswer, Sentence
from serving.retrieval.collections import Entry, Passage
from ui.marks import EMPTY, joined

_CITATION = re.compile(r"\[(\d+)\]")


def question(text: str) -> Markup:
    """Return a question as asked."""
    return Markup('<div class="asked"><span>You asked</span><p>{}</p></div>').format(text)


def writing(text: str, place: int = 0) -> Markup:
    """Return an answer that is still being written."""
    says = f"number {place} in line" if place else "writing" if text else "looking for passages"
    return Markup(
        '<div class="answer live"><span class="status writing" role="status">{}</span>'
        "<p>{}</p></div>"
    ).format(says, text)


def broken_off(text: str) -> Markup:
    """Return what had been written of an answer when it was stopped or the engine went away."""
    return Markup(
        '<div class="answer live"><span class="status">broken off</span><p>{}</p></div>'
    ).format(text)


def answer(done: AskAnswer, turn: str) -> Markup:
    """Return a checked answer. turn: an id that no other turn of the page has."""
    body = _refusal(done) if done.refused else _answer(done, turn)
    remarks = joined(Markup("<li>{}</li>").format(r) for r in done.remarks)
    notes = Markup('<ul class="remarks">{}</ul>').format(remarks) if remarks else EMPTY
    return body + notes + _nearest(done, turn) + _passages(done, turn)


def _refusal(done: AskAnswer) -> Markup:
    return Markup(
        '<div class="answer refused" role="status"><b>The sources do not answer this.</b>'
        "<p>{}</p></div>"
    ).format(done.reason)


def _answer(done: AskAnswer, turn: str) -> Markup:
    parts, at = [], 0
    for sentence in done.sentences:
        parts.append(escape(done.text[at : sentence.start]))
        parts.append(_sentence(done, sentence, turn))
        at = sentence.end
    parts.append(escape(done.text[at:]))
    return Markup('<div class="answer"><p>{}</p></div>').format(joined(parts))


def _sentence(done: AskAnswer, sentence: Sentence, turn: str) -> Markup:
    """Return a sentence with its citations as links, or with the word that none was found."""
    text, numbers = done.text[sentence.start : sentence.end], len(done.passages)
    parts, at, cited = [], 0, set()
    for found in _CITATION.finditer(text):
        number = int(found[1])
        parts.append(escape(text[at : found.start()]))
        parts.append(_link(number, turn) if 1 <= number <= numbers else escape(found[0]))
        cited.add(number)
        at = found.end()
    parts.append(escape(text[at:]))
    if not sentence.supported:
        flag = Markup(' <span class="unsupported">no source found</span>')
        return Markup('<span class="sentence bare">{}{}</span>').format(joined(parts), flag)
    best = sentence.support.passages[0]
    more = EMPTY if best in cited else Markup(" {}").format(_link(best, turn))
    return Markup('<span class="sentence">{}{}</span>').format(joined(parts), more)


def _link(number: int, turn: str) -> Markup:
    ident = f"passage-{turn}-{number}"
    return Markup(
        '<a class="cite" href="#{}" data-cite="{}" title="Open passage {}">[{}]</a>'
    ).format(ident, ident, number, number)


def _nearest(done: AskAnswer, turn: str) -> Markup:
    """Return the sentences of the sources closest to the question, where no sentence is backed."""
    if not done.nearest or any(sentence.supported for sentence in done.sentences):
        return EMPTY
    items = joined(
        Markup("<li>“{}” {}</li>").format(
            done.passages[q.passage - 1].text[q.start : q.end], _link(q.passage, turn)
        )
        for q in done.nearest
    )
    return Markup(
        '<div class="nearest"><b>Nearest places in the sources</b><ul>{}</ul></div>'
    ).format(items)


def _passages(done: AskAnswer, turn: str) -> Markup:
    quotes: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for sentence in done.sentences:
        if quote := sentence.support.quote:
            quotes[quote.passage].append((quote.start, quote.end))
    if not quotes:
        for quote in done.nearest:
            quotes[quote.passage].append((quote.start, quote.end))
    items = joined(
        _passage(p, number, f"passage-{turn}-{number}", quotes[number])
        for number, p in enumerate(done.passages, 1)
    )
    return Markup('<div class="passages">{}</div>').format(items) if items else EMPTY


def _passage(
    passage: Passage, number: int, ident: str, quotes: Iterable[tuple[int, int]]
) -> Markup:
    names = (passage.title, passage.heading if passage.heading != passage.title else "")
    where = ", ".join(n for n in (*names, f"page {passage.page}" if passage.page else "") if n)
    return Markup(
        '<details class="passage" id="{}"><summary><b>[{}]</b> {}</summary>'
        '<pre class="source" tabindex="0">{}</pre></details>'
    ).format(ident, number, where, highlighted(passage.text, quotes))


def highlighted(text: str, quotes: Iterable[tuple[int, int]]) -> Markup:
    """Return a text with the quoted places marked; places may overlap."""
    parts, at = [], 0
    for begin, end in sorted(quotes):
        start = max(begin, at)
        if start < end:
            parts += [escape(text[at:start]), Markup("<mark>{}</mark>").format(text[start:end])]
            at = end
    return joined([*parts, escape(text[at:])])


def documents(entries: Sequence[Entry]) -> Markup:
    """Return the user's documents, each with a button to delete it."""
    if not entries:
        return Markup('<p class="aside">None yet. Files stay on this machine, for you alone.</p>')
    items = joined(
        Markup(
            '<li><span>{} <small>{} passages</small></span><button type="button" data-id="{}" '
            'aria-label="Delete {}">Delete</button></li>'
        ).format(e.title, e.passages, e.id, e.title)
        for e in entries
    )
    return Markup('<ul class="documents">{}</ul>').format(items)
