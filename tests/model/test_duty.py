from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from crm_mailer.cli import group
from crm_mailer.model.duty import Duty, parse, spelled


def test_roles_are_read_as_people_write_them_and_spelled_in_one_sequence() -> None:
    assert parse(" Send, plan,send ") == {Duty.PLAN, Duty.SEND}
    assert spelled([Duty.WEB, Duty.PLAN]) == "plan,web"


@pytest.mark.parametrize(("text", "word"), [("", ""), (" , ", ""), ("plan,sned", "sned")])
def test_what_is_no_role_is_named(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=f"^{word}$"):
        parse(text)


def test_a_wrong_role_is_a_usage_error_that_names_the_right_ones(tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["--home", str(tmp_path), "run", "--roles", "plan,sned"])
    assert result.exit_code == 2
    assert "`sned` is no role; there are: plan,send,listen,web" in " ".join(result.output.split())
