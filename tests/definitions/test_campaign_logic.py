"""What campaign files say of goals, exits, conditions, re-entry, tests and hold-outs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.campaign import Campaign, Exit, ExitRule
from crm_mailer.model.segment import AllOf, Compare, Not
from crm_mailer.model.shop import Shop

KNOWN = Known(
    shop=Shop(name="Lotus", postal_address="1 Lake Road", sender="hello@shop.example"),
    segments=("vip",),
    templates={"care/a": ("en",), "care/b": ("en",)},
)
HEAD = "id: care\nname: Care\nmode: live\nanchor: {order: arrived}\naudience: {r: 5}\n"
STEPS = "steps: [{id: one, template: care/a, after: 1d}]\n"


def read(tmp_path: Path, text: str) -> tuple[Campaign | None, list[Problem]]:
    path = tmp_path / "care.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    return read_campaign(path, KNOWN, problems, "care.yaml"), problems


def good(tmp_path: Path, text: str) -> Campaign:
    campaign, problems = read(tmp_path, text)
    assert campaign is not None, problems
    return campaign


@pytest.mark.parametrize(
    ("rule", "exits"),
    [
        ("converted", {Exit.BOUGHT}),
        ("unmatched", {Exit.AUDIENCE_LEFT}),
        ("either", {Exit.BOUGHT, Exit.AUDIENCE_LEFT}),
        ("never", set()),
    ],
    ids=["converted", "unmatched", "either", "never"],
)
def test_each_rule_of_exit_ends_what_it_names(tmp_path: Path, rule: str, exits: set[Exit]) -> None:
    found = good(tmp_path, f"{HEAD}goal: {{when: bought, within: 7d}}\nexit: {rule}\n{STEPS}")

    assert found.exits == exits
    assert found.exit_rule is ExitRule(rule)
    assert found.goal is not None
    assert found.goal.within == timedelta(days=7)


def test_a_goal_ends_the_campaign_where_nothing_else_is_said(tmp_path: Path) -> None:
    found = good(tmp_path, f"{HEAD}goal: {{when: replied}}\nstop_when: [case.open]\n{STEPS}")

    assert found.exits == {Exit.REPLIED, Exit.CASE_OPEN}


def test_conditions_of_steps_are_rules(tmp_path: Path) -> None:
    steps = """steps:
  - {id: one, template: care/a, after: 1d, if: {country: GB}, unless: {r: 1}}
  - {id: two, template: care/b, wait: 3d, unless: {r: 2}}
  - {id: three, template: care/b, wait: 2d}
"""
    one, two, three = good(tmp_path, HEAD + steps).steps

    british, cold = Compare("country", "is", "GB"), Not(Compare("r", "is", 1))
    assert (one.condition, two.condition) == (
        AllOf((british, cold)),
        Not(Compare("r", "is", 2)),
    )
    assert [step.offset.days for step in (one, two, three)] == [1, 4, 6]


@pytest.mark.parametrize(
    ("written", "expected"),
    [("always", timedelta(0)), ("never", None), ("30d", timedelta(days=30))],
    ids=["always", "never", "30d"],
)
def test_re_entry_is_always_never_or_after_a_while(
    tmp_path: Path, written: str, expected: timedelta | None
) -> None:
    assert good(tmp_path, f"{HEAD}reentry: {written}\n{STEPS}").reentry == expected


@pytest.mark.parametrize(
    ("lines", "code", "place"),
    [
        ("exit: converted\n", "CRM132", "6:7"),
        ("exit: convreted\n", "CRM107", "6:7"),
        ("goal: {when: segment.left}\n", "CRM127", "6:14"),
        ("goal: {when: order.arrived}\n", "CRM127", "6:14"),
        ("reentry: sometimes\n", "CRM110", "6:10"),
        ("hold_out: 51\n", "CRM107", "6:11"),
        ("hold_out: -1\n", "CRM107", "6:11"),
        ("warm_first: 3d\n", "CRM128", "6:13"),
        ("stream: transactional\nhold_out: 10\n", "CRM133", "7:11"),
    ],
    ids=lambda value: value.strip() if isinstance(value, str) else None,
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, lines: str, code: str, place: str
) -> None:
    _campaign, problems = read(tmp_path, HEAD + lines + STEPS)

    assert (code, f"care.yaml:{place}") in [(one.code, one.place) for one in problems]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("{id: one, template: care/a, after: 1d, wait: 1d}", "CRM134"),
        ("{id: one, template: care/a, wait: 1d}", "CRM134"),
        ("{id: one, template: care/a, after: 1d, if: {contry: GB}}", "CRM104"),
        ("{id: one, template: care/a, after: 1d, test: {arms: [{id: a}]}}", "CRM107"),
        ("{id: one, template: care/a, after: 1d, test: {arms: [{id: a}, {id: a}]}}", "CRM118"),
        (
            "{id: one, template: care/a, after: 1d, "
            "test: {arms: [{id: a}, {id: b, template: care/x}]}}",
            "CRM115",
        ),
        (
            "{id: one, template: care/a, after: 1d, "
            "test: {winner: opens, arms: [{id: a}, {id: b}]}}",
            "CRM107",
        ),
    ],
    ids=["both", "first waits", "unknown field", "one arm", "twins", "no template", "by opens"],
)
def test_a_wrong_step_is_refused(tmp_path: Path, step: str, code: str) -> None:
    campaign, problems = read(tmp_path, f"{HEAD}steps:\n  - {step}\n")

    assert campaign is None
    assert all(one.line for one in problems)
    assert code in {one.code for one in problems}


def test_an_edm_without_an_audience_is_a_warning(tmp_path: Path) -> None:
    text = "id: sale\nname: Sale\nmode: live\nanchor: {date: 2026-12-01}\n" + STEPS
    campaign, problems = read(tmp_path, text)

    assert campaign is not None
    assert [(one.code, one.is_error) for one in problems] == [("CRM135", False)]
