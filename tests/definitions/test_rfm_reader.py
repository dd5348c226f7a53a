from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.rfm_reader import RfmProfiles, read_rfm
from crm_mailer.model.score import DEFAULT_PROFILE, RfmProfile
from crm_mailer.store.bundled import bundled

TABLE = "days: [90, 180, 360, 720]\n    orders: [5, 4, 3, 2]\n    usd: [1000, 500, 200, 100]"


def read(folder: Path, text: str) -> tuple[RfmProfiles | None, list[Problem]]:
    path = folder / "rfm.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    return read_rfm(path, problems, "campaigns/rfm.yaml"), problems


def test_the_shipped_profiles_are_right_and_the_default_table_is_in_use() -> None:
    problems: list[Problem] = []

    found = read_rfm(bundled("campaigns") / "rfm.yaml", problems)

    assert problems == []
    assert found is not None
    assert found.use == DEFAULT_PROFILE
    assert set(found.profiles) == {"default", "quintiles", "two-years"}


def test_a_shop_without_the_file_has_the_default_table(tmp_path: Path) -> None:
    problems: list[Problem] = []

    assert read_rfm(tmp_path / "rfm.yaml", problems) == RfmProfiles()
    assert problems == []


def test_every_part_of_a_profile_is_read(tmp_path: Path) -> None:
    found, problems = read(
        tmp_path,
        "use: own\nprofiles:\n  own:\n    days: [7, 14, 30, 60]\n    orders: [50, 20, 10, 5]\n"
        "    usd: [10.50, 5, 2, 0.01]\n    window: 52w\n    high: 3\n    note: groceries\n"
        "  shares:\n    quantiles: [10, 30, 60, 90]\n    high: above_mean\n",
    )

    assert problems == []
    assert found is not None
    assert found.use == RfmProfile(
        name="own",
        r_days=(7, 14, 30, 60),
        f_orders=(50, 20, 10, 5),
        m_usd_cents=(1050, 500, 200, 1),
        window_days=364,
        high=(3, 3, 3),
    )
    assert found.notes["own"] == "groceries"
    assert found.profiles["shares"].quantiles == (10, 30, 60, 90)
    assert found.profiles["shares"].is_high_by_mean


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("use: defalt\nprofiles:\n  default:\n    high: 4", "1:6", "no profile `defalt`"),
        ("profiles:\n  default:\n    days: [90, 180, 360]", "3:11", "at least 4"),
        ("profiles:\n  default:\n    days: [90, 180, 180, 720]", "3:21", "more than `180`"),
        ("profiles:\n  default:\n    days: [-1, 180, 360, 720]", "3:12", "at least 0"),
        ("profiles:\n  default:\n    orders: [5, 4, 4, 2]", "3:20", "less than `4`"),
        ("profiles:\n  default:\n    orders: [5, 4, 3, 0]", "3:23", "at least 1"),
        ("profiles:\n  default:\n    usd: [1000, 500, x, 100]", "3:22", "is a number"),
        ("profiles:\n  default:\n    usd: [1, 2, 3, 4]", "3:14", "less than `1`"),
        ("profiles:\n  default:\n    quantiles: [20, 40, 60, 100]", "3:29", "at most 99"),
        ("profiles:\n  default:\n    quantiles: [80, 60, 40, 20]", "3:21", "more than `80`"),
        (f"profiles:\n  default:\n    {TABLE}\n    quantiles: [20, 40, 60, 80]", "3:5",
         "`days` and `quantiles`"),
        ("profiles:\n  default:\n    window: 36h", "3:13", "whole days"),
        ("profiles:\n  default:\n    window: 2y", "3:13", "no duration"),
        ("profiles:\n  default:\n    high: 9", "3:11", "no mark to be high from"),
        ("profiles:\n  default:\n    hihg: 4", "3:5", "unknown key"),
        ("profiles:\n  Not Good:\n    high: 4", "1:1", "no profile `default`"),
        ("profiles:\n  default: {}\n  Not Good: {}", "3:3", "lower-case letters"),
        ("profiles: {}", "1:11", "at least 1"),
        ("use: default", "1:1", "`profiles` is missing"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    found, problems = read(tmp_path, text)

    assert found is None
    assert problems[0].place == f"campaigns/rfm.yaml:{place}"
    assert words in problems[0].message


def test_a_near_name_is_offered(tmp_path: Path) -> None:
    _, problems = read(tmp_path, "use: defalt\nprofiles:\n  default: {}\n")

    assert problems[0].help == "did you mean `default`?"
