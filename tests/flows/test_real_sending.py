"""Rounds of sending through servers that are not ours: Postfix, and its sink with its faults."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import DeliverReport, Pace, SmtpTransport, deliver
from crm_mailer.delivering.account import Account, Auth, Tls
from crm_mailer.model.message import Message
from crm_mailer.model.touch import Touch
from crm_mailer.store import outbox, pauses, suppressions
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import deliveries, paces, touches
from tests.conftest import StandingClock
from tests.delivering.letters import QUICK, PlainRenderer, account, plan, states
from tests.servers.imap_box import DOVECOT, HOST, free_port
from tests.servers.postfix import POSTFIX, PostOffice, certificate_files, post_office

SINK = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin:/sbin")
pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        POSTFIX is None or DOVECOT is None or SINK is None or os.getuid() != 0,
        reason="Postfix and Dovecot are not installed, or we are not root",
    ),
]
SUBJECT = re.compile(rb"^Subject: Hello (\d+)\r?$", re.MULTILINE)


class Office:
    """A store, a clock and one account: rounds of sending."""

    def __init__(self, store: Store, clock: StandingClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.renderer = PlainRenderer()

    def sends(self, given: Account, *, seconds: float = 60) -> DeliverReport:
        """One round, which is stopped after so many seconds."""
        until = time.monotonic() + seconds
        report = deliver(
            self.store, self.renderer, SmtpTransport(given), clock=self.clock, owner="tester",
            journal_folder=self.folder / "flights", pace=Pace(),
            should_stop=lambda: time.monotonic() > until,
        )  # fmt: skip
        assert report.accounted == report.claimed
        with self.store.read() as connection:
            audit = outbox.audit(connection, self.clock.now())
        assert audit.is_sound, audit.troubles
        return report

    def tried(self) -> int:
        """How many touches were charged with an attempt."""
        query = sa.select(sa.func.count()).select_from(touches).where(touches.c.attempts > 0)
        with self.store.read() as connection:
            return connection.scalar(query) or 0


@pytest.fixture
def office(sqlite_store: Store, clock: StandingClock, tmp_path: Path) -> Office:
    return Office(sqlite_store, clock, tmp_path)


# ------------------------------------------------------------------ the sink and its switches


class Sink:
    """A running smtp-sink that files what it takes."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    @property
    def taken(self) -> Counter[int]:
        """How often it took the mail of each touch."""
        files = [path.read_bytes() for path in self.folder.iterdir()]
        return Counter(int(number) for raw in files for number in SUBJECT.findall(raw))


@contextmanager
def smtp_sink(*switches: str) -> Iterator[Sink]:
    assert SINK is not None
    folder = Path(tempfile.mkdtemp(prefix="crm-sink-", dir="/tmp"))
    folder.chmod(0o777)
    port = free_port()
    process = subprocess.Popen(
        [SINK, "-u", "nobody", "-d", f"{folder}/%s.", *switches, f"{HOST}:{port}", "50"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port, process)
        yield Sink(folder, port)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as line:
            if line.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("smtp-sink did not start")


ALL = {"accepted"}
#: Said before the final dot, or a clear no to it: sent never, tried again or left as it was.
WAITS = {"deferred", "planned"}
#: The switches of smtp-sink, and the states in which a dozen mails may be afterwards.
SWITCHES: list[tuple[tuple[str, ...], set[str]]] = [
    ((), ALL),
    (("-p",), ALL),
    (("-8",), ALL),
    (("-8", "-p"), ALL),
    (("-e",), ALL),
    (("-P",), ALL),
    (("-E",), ALL),
    (("-N", "-F", "-C", "-a"), ALL),
    (("-W", ".:1", "-p"), ALL),
    # with pipelining this sink lets the next answer overtake the one that it holds back
    (("-W", ".:1"), {"accepted", "deferred"}),
    (("-W", "DATA:1"), ALL),
    (("-q", "QUIT"), ALL),
    (("-Q", "QUIT"), ALL),
    (("-f", "QUIT RSET"), ALL),
    (("-q", "CONNECT"), {"planned"}),
    (("-q", "EHLO"), {"planned"}),
    (("-q", "MAIL"), WAITS),
    (("-q", "RCPT"), WAITS),
    (("-q", "DATA"), WAITS),
    (("-q", "."), {"in_doubt", "planned"}),
    (("-Q", "CONNECT"), {"planned"}),
    (("-Q", "EHLO"), {"planned"}),
    (("-Q", "MAIL"), WAITS),
    (("-Q", "RCPT"), WAITS),
    (("-Q", "DATA"), WAITS),
    (("-Q", "."), WAITS),
    (("-r", "CONNECT"), {"planned"}),
    (("-r", "MAIL"), WAITS),
    (("-r", "RCPT"), WAITS),
    (("-r", "DATA"), WAITS),
    (("-r", "."), WAITS),
    (("-f", "CONNECT"), {"planned"}),
    (("-f", "EHLO HELO"), {"planned"}),
    (("-f", "MAIL"), {"planned"}),
    (("-f", "RCPT"), {*WAITS, "refused"}),
    (("-f", "DATA"), {*WAITS, "refused"}),
    (("-f", "."), {*WAITS, "refused"}),
    (("-f", "RCPT", "-B", "550 5.1.1 nobody"), {"refused", "planned"}),
    (("-r", "RCPT", "-b", "452 4.2.2 full"), WAITS),
    (("-A", "0"), {*WAITS, "refused"}),
]


@pytest.mark.parametrize(
    ("switches", "allowed"),
    SWITCHES,
    ids=lambda one: " ".join(sorted(one) if isinstance(one, set) else one),
)
def test_each_switch_of_the_sink_has_its_outcome(
    office: Office, switches: Sequence[str], allowed: set[str]
) -> None:
    plan(office.store, 12, office.clock.now())
    with smtp_sink(*switches) as sink:
        office.sends(account(sink.port, connections=6), seconds=20)
        found, taken = states(office.store), sink.taken

    assert set(found) <= allowed
    assert max(taken.values(), default=1) == 1
    assert found.get("accepted", 0) <= len(taken)
    if allowed is ALL:
        assert set(taken) == set(range(1, 13))
    if allowed == {"planned"}:
        assert office.tried() == 0


# ------------------------------------------------------------------ Postfix, TLS and a login


class Town:
    """A post office with a certificate and logins, and accounts at it."""

    def __init__(self, folder: Path, mail: Path) -> None:
        self.mail = mail
        shutil.chown(self.mail, "mail", "mail")
        self.certificate, self.ca_file = certificate_files(folder)

    def office(
        self, settings: Mapping[str, str] | None = None
    ) -> AbstractContextManager[PostOffice]:
        return post_office(
            self.mail, {"customer*@example.com": "all"}, ["example.com"], self.certificate,
            logins={"shop": "s3cret"}, settings=settings,
        )  # fmt: skip

    def account(self, office: PostOffice, **changes: Any) -> Account:
        given: dict[str, Any] = {
            "tls": Tls.REQUIRED, "ca_file": str(self.ca_file), "username": "shop",
            "password": "s3cret", "deadlines": QUICK, **changes,
        }  # fmt: skip
        return account(office.port, **given)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    mail = Path(tempfile.mkdtemp(prefix="crm-mail-", dir="/tmp"))
    yield Town(tmp_path, mail)
    shutil.rmtree(mail)


def test_five_hundred_mails_arrive_once_each_by_tls_and_a_login(office: Office, town: Town) -> None:
    ids = plan(office.store, 500, office.clock.now())
    with town.office() as post:
        report = office.sends(town.account(post, connections=4))
        until = time.monotonic() + 60
        while time.monotonic() < until and len(post.mails("all")) < 500:
            time.sleep(0.2)
        filed = Counter(int(SUBJECT.findall(mail)[0]) for mail in post.mails("all"))
        log = post.log()

    assert report.outcomes == {"accepted": 500}
    assert filed == Counter(ids)
    assert log.count("sasl_username=shop") == 500
    with office.store.read() as connection:
        said = connection.scalars(sa.select(deliveries.c.text)).all()
    assert len(set(said)) == 500
    assert all("queued as" in text for text in said)


def test_a_wrong_password_charges_no_mail_and_is_not_tried_again_and_again(
    office: Office, town: Town
) -> None:
    plan(office.store, 20, office.clock.now())
    with town.office() as post:
        report = office.sends(town.account(post, password="wrong", auth=Auth.LOGIN))
        log = post.log()
    with town.office() as post:  # another one: Dovecot lets who was wrong wait
        mended = office.sends(town.account(post, auth=Auth.LOGIN))

    [fault] = report.faults.values()
    assert "refuses our login" in fault.message
    assert not report.outcomes
    assert 1 <= log.count("authentication failed") <= 2
    assert mended.outcomes == {"accepted": 20}
    assert office.tried() == 20


def test_an_unknown_mailbox_is_refused_for_good_and_the_rest_goes_through(
    office: Office, town: Town
) -> None:
    class Odd(PlainRenderer):
        """The second mail goes to nobody."""

        def _one(self, touch: Touch) -> Message:
            mail = super()._one(touch)
            return mail._replace(rcpt_to="nobody@example.com") if touch.id == 2 else mail

    office.renderer = Odd()
    plan(office.store, 5, office.clock.now())
    with town.office({"smtpd_reject_unlisted_recipient": "yes"}) as post:
        report = office.sends(town.account(post))

    with office.store.read() as connection:
        reason = connection.scalar(sa.select(touches.c.reason).where(touches.c.id == 2))
        dead = suppressions.find(connection, "nobody@example.com")
    assert report.outcomes == {"accepted": 4, "refused": 1}
    assert reason == "5.1.1"
    assert [one.reason.value for one in dead] == ["hard_bounce"]


def test_a_mail_that_is_too_big_stops_its_campaign_and_no_other(office: Office, town: Town) -> None:
    class Big(PlainRenderer):
        """The mails of the first campaign are too big."""

        def _one(self, touch: Touch) -> Message:
            mail = super()._one(touch)
            filler = b"x" * 70 + b"\r\n"
            is_big = touch.campaign == "big"
            return mail._replace(content=mail.content + filler * 500) if is_big else mail

    office.renderer = Big()
    plan(office.store, 3, office.clock.now(), campaign="big")
    plan(office.store, 3, office.clock.now(), campaign="small")
    with town.office({"message_size_limit": "20000"}) as post:
        report = office.sends(town.account(post))

    assert report.outcomes["accepted"] == 3
    assert 1 <= report.outcomes["refused"] <= 3
    with office.store.read() as connection:
        query = sa.select(touches.c.reason).where(touches.c.state == "refused")
        assert set(connection.scalars(query)) == {"5.3.4"}
        assert pauses.load(connection).campaigns == {"big"}


def test_a_server_that_limits_the_rate_slows_us_down_and_harms_no_mail(
    office: Office, town: Town
) -> None:
    plan(office.store, 30, office.clock.now())
    with town.office({"smtpd_client_message_rate_limit": "5"}) as post:
        report = office.sends(town.account(post, connections=1), seconds=2)

    found = states(office.store)
    assert found["accepted"] == 5
    assert set(found) == {"accepted", "deferred", "planned"}
    assert report.outcomes["deferred"] <= 5
    with office.store.read() as connection:
        slowed = connection.scalars(sa.select(paces.c.name).where(paces.c.factor < 1000)).all()
    assert slowed or report.faults
