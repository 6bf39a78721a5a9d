"""What a person does on the page, as a person would say it."""

from playwright.sync_api import Page, expect

STROKE = "Right MCA ischaemic stroke"
WRITTEN_MS = 180_000


def choose_demo(page: Page, title: str = STROKE) -> None:
    """Choose a demo admission and wait for its notes."""
    page.get_by_role("button", name=title).click()
    expect(page.locator("ul.notes li")).not_to_have_count(0)
    expect(page.locator("#plan")).to_contain_text("tokens")


def paste(page: Page, text: str) -> None:
    """Bring a text in by the Paste tab."""
    page.get_by_role("tab", name="Paste").click()
    page.fill("#paste textarea", text)
    page.click("#use-paste")
    expect(page.locator("ul.notes li")).not_to_have_count(0)


def start_draft(page: Page) -> str:
    """Press Draft and return the new draft's id, as the address shows it."""
    page.click("#start-draft")
    page.wait_for_url("**/?draft=*")
    return page.url.rsplit("=", 1)[1]


def wait_written(page: Page) -> None:
    """Wait until no section is being written any more."""
    expect(page.locator("#start-draft")).to_have_text("Draft", timeout=WRITTEN_MS)
    expect(page.locator("#stop-all")).to_be_disabled(timeout=WRITTEN_MS)


def status(page: Page, section: str):  # type: ignore[no-untyped-def]
    """Return the word that tells where a section stands."""
    return page.locator(f"#section-{section} .status").first


def open_tab(page: Page, name: str) -> None:
    """Open one of the five tabs."""
    page.locator("#tabs").get_by_role("tab", name=name, exact=True).first.click()
