from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, delivering, outbox
from crm_mailer.cli import delivering as cli
from crm_mailer.model.campaign import Stream
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.settings import FILE_NAME, read_settings
from crm_mailer.store import suppressions
from crm_mailer.store.tables import touches
from tests.cli.conftest import Run
from tests.conftest import StandingClock
from tests.delivering.letters import plan
from tests.servers.smtp_faults import (
    ACCEPT_DROP,
    HANG,
    PIPELINED,
    Fault,
    fault_server,
    reply,
)
from tests.servers.smtp_sink import smtp_sink

Plan = Callable[..., list[int]]


@pytest.fixture
def letters(app: App, clock: StandingClock) -> Plan:
    """Plans letters that an agent wrote: they need no template."""

    def write(number: int, **changes: object) -> list[int]:
        ids = plan(app.store, number, clock.now(), stream=Stream.TRANSACTIONAL, expires_after=None)
        with app.store.write() as connection:
            connection.execute(
                sa.update(touches)
                .where(touches.c.id.in_(ids))
                .values(
                    {"kind": "case_reply", "template": "", "detail": "We are sorry.", **changes}
                )
            )
        return ids

    return write


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Points the shop to a mail server on loopback."""

    def configure(port: int) -> None:
        monkeypatch.setenv("CRM_MAILER_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("CRM_MAILER_SMTP_PORT", str(port))
        monkeypatch.setenv("CRM_MAILER_SMTP_TLS", "none")

    return configure


def test_the_sandbox_says_so_and_writes_files(run: Run, app: App, letters: Plan) -> None:
    letters(2)

    result = run("send")

    assert result.exit_code == 0
    assert "SANDBOX" in result.stderr
    assert "written to the outbox folder  2" in result.stdout
    assert len(list(app.outbox_folder.glob("*.eml"))) == 2


def test_mails_that_are_thrown_away_are_not_called_written(
    run: Run, shop_home: Path, letters: Plan
) -> None:
    (shop_home / FILE_NAME).write_text(
        '[accounts.paper]\nkind = "folder"\nproviders = ["gmail"]\n'
        '[accounts.void]\nkind = "null"\nrank = 9\n',
        encoding="utf-8",
    )
    letters(3, provider="gmail")
    letters(2)
    both = run("send").stdout

    (shop_home / FILE_NAME).write_text('[accounts.void]\nkind = "null"\n', encoding="utf-8")
    letters(1)
    alone = run("send")

    assert "written to the outbox folder 3" in " ".join(both.split())
    assert "thrown away (kind = null) 2" in " ".join(both.split())
    assert "thrown away (kind = null) 1" in " ".join(alone.stdout.split())
    assert "mails are thrown away" in alone.stderr


def test_nothing_due_is_said(run: Run, app: App) -> None:
    assert "nothing is due" in run("send").stderr


def test_mails_leave_by_smtp_and_their_record_holds_the_answer(
    run: Run, letters: Plan, configured: Callable[[int], None]
) -> None:
    [number] = letters(1)
    with smtp_sink() as sink:
        configured(sink.port)
        sent = run("send", "--json")
        shown = run("outbox", "show", str(number))

    assert json.loads(sent.stdout)["data"]["outcomes"] == {"accepted": 1}
    assert sink.recipients == ["customer1@example.com"]
    assert "250 2.0.0 queued as 1" in " ".join(shown.stdout.split())
    assert b"We are sorry." in sink.letters[0].content
    assert "SANDBOX" not in sent.stderr


def test_the_exact_bytes_of_an_order_mail_can_be_seen(
    run: Run, letters: Plan, configured: Callable[[int], None]
) -> None:
    [number] = letters(1)
    with smtp_sink() as sink:
        configured(sink.port)
        run("send")

    shown = run("outbox", "show", str(number), "--source")

    assert shown.stdout_bytes.replace(b"\r\n", b"\n") == sink.letters[0].content.replace(
        b"\r\n", b"\n"
    )


def test_a_server_that_is_down_ends_in_one_clear_message(
    run: Run, app: App, letters: Plan, configured: Callable[[int], None]
) -> None:
    letters(3)
    with fault_server() as server:
        configured(server.port)

    result = run("send")

    assert result.exit_code == 69
    assert f"mail server 127.0.0.1:{server.port} cannot be reached" in str(result.exception)
    assert outbox.audit(app).states == {"planned": 3}


def test_after_a_wrong_password_the_server_is_left_alone_for_a_while(
    shop_home: Path, letters: Plan, clock: StandingClock
) -> None:
    letters(1)
    answers = iter([reply("535 5.7.8 wrong password")] * 2)
    with fault_server({"AUTH": lambda: next(answers, None)}, extensions=("AUTH PLAIN",)) as server:
        settings = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(server.port), "SMTP_TLS": "none",
                    "SMTP_USERNAME": "shop", "SMTP_PASSWORD": "x"}  # fmt: skip
        environment = {f"CRM_MAILER_{name}": value for name, value in settings.items()}
        daemon = App(shop_home, read_settings(shop_home, environment), clock)
        told = []
        for minutes in (0, 4, 2, 9, 2):
            clock.forward(minutes=minutes)
            report = delivering.send(daemon)
            fate = "fault" if report.lane_fault else "sent"
            told.append("rests" if report.resting else fate)
        daemon.close()

    assert told == ["fault", "rests", "fault", "rests", "sent"]
    assert server.verbs.count("AUTH") == 3


def test_a_server_that_worked_in_between_is_not_left_alone_longer_and_longer(
    shop_home: Path, letters: Plan, clock: StandingClock
) -> None:
    letters(9)
    with fault_server({"MAIL": lambda: next(answers, None)}) as server:
        settings = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(server.port), "SMTP_TLS": "none",
                    "SMTP_CONNECTIONS": "1"}  # fmt: skip
        environment = {f"CRM_MAILER_{name}": value for name, value in settings.items()}
        daemon = App(shop_home, read_settings(shop_home, environment), clock)
        rests = []
        for _round in range(3):
            answers = iter([None, *[reply("421 4.3.2 busy")] * 12])
            delivering.send(daemon)
            rest = delivering.resting(daemon)
            assert rest is not None
            rests.append((rest.until - clock.now()).total_seconds())
            clock.forward(minutes=20)
        woken = delivering.resting(daemon)
        daemon.close()

    assert (rests, woken) == ([10, 10, 10], None)


def test_a_pause_stops_sending_until_resume(run: Run, app: App, letters: Plan) -> None:
    letters(1)
    run("pause")
    paused = run("send")
    run("resume")
    run("send")

    assert "paused" in paused.stderr
    assert outbox.audit(app).states == {"accepted": 1}


def test_sending_writes_down_who_wants_no_mail(run: Run, app: App, letters: Plan) -> None:
    letters(1)
    run("send")  # here it begins
    with app.store.write() as connection:
        reason = SuppressionReason.UNSUBSCRIBED
        suppressions.add(connection, "amy@x.test", reason, source="reply", at=app.clock.now())
    run("send")
    [path] = app.journal_folder.glob("wishes-*.jsonl")
    assert "amy@x.test" in path.read_text()


def test_sigterm_lets_the_mail_in_flight_finish_and_gives_back_the_rest(
    app: App, letters: Plan
) -> None:
    letters(20)
    with fault_server({"RCPT": Fault(wait=0.2, say=b"250 2.1.5 ok\r\n")}) as server:
        sender = subprocess.Popen(
            [sys.executable, "-m", "crm_mailer", "--home", str(app.home), "send", "--json"],
            env={**os.environ, "CRM_MAILER_SMTP_HOST": "127.0.0.1", "CRM_MAILER_SMTP_TLS": "none",
                 "CRM_MAILER_SMTP_PORT": str(server.port), "CRM_MAILER_SMTP_CONNECTIONS": "2"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        while not server.box and sender.poll() is None:
            time.sleep(0.01)
        sender.terminate()
        told = json.loads(sender.communicate(timeout=30)[0])["data"]

    accepted = told["outcomes"]["accepted"]
    assert (sender.returncode, accepted, told["released"]) == (0, len(server.box), 20 - accepted)
    assert outbox.audit(app).states == {"accepted": accepted, "planned": 20 - accepted}


def test_a_stop_waits_for_a_silent_server_no_longer_than_half_a_minute(
    app: App, letters: Plan
) -> None:
    assert cli.DRAIN_SECONDS == 30
    letters(20)
    quickly = "from crm_mailer.cli import delivering, main; delivering.DRAIN_SECONDS = 0.5; main()"
    with fault_server({"DOT": HANG}) as server:
        sender = subprocess.Popen(
            [sys.executable, "-c", quickly, "--home", str(app.home), "send"],
            env={**os.environ, "CRM_MAILER_SMTP_HOST": "127.0.0.1", "CRM_MAILER_SMTP_TLS": "none",
                 "CRM_MAILER_SMTP_PORT": str(server.port), "CRM_MAILER_SMTP_CONNECTIONS": "2"},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        while server.verbs.count("DATA") < 2 and sender.poll() is None:
            time.sleep(0.01)
        time.sleep(0.1)
        sender.terminate()
        told = " ".join(sender.communicate(timeout=20)[1].split())

    assert (sender.returncode, "has not answered" in told) == (75, True)
    assert outbox.audit(app).states == {"claimed": 2, "planned": 18}


def test_a_resting_account_is_tried_by_hand_and_said_to_be(
    run: Run, app: App, letters: Plan, configured: Callable[[int], None]
) -> None:
    letters(40)
    with fault_server({"DOT": ACCEPT_DROP}, extensions=PIPELINED) as server:
        configured(server.port)
        first = run("send")
        doubtful = len(server.box)
        again = [run("send"), run("send")]
        told = json.loads(run("send", "--json").stdout)["data"]

    assert list(told["resting_accounts"]) == ["smtp"]
    assert told["resting_accounts"]["smtp"]["message"]
    assert told["held_back"] == []
    assert "rests until" not in first.stderr
    for one in again:
        said = " ".join(one.stderr.split())
        assert "account smtp rests until" in said
        assert "leaves our mails in doubt" in said
        assert "tried now, with one mail first" in said
    assert doubtful <= 7
    assert len(server.box) == doubtful + 3
    assert outbox.audit(app).states == {"in_doubt": doubtful + 3, "planned": 37 - doubtful}


def test_what_waits_for_an_account_to_warm_up_is_said(
    run: Run,
    app: App,
    letters: Plan,
    configured: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letters(60, stream="marketing")
    _be_quiet_at_another_hour(app)
    monkeypatch.setenv("CRM_MAILER_SMTP_WARM_SINCE", str(datetime.now(UTC).date()))
    with smtp_sink() as sink:
        configured(sink.port)
        shown = [run("send"), run("send"), run("status"), run("outbox", "watch", "--once")]
        told = json.loads(run("status", "--json").stdout)["data"]["held_back"]
        sent = json.loads(run("send", "--json").stdout)["data"]

    assert sent["held_back"] == told
    assert len(sink.letters) == 50
    words = "10 mails wait: account smtp is warming up, more from 00:00 UTC"
    said = [" ".join(f"{one.stdout} {one.stderr}".split()) for one in shown]
    assert [words in one for one in said] == [True] * 4
    assert "nothing is due" not in said[1]
    assert (told[0]["account"], told[0]["number"]) == ("smtp", 10)


@pytest.mark.parametrize("options", [["--lane", "transactional"], ["--account", "sandbox"]])
def test_what_stands_still_is_not_called_nothing(
    run: Run, letters: Plan, options: list[str]
) -> None:
    letters(1)
    run("pause", *options)

    said = " ".join(run("send").stderr.split())

    assert "nothing is due" not in said
    assert f"is paused; `crm-mailer resume {' '.join(options)}` goes on" in said


def _be_quiet_at_another_hour(app: App) -> None:
    """Marketing mail may leave now, at whatever hour the tests are run."""
    file = app.home / "campaigns" / "shop.yaml"
    far = (datetime.now(app.zone).hour + 12) % 24
    usual = "quiet_hours: {from: 21, until: 8}"
    text = file.read_text(encoding="utf-8")
    assert usual in text
    quiet = f"quiet_hours: {{from: {far}, until: {(far + 1) % 24}}}"
    file.write_text(text.replace(usual, quiet), encoding="utf-8")


def test_held_mails_go_only_when_released(run: Run, app: App, letters: Plan) -> None:
    letters(2, state="held")
    before = run("send")
    run("campaign", "release", "spring")
    run("send")

    assert "nothing is due" in before.stderr
    assert outbox.audit(app).states == {"accepted": 2}


def test_what_has_not_left_can_be_cancelled_after_a_question(
    run: Run, app: App, letters: Plan
) -> None:
    letters(2)
    no = run("outbox", "cancel", "spring", input="n\n")
    still = outbox.audit(app).states
    yes = run("outbox", "cancel", "spring", "--yes")

    assert (no.exit_code, still) == (1, {"planned": 2})
    assert "2 mails of spring ended" in yes.stderr
    assert outbox.audit(app).states == {"skipped": 2}


def test_deferred_mails_can_be_tried_again_at_once(
    run: Run, app: App, letters: Plan, configured: Callable[[int], None]
) -> None:
    letters(1)
    answers = iter([reply("451 4.3.0 busy"), None])
    with fault_server({"RCPT": lambda: next(answers)}) as server:
        configured(server.port)
        run("send")
        waiting = run("send")
        run("outbox", "retry")
        run("send")

    assert "nothing is due" in waiting.stderr
    assert outbox.audit(app).states == {"accepted": 1}


def test_the_list_can_be_narrowed_and_read_by_scripts(run: Run, letters: Plan) -> None:
    letters(3)
    letters(2, state="held")

    held = json.loads(run("outbox", "list", "--state", "held", "--json").stdout)["data"]
    newest = json.loads(run("outbox", "list", "--limit", "1", "--json").stdout)["data"]

    assert [line["state"] for line in held] == ["held", "held"]
    assert [line["id"] for line in newest] == [5]


def test_an_unknown_campaign_or_mail_is_named(run: Run, app: App, letters: Plan) -> None:
    letters(1)

    campaign, number = run("outbox", "cancel", "sprin", "--yes"), run("outbox", "show", "99")

    assert (campaign.exit_code, number.exit_code) == (2, 2)
    assert "spring" in campaign.exception.hint  # type: ignore[union-attr]
    assert "99" in str(number.exception)


def test_the_audit_finds_what_does_not_add_up(run: Run, app: App, letters: Plan) -> None:
    letters(2)
    sound = run("outbox", "audit")
    with app.store.write() as connection:
        connection.execute(sa.update(touches).where(touches.c.id == 1).values(state="accepted"))
    broken = run("outbox", "audit")

    assert (sound.exit_code, broken.exit_code) == (0, 1)
    assert "1: accepted, but no server is on record" in broken.stderr
