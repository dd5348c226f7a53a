"""All pages of all parts: readable by everybody, and as data what their description says."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.studio.conftest import NARROW, WIDE, Studio, window

schemathesis: Any = pytest.importorskip("schemathesis")
axe: Any = pytest.importorskip("axe_playwright_python.sync_playwright")

#: Every part by the first word of its pages' names; `test_no_part_is_forgotten` keeps the list.
PARTS = (
    "today", "campaigns", "segments", "customers", "cases", "replies", "reports", "templates",
    "outbox", "found", "me", "users", "log",
)  # fmt: skip
#: What stands between braces in addresses, where a page is there to be looked at.
EXAMPLES = {
    "/campaigns/{id}/ask/{what}": {"id": "shipped", "what": "manual"},
    "/campaigns/{id}": {"id": "shipped", "step": "on-its-way"},
    "/segments/{name}": {"name": "lost"},
    "/reports/{name}": {"name": "complaints"},
    "/cases/state/{state}": {"state": "new"},
    "/cases/work/{name}": {"name": "late"},
    "/cases/{number}": {"number": "1"},
    "/replies/{number}": {"number": "1"},
    "/customers/{number}": {"number": "1"},
    "/outbox/{number}": {"number": "1"},
}
#: Pages are asked so often with made-up questions.
QUESTIONS = 4


def address_of(path: str) -> str:
    """An address at which the page is there; of an unknown kind one at which there is nothing."""
    known: dict[str, str] = next(
        (EXAMPLES[one] for one in sorted(EXAMPLES, key=len, reverse=True) if path.startswith(one)),
        {},
    )
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda found: known.get(found[1], "1"), path)


def pages_of(studio: Studio) -> dict[str, list[str]]:
    """The pages of each part, as the studio's own description has them."""
    found: dict[str, list[str]] = {}
    for path, what in studio.json("/openapi.json")["paths"].items():
        page = "/" if path == "/index.json" else path.removesuffix(".json")
        found.setdefault(what["get"]["tags"][0], []).append(page)
    return found


def test_no_part_is_forgotten(studio: Studio) -> None:
    assert set(pages_of(studio)) <= set(PARTS)


TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def faults(page: Any) -> list[str]:
    """What is hard to read or to reach for somebody, in the words of axe."""
    page.evaluate(TWO_FRAMES)  # the page has heard of its new size
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{page.url}: {one['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}"
        for one in found
        for node in one["nodes"][:3]
    ]


@pytest.mark.parametrize("part", PARTS)
def test_everybody_can_read_and_reach(studio: Studio, browser: Any, part: str) -> None:
    found: list[str] = []
    # colours that fade into one another are none that anybody reads by
    with window(browser, reduced_motion="reduce") as page:
        for path in pages_of(studio).get(part, []):
            answer = page.goto(studio.url + address_of(path))
            if answer.status == 200:
                page.set_viewport_size(WIDE)
                found += faults(page)
                page.emulate_media(color_scheme="dark")
                page.set_viewport_size(NARROW)
                found += faults(page)
                page.emulate_media(color_scheme="light")

    assert found == []


@pytest.mark.parametrize("part", PARTS)
def test_no_page_is_wider_than_a_phone(studio: Studio, browser: Any, part: str) -> None:
    wide = []
    with window(browser, viewport=NARROW) as page:
        for path in pages_of(studio).get(part, []):
            answer = page.goto(studio.url + address_of(path))
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if answer.status == 200 and over > 0:
                wide.append((path, over))

    assert wide == []


@pytest.mark.parametrize("part", PARTS)
def test_every_page_is_there_in_both_languages(studio: Studio, part: str) -> None:
    missing = [
        (path, tongue)
        for path in pages_of(studio).get(part, [])
        for tongue in ("en", "zh_CN")
        if studio.get(f"{address_of(path)}?ui={tongue}").status != 200
    ]

    assert missing == []


@pytest.mark.parametrize("part", PARTS)
def test_data_are_what_their_description_says(studio: Studio, part: str) -> None:
    checks = schemathesis.checks
    schema = schemathesis.openapi.from_dict(studio.json("/openapi.json"))
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.tags != [part]:
            continue

        @settings(
            max_examples=QUESTIONS, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(base_url=studio.url, timeout=30)
            case.validate_response(
                answer,
                checks=[
                    checks.not_a_server_error,
                    checks.status_code_conformance,
                    checks.content_type_conformance,
                    checks.response_schema_conformance,
                ],
            )

        ask()
