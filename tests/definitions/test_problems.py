from __future__ import annotations

import pytest

from crm_mailer.definitions.problems import (
    Problem,
    Severity,
    did_you_mean,
    raise_all,
    raise_errors,
)
from crm_mailer.model.errors import DefinitionError


def problem(**more: object) -> Problem:
    values = {
        "code": "CRM104", "message": "unknown key `audiance`", "file": "campaigns/a.yaml",
        "line": 3, "column": 1, "width": 8, "source": "audiance: x", **more,
    }  # fmt: skip
    return Problem(**values)  # type: ignore[arg-type]


def test_a_problem_reads_as_a_compiler_writes_it() -> None:
    text = problem(help="did you mean `audience`?").as_text()

    assert text.splitlines() == [
        "error[CRM104]: unknown key `audiance`",
        "  --> campaigns/a.yaml:3:1",
        "    3 | audiance: x",
        "      | ^^^^^^^^",
        "      = help: did you mean `audience`?",
    ]


def test_the_caret_stands_under_what_follows_chinese_words() -> None:
    text = problem(source="名字: 错", column=5, width=1).as_text()

    assert text.splitlines()[-1] == "      |       ^^"


def test_a_very_long_line_is_shown_around_the_fault() -> None:
    text = problem(source="x" * 9_000 + "here" + "y" * 9_000, column=9_001, width=4).as_text()

    lines = text.splitlines()
    assert len(lines[2]) < 200
    assert lines[2][lines[3].index("^") :].startswith("here")


def test_a_problem_of_a_whole_file_has_no_caret() -> None:
    assert problem(line=0).as_text().splitlines()[1:] == ["  --> campaigns/a.yaml"]


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("texbook5", "did you mean `textbook5`?"),
        ("Textbook5", "did you mean `textbook5`?"),
        ("zzz", "known: export4, textbook5"),
    ],
)
def test_the_nearest_name_is_offered(word: str, remedy: str) -> None:
    assert did_you_mean(word, ["textbook5", "export4"]) == remedy


def test_all_problems_are_raised_together_and_warnings_pass() -> None:
    warning = problem(severity=Severity.WARNING)

    raise_errors([warning])
    with pytest.raises(DefinitionError) as caught:
        raise_all([warning, problem()])

    assert len(caught.value.problems) == 2
