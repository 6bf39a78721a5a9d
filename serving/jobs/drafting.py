"""Drafting a discharge summary: all sections at once over one shared prefix of notes."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from serving.client import EngineClient, Params
from serving.errors import BadInput, Conflict, NotFound, RoundsError, TooLong
from serving.figures import DRAFTS
from serving.jobs.draft_job import AT_REST, DraftJob, SectionState, Status
from serving.jobs.planning import NoteTokens, Plan, plan
from serving.jobs.provenance import Made, record_output
from serving.models.registry import Registry
from serving.notes import Admission, Note
from serving.store import Store
from serving.store.records import Reason, SectionText
from tasks.discharge import SECTIONS, DischargeExample, DischargeTask, Section

ALIAS = "discharge"
TASK = DischargeTask()
BY_ID = {section.id: section for section in SECTIONS}
# Of a draft from the store: its notes are counted when something is written again, so that it
# can be read and edited while the engine is away.
NOT_PLANNED = Plan((), (), 0)
_HINT_ROOM = 256  # tokens kept free for the wish that a redo may bring
_HINT_LIMIT = 500  # characters
_KEPT_AT_REST = 100  # finished drafts in memory; older ones come back from the store


def note_header(note: Note) -> str:
    """Return the line that stands over a note in the prompt."""
    when = note.charted_at[:16].replace("T", " ")
    return f"{note.category or 'Note'}, {when}" if when else note.category or "Note"


class Drafting:
    """Starts, stops, redoes and edits drafts; keeps those that are being written."""

    def __init__(self, client: EngineClient, registry: Registry, store: Store) -> None:
        """Write with what `registry` serves as `discharge`, save into `store`."""
        self._client = client
        self._registry = registry
        self._store = store
        self._jobs: dict[int, DraftJob] = {}

    # --- before writing ----------------------------------------------------------------

    async def measure(self, notes: Sequence[Note]) -> list[NoteTokens]:
        """Count each note's tokens, heading included, with the engine's tokenizer."""
        counts = await asyncio.gather(
            *(self._client.count(f"{note_header(n)}\n{n.text}") for n in notes)
        )
        return [NoteTokens(n, count) for n, count in zip(notes, counts, strict=True)]

    async def plan(self, admission: Admission, note_ids: Sequence[str] | None = None) -> Plan:
        """Choose what fits of the ticked notes (None: all).

        Raises BadInput when nothing is ticked or the notes are blank, TooLong when not even
        one note fits.
        """
        wanted = None if note_ids is None else set(note_ids)
        notes = [n for n in admission.notes if wanted is None or n.note_id in wanted]
        notes = [n for n in notes if n.text.strip()]
        if not notes:
            raise BadInput("There is no note with text to draft from. Tick at least one note.")
        chosen = plan(await self.measure(notes), await self._budget(admission))
        if not chosen.used:
            shortest = min(n.tokens for n in chosen.left_out)
            raise TooLong(
                f"No ticked note fits: the shortest has {shortest:,} tokens and the model reads "
                f"at most {chosen.budget:,} tokens of notes. Split the note or tick a shorter one."
            )
        return chosen

    async def _budget(self, admission: Admission) -> int:
        """Return the tokens left for notes beside instruction, hint and the longest answer."""
        context = await self._client.context_length()
        frames = [
            len(await self._client.prompt_for(TASK, _example(admission, (), section)))
            + section.max_tokens
            for section in SECTIONS
        ]
        return context - max(frames) - _HINT_ROOM

    # --- writing -----------------------------------------------------------------------

    async def start(
        self,
        account_id: int,
        admission: Admission,
        note_ids: Sequence[str] | None = None,
        sections: Sequence[str] | None = None,
    ) -> DraftJob:
        """Begin a draft and return at once; the sections are written in the background."""
        wanted = _check_sections(sections)
        chosen = await self.plan(admission, note_ids)
        save = self._store.admissions.save
        admission_id = await asyncio.to_thread(save, account_id, admission)
        used = [n.note.note_id for n in chosen.used]
        draft = await asyncio.to_thread(self._store.drafts.create, account_id, admission_id, used)
        job = DraftJob(
            id=draft.id,
            account_id=account_id,
            admission_id=admission_id,
            admission=admission,
            plan=chosen,
            note_ids=used,
            sections={section: SectionState() for section in wanted},
        )
        self._keep(job)
        DRAFTS.inc()
        self._write_all(job, wanted)
        return job

    async def job(self, account_id: int, draft_id: int) -> DraftJob:
        """Return a draft, live or rebuilt from the store (after a restart, say)."""
        job = self._jobs.get(draft_id)
        if job is None:
            job = self._keep(await self._rebuild(account_id, draft_id))
        if job.account_id != account_id:
            raise NotFound("There is no such draft.")
        return job

    async def stop(self, job: DraftJob, section: str | None = None) -> None:
        """Stop one section or all; what is written so far is kept. Returns when it is saved."""
        running = {
            name: task
            for name, task in job.tasks.items()
            if section in (None, name) and not task.done()
        }
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
        saving = [job.saving[name] for name in running if name in job.saving]
        await asyncio.gather(*saving, return_exceptions=True)
        for name in running:
            if job.sections[name].status not in AT_REST:  # cancelled before its first step
                job.sections[name].status = "stopped"
        job.touch()

    async def redo(self, job: DraftJob, section: str, hint: str = "") -> None:
        """Write one section anew, in the background; `hint` is a wish in the reader's words."""
        _check_sections([section])
        if len(hint) > _HINT_LIMIT:
            raise BadInput(f"A hint has at most {_HINT_LIMIT} characters.")
        async with job.turns[section]:  # a second redo stops the first, never writes beside it
            if job.plan is NOT_PLANNED:
                job.plan = await self.plan(job.admission, job.note_ids)
            await self.stop(job, section)
            job.sections[section] = SectionState()
            self._write_all(job, [section], hint)

    async def edit(self, job: DraftJob, section: str, text: str) -> int:
        """Save a person's wording of a section as a new version; return its number."""
        state = job.sections.get(section)
        if state is None or state.status not in AT_REST:
            raise Conflict("This section is still being written. Stop it first, then edit.")
        saved = job.saved.get(section)
        if saved is None or saved.text != text:
            await self._save_version(job, section, SectionText(text, state.output_id), "edited")
            state.edited = True
        state.text, state.error = text, ""
        job.touch()
        return job.version

    async def close(self) -> None:
        """Stop everything that is being written, keeping what there is."""
        await asyncio.gather(*(self.stop(job) for job in self._jobs.values()))

    # --- inside ------------------------------------------------------------------------

    def _keep(self, job: DraftJob) -> DraftJob:
        """Hold a draft in memory (the one that is there already, if any), and let old ones go."""
        settled = [one.id for one in self._jobs.values() if one.settled]
        for old in settled[:-_KEPT_AT_REST]:
            del self._jobs[old]
        return self._jobs.setdefault(job.id, job)

    def _write_all(self, job: DraftJob, sections: Sequence[str], hint: str = "") -> None:
        """Start the sections, the first one ahead of the others.

        Until its first token: the engine then has the notes in its prefix cache when the others
        come with the same ones.
        """
        primed = asyncio.Event()
        for place, name in enumerate(sections):
            writing = self._write(job, BY_ID[name], hint, primed, leads=place == 0)
            job.tasks[name] = asyncio.create_task(writing)
        job.touch()

    async def _write(
        self, job: DraftJob, section: Section, hint: str, primed: asyncio.Event, leads: bool
    ) -> None:
        state = job.sections[section.id]
        outcome: Status = "failed"
        made = Made(task=TASK.id, section=section.id, params=_params(section))

        def on_place(place: int) -> None:
            state.place = place or None
            state.status = "queued" if place else "writing"
            job.touch()

        with self._registry.use(ALIAS) as made.served:
            try:
                if not leads:
                    await primed.wait()
                example = _example(job.admission, [n.note for n in job.plan.used], section, hint)
                made.prompt = await self._client.prompt_for(TASK, example)
                async with aclosing(
                    self._client.stream(
                        made.served.model,
                        made.prompt,
                        made.params,
                        on_place=on_place,
                        result=made.result,
                    )
                ) as deltas:
                    async for delta in deltas:
                        primed.set()
                        state.text += delta
                        job.touch()
                state.text, outcome = TASK.parse(state.text, example), "done"
            except asyncio.CancelledError:
                outcome = "stopped"
            except RoundsError as error:
                state.error = str(error)
            except Exception:
                state.error = "Something went wrong while writing; please try redo."
                raise
            finally:
                primed.set()
                # A task of its own: a second stop must not cut off the saving of the first.
                saving = asyncio.create_task(self._finish(job, section, state, made, outcome))
                job.saving[section.id] = saving
                await asyncio.shield(saving)

    async def _finish(
        self, job: DraftJob, section: Section, state: SectionState, made: Made, outcome: Status
    ) -> None:
        """Store what was written, whole or part, and only then show the section as at rest."""
        try:
            if made.result.text:
                stopped = outcome != "done"
                state.output_id = await record_output(self._store, job.account_id, made, stopped)
                written = SectionText(state.text, state.output_id)
                reason: Reason = "stopped" if stopped else "generated"
                await self._save_version(job, section.id, written, reason)
            elif section.id in job.saved:  # a redo that wrote nothing takes nothing away
                state.text = job.saved[section.id].text
                state.output_id = job.saved[section.id].output_id
        except RoundsError as error:
            outcome, state.error = "failed", f"Written, but not saved: {error}"
        finally:
            state.status, state.place = outcome, None
            job.touch()

    async def _save_version(
        self, job: DraftJob, section: str, text: SectionText, reason: Reason
    ) -> None:
        """Add a version in which this section is new; other people's sections stay theirs.

        Raises what the store raises; `job` then stands as it was.
        """
        async with job.lock:
            for _ in range(3):
                sections = job.saved | {section: text}
                try:
                    job.version = await asyncio.to_thread(
                        self._store.drafts.add_version,
                        job.id,
                        job.account_id,
                        sections,
                        reason,
                        job.version,
                    )
                except Conflict:
                    newest = await asyncio.to_thread(
                        self._store.drafts.latest, job.account_id, job.id
                    )
                    job.version = newest.version if newest else 0
                    job.saved = dict(newest.sections) if newest else {}
                else:
                    job.saved = sections
                    return
        raise Conflict("This draft is being changed elsewhere; reload it and try again.")

    async def _rebuild(self, account_id: int, draft_id: int) -> DraftJob:
        draft = await asyncio.to_thread(self._store.drafts.get, account_id, draft_id)
        admission = await asyncio.to_thread(
            self._store.admissions.get, account_id, draft.admission_id
        )
        newest = await asyncio.to_thread(self._store.drafts.latest, account_id, draft_id)
        saved = dict(newest.sections) if newest else {}
        return DraftJob(
            id=draft.id,
            account_id=account_id,
            admission_id=draft.admission_id,
            admission=admission,
            plan=NOT_PLANNED,
            note_ids=draft.note_ids,
            sections={
                name: await asyncio.to_thread(self._as_saved, account_id, saved.get(name))
                for name in BY_ID
            },
            version=newest.version if newest else 0,
            saved=saved,
        )

    def _as_saved(self, account_id: int, saved: SectionText | None) -> SectionState:
        """Return how a section stood when it was saved: whole, stopped, or changed by a person."""
        if saved is None:
            return SectionState(status="stopped")
        state = SectionState("done", saved.text, output_id=saved.output_id)
        if saved.output_id is not None:
            output = self._store.outputs.get(saved.output_id, account_id)
            # What the model wrote differs from what was kept of it by at most an echoed heading.
            state.edited = not output.text.strip().endswith(saved.text.strip())
            if output.stopped and not state.edited:
                state.status = "stopped"
        return state


def _params(section: Section) -> Params:
    # Greedy, so that a draft can be reproduced; the penalty keeps a small model from looping.
    return Params(max_tokens=section.max_tokens, frequency_penalty=0.3, stop_loops=True)


def _example(
    admission: Admission, notes: Sequence[Note], section: Section, hint: str = ""
) -> DischargeExample:
    return DischargeExample(
        facts=", ".join(f"{k}: {v}" for k, v in admission.facts.items()),
        notes=tuple((note_header(n), n.text) for n in notes),
        section=section.id,
        hint=hint,
    )


def _check_sections(sections: Sequence[str] | None) -> list[str]:
    if sections is None:
        return list(BY_ID)
    unknown = [s for s in sections if s not in BY_ID]
    if unknown or not sections:
        raise BadInput(
            f"Unknown section {', '.join(unknown) or '(none given)'}; "
            f"the sections are {', '.join(BY_ID)}."
        )
    return list(dict.fromkeys(sections))
