"""Screenshots of every tab, light and dark, for people to judge (artifacts/screenshots/)."""

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import SCREENSHOTS, VIEW, App, watch
from tests.e2e.steps import choose_demo, open_tab, start_draft, wait_written

pytestmark = pytest.mark.browser
TAGGED = (
    "Aspirin and atorvastatin were continued. She has type 2 diabetes mellitus and chronic "
    "kidney disease; pneumonia was treated with amoxicillin."
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_tab_fits_the_screen(app: App, browser: Browser, cookies, scheme) -> None:  # type: ignore[no-untyped-def]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(viewport=VIEW, storage_state=cookies, color_scheme=scheme)
    watched = watch(context)
    page = watched.page

    def shoot(name: str) -> None:
        page.wait_for_timeout(400)
        page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= VIEW["width"], f"{name} is wider than the screen"

    page.goto(app.url)
    expect(page.locator("#start-draft")).to_be_visible()
    shoot("1-choose")
    choose_demo(page)
    page.locator("ul.notes li").nth(1).get_by_role("button").click()
    expect(page.locator("#reader pre")).to_be_visible()
    start_draft(page)
    expect(page.locator("#text-diagnoses textarea")).not_to_have_value("", timeout=120_000)
    shoot("2-writing")
    wait_written(page)
    page.locator("#rate-diagnoses button[data-score='2']").click()
    shoot("3-draft")
    assert page.locator("#start-draft").bounding_box()["y"] < VIEW["height"] - 20  # type: ignore[index]
    open_tab(page, "Tag")
    page.fill("#tag-text textarea", TAGGED)
    page.click("#tag")
    expect(page.locator("pre.tagged")).to_be_visible(timeout=120_000)
    shoot("4-tag")
    open_tab(page, "Ask")
    page.fill("#question textarea", "When should a patient with heart failure be weighed?")
    page.click("#ask")
    expect(page.locator("#turns .answer")).to_be_visible(timeout=180_000)
    page.locator("details.passage summary").first.click()
    shoot("5-ask")
    open_tab(page, "Ratings")
    expect(page.locator("#ratings-exports a").first).to_be_visible()
    shoot("6-ratings")
    open_tab(page, "Models")
    expect(page.locator("#models-table")).to_contain_text("checkpoint")
    shoot("7-models")
    assert watched.outward() == []
    assert watched.complaints == []
    context.close()
