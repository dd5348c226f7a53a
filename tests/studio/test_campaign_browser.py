"""Campaigns in a real browser: pause and resume, walk a flow by keys, switch a mode."""

from __future__ import annotations

from typing import Any

import pytest

from tests.studio.campaign_files import EVERYTHING
from tests.studio.conftest import NARROW, Studio, window

#: The number of mails of a campaign's first step that were sent, as the drawing has it.
SENT = '.flow.wide [data-figure$=".sent"]'


@pytest.fixture(scope="module", autouse=True)
def everything(studio: Studio) -> None:
    path = studio.app.home / "campaigns" / "lifecycle" / "everything.yaml"
    path.write_text(EVERYTHING, encoding="utf-8")
    studio.app.reload()


def test_a_campaign_is_paused_and_resumed(studio: Studio, page: Any) -> None:
    page.goto(f"{studio.url}/campaigns")
    page.get_by_role("link", name="The parcel is on its way").click()
    page.locator("summary", has_text="Pause").click()
    page.get_by_label("Why, for those who look").fill("a wrong price")
    page.get_by_role("button", name="Pause shipped").click()
    page.get_by_role("status").get_by_text("shipped is paused").wait_for()
    assert page.get_by_text("a wrong price").is_visible()

    page.get_by_role("button", name="Resume").click()

    page.get_by_role("status").get_by_text("shipped goes on").wait_for()
    assert page.locator("summary", has_text="Pause").is_visible()


def test_a_flow_is_walked_by_keys(studio: Studio, page: Any) -> None:
    page.goto(f"{studio.url}/campaigns/everything")
    page.locator(".flow.wide a.node").first.focus()
    seen = [focused(page)]
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Home", "End", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(focused(page))
    assert [one.removeprefix("wide-step-") for one in seen] == [
        "hello", "second", "third", "third", "hello", "third", "second",
    ]  # fmt: skip

    page.keyboard.press("Enter")

    page.wait_for_url("**/campaigns/everything/steps/second")
    assert page.get_by_role("heading", name="Step 2 of 3: second").is_visible()


def focused(page: Any) -> str:
    found: str = page.evaluate("document.activeElement.id")
    return found


def test_a_mode_is_switched_by_typing_its_name(studio: Studio, page: Any) -> None:
    path = studio.app.home / "campaigns" / "lifecycle" / "everything.yaml"
    page.goto(f"{studio.url}/campaigns/everything")
    page.locator("summary", has_text="Change").click()
    page.get_by_role("link", name="Set live …").click()
    button = page.get_by_role("button", name="Set live")
    assert button.is_disabled()
    page.get_by_label("Type everything to go on").fill("everythin")
    assert button.is_disabled()
    page.get_by_label("Type everything to go on").fill("everything")

    button.click()

    page.get_by_role("status").get_by_text("everything is live now").wait_for()
    assert "mode: live                     # not yet\n" in path.read_text("utf-8")


def test_the_numbers_of_a_flow_live(studio: Studio, page: Any) -> None:
    page.goto(f"{studio.url}/campaigns/shipped")
    shown = page.locator(SENT)
    right = shown.text_content()
    shown.evaluate("one => { one.textContent = '?' }")
    page.wait_for_function(
        "([where, text]) => document.querySelector(where).textContent === text",
        arg=[SENT, right],
        timeout=15_000,
    )


@pytest.fixture(scope="module")
def axe() -> Any:
    found: Any = pytest.importorskip("axe_playwright_python.sync_playwright")
    return found.Axe()


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("", "light"),
        ("", "dark"),
        ("/calendar", "dark"),
        ("/everything", "light"),
        ("/everything", "dark"),
        ("/everything/results", "light"),
        ("/everything/plan", "light"),
        ("/everything/definition", "dark"),
        ("/everything/try", "light"),
        ("/everything/ask/draft", "light"),
    ],
)
def test_axe_finds_nothing(studio: Studio, browser: Any, axe: Any, path: str, scheme: str) -> None:
    # axe is a script: for it the policy is left aside
    with window(browser, color_scheme=scheme, bypass_csp=True) as page:
        page.goto(f"{studio.url}/campaigns{path}")
        page.wait_for_function("!document.querySelector('meta[name=is-counting]')")
        found = axe.run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:100]) for one in found] == []


@pytest.mark.parametrize("path", ["", "/shipped", "/everything", "/calendar", "/everything/try"])
def test_nothing_is_wider_than_a_telephone(studio: Studio, browser: Any, path: str) -> None:
    with window(browser, viewport=NARROW) as page:
        page.goto(f"{studio.url}/campaigns{path}")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= NARROW["width"]
        if path in ("/shipped", "/everything"):
            assert page.locator(".flow.narrow").is_visible()
            assert not page.locator(".flow.wide").is_visible()
