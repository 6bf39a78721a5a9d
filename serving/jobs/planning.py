"""Which notes go into the prompt, so that nothing is cut in silence.

Every ticked note is either used whole or left out by name and reason; no note is ever cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.notes import Note

# What a discharge summary rests on first, when not everything fits. Categories are
# MIMIC-III's; unknown ones stand in the middle.
_WEIGHT = {
    "physician": 0,
    "consult": 1,
    "pharmacy": 1,
    "general": 2,
    "radiology": 3,
    "echo": 3,
    "ecg": 4,
    "case management": 4,
    "rehab services": 5,
    "social work": 5,
    "respiratory": 5,
    "nutrition": 6,
    "nursing": 7,
    "nursing/other": 8,
}
_MIDDLE = 3


@dataclass(frozen=True, slots=True)
class NoteTokens:
    """A note and its length in tokens of the engine's tokenizer, heading included."""

    note: Note
    tokens: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the prompt holds. budget: tokens that notes may take together."""

    used: tuple[NoteTokens, ...]
    left_out: tuple[NoteTokens, ...]
    budget: int

    @property
    def tokens(self) -> int:
        """Return the tokens of the notes used."""
        return sum(n.tokens for n in self.used)

    def explain(self) -> str:
        """Say in a sentence what was used and what was left out; no note text."""
        used = f"{len(self.used)} notes used whole ({self.tokens:,} of {self.budget:,} tokens)"
        if not self.left_out:
            return f"{used}; nothing left out."
        names = ", ".join(
            f"{n.note.category or 'note'} {n.note.charted_at[:16].replace('T', ' ')} "
            f"({n.tokens:,} tokens)"
            for n in self.left_out
        )
        return f"{used}. LEFT OUT because the model cannot read more at once: {names}."


def plan(notes: Sequence[NoteTokens], budget: int) -> Plan:
    """Choose the notes that fit into `budget` tokens.

    The most telling categories come first, and among equals the newest; a smaller note may
    still fit where a larger one did not. Used notes keep their given order.
    """
    chosen: set[int] = set()
    room = budget
    for index in sorted(range(len(notes)), key=lambda i: (_weight(notes[i].note), -i)):
        if notes[index].tokens <= room:
            chosen.add(index)
            room -= notes[index].tokens
    used = tuple(n for i, n in enumerate(notes) if i in chosen)
    left_out = tuple(n for i, n in enumerate(notes) if i not in chosen)
    return Plan(used, left_out, budget)


def _weight(note: Note) -> int:
    return _WEIGHT.get(note.category.strip().lower(), _MIDDLE)
