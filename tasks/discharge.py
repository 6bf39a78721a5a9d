"""The discharge summary, asked for section by section over the notes of one stay.

The notes come first and the section's question last, so that the sections of one admission
share a prefix and the engine reads the notes once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tasks.base import Message, Task, ask
from tasks.envelope import envelope
from tasks.sections import SECTIONS, Section

__all__ = ["NOT_DOCUMENTED", "SECTIONS", "DischargeExample", "DischargeTask", "Section"]

NOT_DOCUMENTED = "Not documented."
_BY_ID = {section.id: section for section in SECTIONS}
_OPEN = r"[\s#*_\"“]*+"
_CLOSE = r"[*_\"”]*+[^\S\n]*+(?::[*_\"”]*+|\n|\Z)\s*+"


@dataclass(frozen=True, slots=True)
class DischargeExample:
    """One section of one admission.

    facts: age, sex, dates and the like as text. notes: (header, text) in order of time.
    section: a Section's id. hint: a wish of the person who asks. target: the gold section.
    """

    facts: str
    notes: tuple[tuple[str, str], ...]
    section: str
    hint: str = ""
    target: str = ""


class DischargeTask(Task[DischargeExample, str]):
    """Writes one section; its wordings are frames around each section's own request.

    The one used live is the shortest: a small model loses itself in longer instructions
    (docs/results/discharge-wording.md).
    """

    id = "discharge"
    title = "Discharge summary"
    wordings = (
        "{request} Use only facts from the notes above.",
        "Write the section “{title}” of the discharge summary. {request} Use only what the notes "
        "say and add nothing. Keep numbers and doses as they are written. If the notes do not "
        f"tell, write: {NOT_DOCUMENTED}",
        "The discharge summary needs its section “{title}”. {request} Stay with the facts in the "
        f"notes, figures unchanged. Where they are silent, the answer is: {NOT_DOCUMENTED}",
        "{request} Nothing may be added that the notes do not hold; copy values exactly. Should "
        f"they hold nothing on this, write: {NOT_DOCUMENTED}",
        "Section “{title}”. {request} Rely on the notes alone and leave every value as it stands "
        f"there. With nothing to go on, write: {NOT_DOCUMENTED}",
    )
    max_tokens = max(section.max_tokens for section in SECTIONS)

    def render(self, example: DischargeExample, wording: int = 0) -> list[Message]:
        """Return one user turn: the notes in their envelope, then the section's question."""
        section = _section(example.section)
        request = self.wordings[wording].format(
            title=section.title, request=section.wordings[wording]
        )
        if example.hint.strip():
            request += f" Also mind this wish: {example.hint.strip()}"
        return [ask(request, _material(example), material_first=True)]

    def answer(self, example: DischargeExample) -> str:
        """Return the gold section."""
        return example.target

    def parse(self, text: str, example: DischargeExample) -> str:
        """Return the section without surrounding space and without an echo of its heading."""
        title = re.escape(_section(example.section).title)
        name = f"(?:the )?(?:{title}|discharge summary)(?: is| are)?"
        heading = re.compile(f"(?:{_OPEN}{name}{_CLOSE})+", re.IGNORECASE)
        echoed = heading.match(text)
        return text[echoed.end() if echoed else 0 :].strip()

    def score(self, predictions: Sequence[str], golds: Sequence[str]) -> dict[str, float]:
        """Return the mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L, without stemming."""
        from rouge_score.rouge_scorer import RougeScorer

        kinds = ["rouge1", "rouge2", "rougeL"]
        scorer = RougeScorer(kinds, use_stemmer=False)
        pairs = zip(golds, predictions, strict=True)
        scores = [scorer.score(gold, prediction) for gold, prediction in pairs]
        return {
            kind: fmean(one[kind].fmeasure for one in scores) if scores else 0.0 for kind in kinds
        }


def _section(section_id: str) -> Section:
    try:
        return _BY_ID[section_id]
    except KeyError:
        raise ValueError(f"the sections are {', '.join(_BY_ID)}") from None


def _material(example: DischargeExample) -> str:
    """Return the part of the prompt that all sections of an admission share."""
    parts = [("Admission", example.facts)] if example.facts.strip() else []
    return envelope(
        "NOTES",
        "Below are a hospital's notes of one patient's stay, in order of time.",
        [*parts, *example.notes],
    )
