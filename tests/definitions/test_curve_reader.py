from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.curve_reader import read_curves
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.campaign import Curve
from crm_mailer.model.curve import Adaptive
from crm_mailer.model.score import ValueClass
from tests.planning.courses import DAY


def curves(tmp_path: Path, text: str) -> tuple[dict[str, Curve], list[Problem]]:
    path = tmp_path / "curves.yaml"
    path.write_text(text)
    problems: list[Problem] = []
    return read_curves(path, problems, "curves.yaml"), problems


def test_an_adaptive_curve_takes_the_usual_parameters(tmp_path: Path) -> None:
    found, problems = curves(tmp_path, "curves:\n  own: {adaptive: {}}\n")

    assert problems == []
    assert found["own"].adaptive == Adaptive()
    assert [offset / DAY for offset in found["own"].offsets[:4]] == [1, 3, 7, 15]


def test_every_parameter_can_be_set(tmp_path: Path) -> None:
    found, problems = curves(
        tmp_path,
        "curves:\n  own:\n    note: x\n    adaptive:\n      first_half_life: 36h\n"
        "      retention: 0.4\n      retention_by_value: {key_value: 0.7}\n      backoff: 1.5\n"
        "      decay: 1\n      shortest: 2d\n      longest: 8w\n      longest_half_life: 100d\n"
        "      misses: 2.5\n      touches: 5\n",
    )

    assert problems == []
    assert found["own"].adaptive == Adaptive(
        first_half_life=1.5,
        retention=0.4,
        retention_by_value={ValueClass.KEY_VALUE: 0.7},
        backoff=1.5,
        decay=1,
        shortest=2,
        longest=56,
        longest_half_life=100,
        misses=2.5,
        touches=5,
    )


@pytest.mark.parametrize(
    ("written", "share", "days"), [("shop", 1, 90), ("shop/4", 0.25, 22.5), ("shop / 3", 1 / 3, 30)]
)
def test_the_first_half_life_can_be_a_share_of_the_shops(
    tmp_path: Path, written: str, share: float, days: float
) -> None:
    text = f"curves:\n  own: {{adaptive: {{first_half_life: {written}}}}}\n"
    adaptive = curves(tmp_path, text)[0]["own"].adaptive

    assert adaptive is not None
    assert adaptive.share_of_shop == pytest.approx(share)
    assert adaptive.first_half_life == pytest.approx(days)


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ("first_half_life: -3d", "CRM181", "cannot be negative"),
        ("first_half_life: 3", "CRM110", "is no duration"),
        ("first_half_life: 0d", "CRM181", "is from 1h to 365d"),
        ("first_half_life: shop/0", "CRM181", "is no share"),
        ("first_half_life: [1d]", "CRM110", "is no duration"),
        ("retention: 1.5", "CRM181", "from 0.05 to 0.95, not 1.5"),
        ("retention: half", "CRM181", "is a number"),
        ("retention: nan", "CRM181", "not nan"),
        ("decay: inf", "CRM181", "not inf"),
        ("backoff: 0.5", "CRM181", "from 1 to 10"),
        ("longest: 3h", "CRM181", "from 1d to 730d"),
        ("misses: 0", "CRM181", "from 0.5 to 30"),
        ("touches: 2.5", "CRM106", "whole number"),
        ("backof: 2", "CRM104", "unknown key"),
        ("retention_by_value: {key_valu: .6}", "CRM107", "no class of value"),
        ("retention_by_value: {key_value: 2}", "CRM181", "not 2"),
        ("{shortest: 30d, longest: 10d}", "CRM181", "`shortest` is longer than `longest`"),
        ("{first_half_life: 300d}", "CRM181", "is longer than `longest_half_life`"),
    ],
)
def test_what_cannot_be_is_told_at_its_place(
    tmp_path: Path, parameters: str, code: str, message: str
) -> None:
    block = parameters if parameters.startswith("{") else f"{{{parameters}}}"

    found, problems = curves(tmp_path, f"curves:\n  own:\n    adaptive: {block}\n  ok: [1d]\n")

    assert "own" not in found
    assert [(one.code, one.line) for one in problems] == [(code, 3)]
    assert message in problems[0].message
    assert problems[0].column > 15


@pytest.mark.parametrize("block", ["{note: x}", "{at: [1d], adaptive: {}}"])
def test_a_curve_is_a_ladder_or_adaptive(tmp_path: Path, block: str) -> None:
    _, problems = curves(tmp_path, f"curves:\n  own: {block}\n")

    assert [one.code for one in problems] == ["CRM105"]


@pytest.mark.parametrize(
    "wrong",
    [
        "far: {at: [1d, 4000d]}",
        "far: {at: [1d], nte: x}",
        "far: {adaptive: {retention: 7}}",
        "far: 7",
    ],
)
def test_a_wrong_curve_does_not_take_the_others_away(tmp_path: Path, wrong: str) -> None:
    text = f"curves:\n  payment: [1h, 1d]\n  {wrong}\n  slow: {{adaptive: {{}}}}\n"
    found, problems = curves(tmp_path, text)

    assert set(found) == {"payment", "slow"}
    assert [one.line for one in problems] == [3]


def test_an_unknown_key_beside_the_curves_takes_none_away(tmp_path: Path) -> None:
    found, problems = curves(tmp_path, "curves:\n  payment: [1h, 1d]\nmore: 1\n")

    assert set(found) == {"payment"}
    assert [one.code for one in problems] == ["CRM104"]


@pytest.mark.parametrize("text", ["curves: 7\n", "- a\n", "", "curves: [a]\n"])
def test_a_file_without_curves_has_none(tmp_path: Path, text: str) -> None:
    found, problems = curves(tmp_path, text)

    assert found == {}
    assert len(problems) == 1
