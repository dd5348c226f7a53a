"""db archive and privacy purge, as people call them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from crm_mailer.app import App
from tests.cli.conftest import Run
from tests.store import ledger

JUNE = datetime(2026, 6, 12, 9, 0, tzinfo=UTC)


def test_a_month_is_archived_listed_and_looked_up(run: Run, app: App) -> None:
    number = ledger.mail(app.store, "accepted", "accepted", at=JUNE)
    ledger.mail(app.store, "accepted", "accepted", at=JUNE + timedelta(days=60))
    assert "nothing is archived" in run("db", "archive").output
    done = run("db", "archive", "--before", "2026-07").output
    assert "archive/2026-06" in done
    assert "1 month is in the archive" in done
    assert "archive/2026-06" in run("db", "archive").output
    shown = run("outbox", "show", str(number)).output
    assert f"archived in archive/2026-06; `crm-mailer db archive --find {number}`" in shown
    found = json.loads(run("db", "archive", "--find", str(number)).stdout)
    assert found["data"]["messages"][0]["subject"] == f"Hello {number}"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--before", "last year"), "`last year` is no month such as 2025-01"),
        (("--before", "2099-01"), "mails of the last 3 months are still worked with"),
        (("--find", "7"), "mail 7 is not in the archive"),
    ],
    ids=["no month", "too young", "not there"],
)
def test_what_cannot_be_is_told(run: Run, app: App, arguments: tuple[str, str], told: str) -> None:
    assert app.store
    done = run("db", "archive", *arguments)
    assert done.exit_code == 2
    assert told in done.output + str(done.exception)


def test_a_purge_is_counted_done_and_shown(run: Run, app: App) -> None:
    assert app.store
    assert "rows that would go" in run("privacy", "purge", "--dry-run").output
    assert "last purge" not in run("status").output
    assert "rows that went" in run("privacy", "purge").output
    assert "purge of" in run("privacy", "inventory").output
    assert "last purge" in run("status").output
