"""Intake: what people bring (pasted text, .txt, NOTEEVENTS tables, FHIR bundles) as admissions."""

from serving.intake.common import AdmissionSummary, Intake, is_discharge_summary
from serving.intake.paste import read_paste
from serving.intake.read import check_size, pick, read

__all__ = [
    "AdmissionSummary",
    "Intake",
    "check_size",
    "is_discharge_summary",
    "pick",
    "read",
    "read_paste",
]
