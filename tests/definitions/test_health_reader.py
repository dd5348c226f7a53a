from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.model.health import DEFAULT_LIMITS, HealthFigure, HealthRules, Limit


def read(tmp_path: Path, section: str) -> tuple[HealthRules | None, list[Problem]]:
    path = tmp_path / "shop.yaml"
    path.write_text(f"name: A\nsender: a@shop.example\n{section}\n", encoding="utf-8")
    problems: list[Problem] = []
    shop = read_shop(path, problems)
    return (shop.health if shop else None), problems


def test_a_shop_that_says_nothing_has_the_usual_limits(tmp_path: Path) -> None:
    assert read(tmp_path, "") == (HealthRules(), [])


def test_one_limit_may_be_set_and_the_other_stays(tmp_path: Path) -> None:
    rules, problems = read(tmp_path, "health: {days: 30, too_few: 5, dispute_rate: {bad: 3.5}}")

    assert problems == []
    assert rules is not None
    assert (rules.days, rules.too_few) == (30, 5)
    assert rules.limits[HealthFigure.DISPUTE_RATE] == Limit(warn=1, bad=3.5)
    assert rules.limits[HealthFigure.FIRST_RESPONSE] == DEFAULT_LIMITS[HealthFigure.FIRST_RESPONSE]


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("health: {dispute_rat: {bad: 3}}", "dispute_rate"),
        ("health: {days: 0}", "at least 1"),
        ("health: {too_few: many}", "whole number"),
        ("health: {dispute_rate: {warn: 5, bad: 3}}", "(3) lies below its `warn` (5)"),
        ("health: {positive_reviews: {warn: 80}}", "(90) lies above its `warn` (80)"),
        ("health: {communication: {warn: 50, bad: 40}}", "higher than 5"),
        ("health: {dispute_rate: {warn: -1}}", "at least 0"),
        ("health: {dispute_rate: .nan}", "block"),
        ("health: {dispute_rate: {warn: .nan}}", ""),
        ("health: low", "block"),
    ],
)
def test_a_wrong_limit_is_told_at_its_place(tmp_path: Path, section: str, words: str) -> None:
    rules, problems = read(tmp_path, section)

    text = "\n".join(one.as_text() for one in problems)
    assert rules is None
    assert words in text
    assert all(one.line >= 3 for one in problems)
