"""The server restarts under an open page: nothing typed is lost, and the next click works."""

import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import VIEW, App, watch
from tests.e2e.steps import choose_demo, open_tab, start_draft, wait_written

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_loses_nothing(
    make_app: Callable[[], App], browser: Browser, how: signal.Signals
) -> None:
    app = make_app()
    context = browser.new_context(viewport=VIEW)
    watched = watch(context)
    page = watched.page
    page.goto(app.link())
    choose_demo(page)
    draft = start_draft(page)
    wait_written(page)
    page.evaluate("window.stillTheSamePage = true")
    page.fill("#text-diagnoses textarea", "Typed by a clinician, not yet saved")
    open_tab(page, "Tag")
    page.fill("#tag-text textarea", "A text that was not sent yet")
    open_tab(page, "Draft")
    page.fill("#text-medications textarea", "Still typing this")

    app.stop(how)
    expect(page.locator(".away")).to_contain_text("Everything you typed is still here")
    page.click("#redo-follow_up")  # pressed while the server is away
    app.start()

    expect(page.locator(".away")).to_have_count(0)
    wait_written(page)
    expect(page.locator("#draft-problem")).to_have_text("")
    expect(page.locator("#section-follow_up .status").first).to_have_text("done", timeout=120_000)
    assert page.evaluate("window.stillTheSamePage"), "the page was reloaded"
    assert page.url.endswith(f"?draft={draft}")
    for section, text in (
        ("diagnoses", "Typed by a clinician, not yet saved"),
        ("medications", "Still typing this"),
    ):
        expect(page.locator(f"#text-{section} textarea")).to_have_value(text)
    open_tab(page, "Tag")
    expect(page.locator("#tag-text textarea")).to_have_value("A text that was not sent yet")

    page.reload()  # and what was typed is in the store
    expect(page.locator("#text-diagnoses textarea")).to_have_value(
        "Typed by a clinician, not yet saved", timeout=60_000
    )
    expect(page.locator("#text-medications textarea")).to_have_value("Still typing this")
    assert watched.outward() == []
    context.close()
