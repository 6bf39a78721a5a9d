"""The sections of a discharge summary: what each holds and how it is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One section: what is asked for it, in five wordings that mean the same.

    wordings: index 0, a plain question, is the one used live. max_tokens: the longest section
    worth waiting for.
    """

    id: str
    title: str
    wordings: tuple[str, str, str, str, str]
    max_tokens: int


SECTIONS: tuple[Section, ...] = (
    Section(
        "diagnoses",
        "Diagnoses",
        (
            "What diagnoses was the patient treated for during this stay? List them, the "
            "main one first.",
            "List the diagnoses of this stay, one per line, the main one first.",
            "Which conditions was the patient treated for? One diagnosis to a line, beginning "
            "with the principal one.",
            "Name the principal diagnosis and then the others that mattered in this stay, each "
            "on a line of its own.",
            "Give the discharge diagnoses as a list, most important first.",
        ),
        160,
    ),
    Section(
        "reason_for_admission",
        "Reason for admission",
        (
            "Why was this patient admitted to the hospital, and what were the findings on arrival?",
            "In two or three sentences, say why the patient came to hospital: complaint, how long "
            "it had lasted, and the findings on arrival.",
            "Tell briefly what brought the patient in and what was found on presentation.",
            "Why was this patient admitted? Give the presenting complaint, its course and the "
            "first findings in a short paragraph.",
            "Sum up the presentation in a few sentences: symptoms, onset, state on arrival.",
        ),
        160,
    ),
    Section(
        "history",
        "Relevant history",
        (
            "What is the patient's past medical history? Include earlier illnesses, home "
            "medicines and allergies.",
            "Sum up the patient's relevant history: earlier illnesses and operations, medicines "
            "taken at home, allergies, and social history where it matters.",
            "Give the background that bears on this stay: past conditions and surgery, home "
            "medicines, allergies, living situation.",
            "What should the next doctor know of the patient's past? Cover medical and surgical "
            "history, medicines before admission, allergies and habits.",
            "Write a short account of past medical history, home medication and allergies.",
        ),
        240,
    ),
    Section(
        "hospital_course",
        "Hospital course",
        (
            "Summarize what happened during the hospital stay, from arrival to discharge.",
            "Tell the course of the stay from arrival to discharge in order: problems, treatment, "
            "response, complications.",
            "Write what happened during the stay, problem by problem: what was found, what was "
            "done, how the patient responded.",
            "Narrate the stay in order of time, with treatments given, changes of plan and "
            "complications.",
            "Sum up the inpatient course for the doctor who takes over: events, treatment and "
            "how each problem stood at the end.",
        ),
        320,
    ),
    Section(
        "procedures_and_results",
        "Procedures and results",
        (
            "Which procedures and tests were done, and what did they show?",
            "List the procedures done, and the results that mattered of laboratory tests, imaging "
            "and cultures, with dates and figures as the notes give them.",
            "Which operations, procedures and investigations took place, and what did they show? "
            "One item to a line, with date and value.",
            "Set out procedures and key results, one per line, copying the figures exactly.",
            "Give the list of interventions and of the test results that shaped the care.",
        ),
        240,
    ),
    Section(
        "medications",
        "Medications at discharge",
        (
            "Which medicines does the patient take at discharge? List each on a line with "
            "its dose.",
            "List the medicines at discharge, one drug per line with dose, route and frequency; "
            "mark what is new, changed or stopped where the notes say so.",
            "Which medicines does the patient go home on? One per line: name, dose, route, how "
            "often, and whether it is new or changed.",
            "Write the discharge medication list, a line to each drug, doses exactly as noted, "
            "with stopped drugs at the end.",
            "Give each discharge medicine its own line, with strength, route and timing.",
        ),
        240,
    ),
    Section(
        "condition_at_discharge",
        "Condition at discharge",
        (
            "What was the patient's condition at discharge?",
            "In a few sentences, describe the patient's condition at discharge: vital signs, "
            "mental state, mobility, and where the patient is going.",
            "How was the patient on leaving? Cover vital signs, alertness, walking and the place "
            "of discharge.",
            "State the condition on the day of discharge and the destination, briefly.",
            "Give a short picture of the patient at discharge: stability, function, destination.",
        ),
        120,
    ),
    Section(
        "follow_up",
        "Follow-up and instructions",
        (
            "What follow-up does the patient need after discharge?",
            "List follow-up appointments, tests that are pending or to be repeated, instructions "
            "to the patient, and reasons to come back at once.",
            "What has to happen after discharge? Give appointments, outstanding results, advice "
            "to the patient and warning signs, one per line.",
            "Write the plan after discharge: who sees the patient and when, what is awaited, what "
            "the patient should do and look out for.",
            "Set out follow-up, open questions for the family doctor and advice to the patient.",
        ),
        240,
    ),
)
