from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from crm_mailer.cli import show
from crm_mailer.model.moment import zone


@pytest.fixture(autouse=True)
def fresh_consoles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("COLUMNS", "80")
    show.out.cache_clear()
    show.err.cache_clear()
    yield
    show.out.cache_clear()
    show.err.cache_clear()


def test_a_column_in_which_no_row_says_anything_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show.table(["no", "why", "to"], [(1, "", "anna"), (2, None, "boris")], right=(0,))

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [["no", "to"], ["1", "anna"], ["2", "boris"]]


def test_a_nought_is_something_said(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(["state", "mails"], [("planned", 0)])

    assert capsys.readouterr().out.split() == ["state", "mails", "planned", "0"]


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show.table(["no"], [], empty="nothing is planned")

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "nothing is planned\n")


def test_control_characters_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    show.line("Anna\x1b[2J\x07")

    assert "\x1b" not in capsys.readouterr().out


def test_a_column_of_times_names_its_zone_once() -> None:
    noon, moscow = datetime(2026, 11, 2, 12, tzinfo=UTC), zone("Europe/Moscow")

    assert show.when("at", moscow, noon) == "at (MSK)"
    assert show.short(noon, moscow) == "2026-11-02 15:00"
    assert show.short(None, moscow) == ""
