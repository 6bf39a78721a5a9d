"""Files as people bring them, through the page: the good ones, and those that are refused."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import ROOT
from tests.serving.intake.samples import noteevents_of_size

pytestmark = pytest.mark.browser
SAMPLES = ROOT / "docs" / "samples"
PLANTED = "Wilhelmina Zaphod"


def _upload(page: Page, name: str, data: bytes) -> None:
    page.get_by_role("tab", name="Upload").click()
    page.locator("#upload input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


@pytest.mark.parametrize("name", ["fhir-bundle-sample.json", "note.txt"])
def test_the_shipped_samples_bring_their_notes(page: Page, name: str) -> None:
    _upload(page, name, (SAMPLES / name).read_bytes())
    found = page.locator("#found button, ul.notes li")
    expect(found).not_to_have_count(0)
    if page.locator("ul.notes li").count() == 0:  # a bundle of several stays: pick one
        page.locator("#found button").first.click()
    expect(page.locator("ul.notes li")).not_to_have_count(0)
    expect(page.locator("#plan")).to_contain_text("tokens")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("notes.csv", b"ROW_ID,SUBJECT_ID,NOTE\n1,2,Wilhelmina Zaphod\n", "HADM_ID"),
        ("bundle.json", b'{"resourceType": "Bundle", "entry": [{"resource": 7}]}', "undle"),
        ("note.txt", "Wilhelmina Zaphod, fi\u00e8vre".encode("latin-1"), "UTF-8"),
        ("note.txt", b" \n\t\n", ""),
    ],
    ids=["missing columns", "malformed bundle", "not UTF-8", "blank"],
)
def test_what_cannot_be_read_is_refused_in_words(
    page: Page, name: str, data: bytes, words: str
) -> None:
    _upload(page, name, data)
    said = page.locator("#source-problem .problem")
    expect(said).to_be_visible()
    expect(said).to_contain_text(words)
    expect(said).not_to_contain_text(PLANTED)


def test_a_50_mb_table_is_picked_from(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "NOTEEVENTS.csv"
    file.write_bytes(noteevents_of_size(50))
    page.get_by_role("tab", name="Upload").click()
    page.locator("#upload input[type=file]").set_input_files(file)
    expect(page.locator("#found")).to_contain_text("admissions in this file", timeout=180_000)
    page.locator("#found button").first.click()
    expect(page.locator("ul.notes li")).not_to_have_count(0, timeout=60_000)
