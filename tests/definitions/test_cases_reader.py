from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.model.reply import Severity
from crm_mailer.model.shop import Shop
from crm_mailer.model.sla import DEFAULT_TARGETS, CaseRules
from crm_mailer.store.bundled import bundled

HEAD = "name: Lotus\nsender: a@b.com\n"


def read(tmp_path: Path, section: str) -> tuple[Shop | None, list[Problem]]:
    path = tmp_path / "shop.yaml"
    path.write_text(HEAD + section, encoding="utf-8")
    problems: list[Problem] = []
    return read_shop(path, problems), problems


def test_a_shop_that_says_nothing_has_the_defaults(tmp_path: Path) -> None:
    shop, problems = read(tmp_path, "")

    assert shop is not None
    assert (shop.cases, problems) == (CaseRules(), [])


def test_what_ships_says_the_defaults() -> None:
    shop = read_shop(bundled("campaigns") / "shop.yaml", [])

    assert shop is not None
    assert shop.cases == CaseRules()


def test_all_that_can_be_said_of_cases_is_read(tmp_path: Path) -> None:
    shop, problems = read(
        tmp_path,
        """cases:
  calendar:
    time_zone: Europe/Berlin
    from: "08:30"
    until: "00:00"
    weekdays: [mon, sat]
    holidays: DE
    days_off: [2026-12-24]
    days_on: [2026-12-26]
  targets:
    P1: {first_response: 30m, calendar: always}
  warn: [Lin, 王伟]
  warn_at: 50
  dispute_window: 3d
""",
    )

    assert problems == []
    assert shop is not None
    rules = shop.cases
    assert (rules.hours.opens, rules.hours.closes) == ((8, 30), (0, 0))
    assert (rules.hours.weekdays, rules.hours.holidays_of) == (frozenset({0, 5}), "DE")
    assert rules.hours.days_off == {date(2026, 12, 24)}
    assert rules.targets[Severity.P1].first_response == timedelta(minutes=30)
    assert rules.targets[Severity.P1].is_always
    assert rules.targets[Severity.P2] == DEFAULT_TARGETS[Severity.P2]
    assert (rules.warn, rules.warn_at, rules.dispute_window.days) == (("Lin", "王伟"), 50, 3)


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        ("calendar: {from: '10:00', until: '09:00'}", "CRM107", "is not after"),
        ("calendar: {until: '09:00'}", "CRM107", "is not after"),
        ("calendar: {from: '18:00'}", "CRM107", "is not after"),
        ("calendar: {from: '25:00'}", "CRM111", "25:00"),
        ("calendar: {weekdays: []}", "CRM107", "at least 1"),
        ("calendar: {weekdays: [mo]}", "CRM107", "`mo`"),
        ("calendar: {holidays: XX}", "CRM107", "`XX`"),
        ("calendar: {holidays: [CN]}", "CRM107", "not known"),
        ("calendar: {days_off: [2026-02-30]}", "CRM111", "a day that exists"),
        ("calendar: {days_off: [2026-02-03], days_on: [2026-02-03]}", "CRM107", "a day on"),
        ("calendar: {time_zone: Mars}", "CRM124", "Mars"),
        ("targets: {P4: {update: 1h}}", "CRM104", "`P4`"),
        ("targets: {P1: {first_answer: 1h}}", "CRM104", "first_answer"),
        ("targets: {P1: {update: soon}}", "CRM110", "soon"),
        ("targets: {P1: {update: 0h}}", "CRM107", "no time at all"),
        ("targets: {P1: {solution: 1h}}", "CRM107", "before the first answer"),
        ("warn_at: 100", "CRM107", "at most 99"),
        ("warn: Lin", "CRM106", "a list"),
        ("calender: {}", "CRM104", "calender"),
    ],
)
def test_what_cannot_be_meant_is_shown_at_its_place(
    tmp_path: Path, section: str, code: str, words: str
) -> None:
    shop, problems = read(tmp_path, f"cases:\n  {section}\n")

    assert shop is None
    assert {(one.code, one.line) for one in problems} == {(code, 4)}
    assert any(words in one.message for one in problems)
