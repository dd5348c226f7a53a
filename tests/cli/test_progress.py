from __future__ import annotations

import io
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from crm_mailer.app import App
from crm_mailer.cli import progress
from crm_mailer.delivering.report import Progress
from tests.cli.conftest import Run
from tests.planning import people

CARE = Path("campaigns") / "lifecycle" / "post-purchase-care.yaml"


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    told = io.StringIO()
    return Console(file=told, force_terminal=True, width=width, highlight=False), told


def plain(view: progress.View, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(progress.panel(view))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def round_at(accepted: int, **more: object) -> Progress:
    values: dict[str, object] = {"outcomes": Counter(accepted=accepted), "due": 1000, "rate": 50.0}
    return Progress(**{**values, **more})  # type: ignore[arg-type]


def test_a_panel_tells_how_far_how_fast_how_long_and_to_whom() -> None:
    now = round_at(
        400,
        outcomes=Counter(accepted=390, deferred=5, refused=3, unknown=2),
        skipped=Counter(cap=100),
        by_provider={"gmail": Counter(accepted=300, deferred=5), "mail.ru": Counter(accepted=90)},
    )

    text = plain(progress.of_progress(now))

    assert "500 of 1,000 · 50/s · 10 s left" in text
    assert "accepted 390  deferred 5  refused 3  in doubt 2  not sent 100" in text
    assert [line.split()[:3] for line in text.splitlines() if "gmail" in line] == [
        ["gmail", "300", "5"]
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3_840, "1 h 4 min"),
        (180_000, "2 d 2 h"),
    ],
)
def test_a_length_of_time_has_two_units(seconds: float, words: str) -> None:
    assert progress.spelled(seconds) == words


@pytest.mark.parametrize("width", [1, 10, 40, 300])
def test_odd_words_and_narrow_terminals_break_nothing(width: int) -> None:
    view = progress.View(
        outcomes={"accepted": 10**9},
        by_provider={"\x1b[2J\x07[red]\u202e": {"accepted": 1}, "é" * 200: {"unknown": 2}},
        rate=0.04,
        done=None,
        due=None,
    )

    text = plain(view, width)

    assert "\x1b" not in text
    assert "\u202e" not in text


def test_nothing_due_and_no_rate_are_told_plainly() -> None:
    empty = progress.of_progress(Progress())

    assert progress.line(empty) == "0 · 0.0/s"


def test_a_terminal_gets_one_panel_that_ends_with_the_last_figures() -> None:
    console, told = terminal()

    with progress.Panel(console) as panel:
        for number in range(1, 501):
            panel.show(progress.of_progress(round_at(number)))

    text = told.getvalue()
    assert "500 of 1,000" in text.rpartition("accepted")[0][-200:]
    assert text.count("of 1,000") < 20  # most views are passed over


def test_without_a_terminal_a_plain_line_comes_every_ten_seconds() -> None:
    told = io.StringIO()
    seconds = iter(range(60))

    with progress.Panel(Console(file=told, width=80), lambda: float(next(seconds))) as panel:
        for number in range(1, 26):
            panel.show(progress.of_progress(round_at(number)))

    assert told.getvalue().splitlines() == [
        "10 of 1,000 · accepted 10 · 50/s · 20 s left",
        "20 of 1,000 · accepted 20 · 50/s · 20 s left",
    ]


def test_plan_and_apply_say_until_when_a_campaign_can_be_called_off(
    run: Run, app: App, shop_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", "2026-11-02T12:00:00Z")
    monkeypatch.setenv("COLUMNS", "200")
    text = (shop_home / CARE).read_text(encoding="utf-8")
    text = text.replace("mode: draft", "mode: live\nhold: 2h")
    (shop_home / CARE).write_text(text, encoding="utf-8")
    anna = people.customer(app.store, "Anna", email="anna@example.com", country="GB")
    arrived = datetime.fromisoformat("2026-11-01T11:00:00Z") - timedelta(hours=2)
    people.order(app.store, anna, arrived=arrived)

    planned = run("plan", "post-purchase-care")
    applied = run("apply")
    shown = run("campaign", "show", "post-purchase-care")

    words = "undo window: until 2026-11-02 22:00 CST, `crm-mailer outbox cancel post-purchase-care`"
    assert words in planned.stdout
    assert words in applied.stderr
    assert "undo window  2h" in shown.stdout
