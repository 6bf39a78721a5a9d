"""HTML of our own making. Whatever comes from notes, models or people is escaped here.

The rule for the whole page: such text reaches the browser only through `Markup.format`, which
escapes it, or in a text box. Never through gr.Markdown, gr.Chatbot or an HTML template of
Gradio's (those are evaluated in the browser).
"""

from collections.abc import Iterable
from datetime import datetime

from markupsafe import Markup

EMPTY = Markup("")


def joined(parts: Iterable[Markup]) -> Markup:
    """Return the parts, one after the other."""
    return EMPTY.join(parts)


def problem(message: str) -> Markup:
    """Return what went wrong, as it stands near the action that failed."""
    return Markup('<div class="problem" role="alert">{}</div>').format(message)


def aside(message: str) -> Markup:
    """Return a quiet line of information."""
    return Markup('<div class="aside" role="status">{}</div>').format(message)


def empty(title: str, *steps: str) -> Markup:
    """Return what stands where nothing is yet: what this place is for and how to begin."""
    items = joined(Markup("<li>{}</li>").format(step) for step in steps)
    return Markup('<div class="empty"><h3>{}</h3><ol>{}</ol></div>').format(title, items)


def warnings(messages: Iterable[str]) -> Markup:
    """Return what was left out or changed on the way in."""
    return joined(Markup('<div class="caution">{}</div>').format(message) for message in messages)


def table(head: Iterable[str], rows: Iterable[Iterable[object]], label: str) -> Markup:
    """Return a plain table; cells are escaped unless they are Markup already."""
    top = joined(Markup("<th scope='col'>{}</th>").format(cell) for cell in head)
    body = joined(
        Markup("<tr>{}</tr>").format(joined(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    return Markup(
        '<div class="table-frame" tabindex="0" role="region" aria-label="{}">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(label, top, body)


def day_time(iso: str) -> str:
    """Return `14 Jan 10:29` of an ISO 8601 time, `14 Jan` of a date, else the text itself."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{when.day} {when:%b}" if len(iso) <= 10 else f"{when.day} {when:%b %H:%M}"


def long_time(iso: str) -> str:
    """Return `14 Jan 2025, 10:29`; what is no ISO 8601 time is returned as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    date = f"{when.day} {when:%b %Y}"
    return date if len(iso) <= 10 else f"{date}, {when:%H:%M}"
