"""The doctor: what it says of names in the DNS, of servers, of this machine."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from dns import message

from crm_mailer.app import App
from crm_mailer.app.doctor import Grade, examine, links, machine, names, resolver, servers
from crm_mailer.app.doctor.findings import Finding
from crm_mailer.app.doctor.names import Domains, is_aligned
from crm_mailer.app.doctor.resolver import NoAnswer
from crm_mailer.app.doctor.spf import Spf, Verdict
from crm_mailer.cli import group
from crm_mailer.settings import read_settings
from tests.servers.imap_box import PASSWORD, USER, pymap_box
from tests.servers.smtp_sink import smtp_sink

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
KEY = "M" * 392
SHOP = "shop.example"
RELAY = "203.0.113.7"

#: A shop for which all is well.
GOOD: dict[str, list[str]] = {
    f"TXT {SHOP}": ["google-site-verification=x", "v=spf1 include:_spf.relay.example -all"],
    "TXT _spf.relay.example": ["v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 ~all"],
    "TXT bounce.shop.example": ["v=spf1 include:_spf.relay.example -all"],
    f"TXT _dmarc.{SHOP}": [f"v=DMARC1; p=none; rua=mailto:dmarc@{SHOP}"],
    f"TXT crm1._domainkey.{SHOP}": [f"v=DKIM1; k=rsa; p={KEY}"],
    "MX bounce.shop.example": ["mx.shop.example"],
    "A mx.shop.example": ["203.0.113.9"],
    "A smtp.shop.example": [RELAY],
    f"PTR {RELAY}": ["smtp.shop.example"],
}
DOMAINS = Domains(
    senders=[SHOP],
    bounces="bounce.shop.example",
    relays=["smtp.shop.example"],
    signer=SHOP,
    keys=[("crm1", KEY)],
)


class Records:
    """A DNS of our own; a name with "?" does not answer."""

    def __init__(self, records: Mapping[str, Sequence[str]]) -> None:
        self._records = records

    def texts(self, name: str) -> Sequence[str]:
        return self._of("TXT", name)

    def mail_hosts(self, name: str) -> Sequence[str]:
        return self._of("MX", name)

    def addresses(self, name: str) -> Sequence[str]:
        return self._of("A", name)

    def names(self, address: str) -> Sequence[str]:
        return self._of("PTR", address)

    def _of(self, kind: str, name: str) -> Sequence[str]:
        found = self._records.get(f"{kind} {name}", [])
        if found == ["?"]:
            raise NoAnswer("The DNS operation timed out.")
        return found


def with_records(
    records: Mapping[str, list[str]], domains: Domains = DOMAINS
) -> dict[str, Finding]:
    return {one.what: one for one in names.look(domains, Records({**GOOD, **records}))}


def test_a_shop_with_everything_set_is_well() -> None:
    found = with_records({})
    assert {one.grade for one in found.values()} == {Grade.OK}
    assert list(found) == [
        f"spf {SHOP}", f"dmarc {SHOP}", f"alignment {SHOP}", "dkim crm1", "mx bounce.shop.example",
        "spf bounce.shop.example", "ptr smtp.shop.example",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("records", "what", "grade", "said"),
    [
        ({f"TXT {SHOP}": []}, f"spf {SHOP}", Grade.FAULT, "no SPF record"),
        ({f"TXT {SHOP}": ["v=spf1 -all", "v=spf1 ~all"]}, f"spf {SHOP}", Grade.FAULT, "2 records"),
        ({f"TXT {SHOP}": ["v=spf1 ip4:999.1.1.1 -all"]}, f"spf {SHOP}", Grade.FAULT, "address"),
        ({f"TXT {SHOP}": ["v=spf1 inklude:x -all"]}, f"spf {SHOP}", Grade.FAULT, "no part"),
        ({f"TXT {SHOP}": ["v=spf1 ip4:198.51.100.1 -all"]}, f"spf {SHOP}", Grade.WARNING, "list"),
        ({f"TXT {SHOP}": [f"v=spf1 include:{SHOP} -all"]}, f"spf {SHOP}", Grade.FAULT, "back"),
        ({f"TXT {SHOP}": ["?"]}, f"spf {SHOP}", Grade.WARNING, "did not answer"),
        ({f"TXT _dmarc.{SHOP}": []}, f"dmarc {SHOP}", Grade.FAULT, "no DMARC"),
        ({f"TXT _dmarc.{SHOP}": ["v=DMARC1; p=all"]}, f"dmarc {SHOP}", Grade.FAULT, "p=all"),
        ({f"TXT _dmarc.{SHOP}": ["v=DMARC1; p=reject"]}, f"dmarc {SHOP}", Grade.WARNING, "nobody"),
        ({f"TXT crm1._domainkey.{SHOP}": []}, "dkim crm1", Grade.FAULT, "no record"),
        ({f"TXT crm1._domainkey.{SHOP}": ["v=DKIM1; p="]}, "dkim crm1", Grade.FAULT, "revoked"),
        ({f"TXT crm1._domainkey.{SHOP}": ["p=" + "N" * 392]}, "dkim crm1", Grade.FAULT, "another"),
        ({f"TXT crm1._domainkey.{SHOP}": [f"t=y; p={KEY}"]}, "dkim crm1", Grade.WARNING, "testing"),
        ({"MX bounce.shop.example": []}, "mx bounce.shop.example", Grade.FAULT, "lost"),
        ({"A mx.shop.example": []}, "mx bounce.shop.example", Grade.FAULT, "address"),
        ({f"PTR {RELAY}": ["elsewhere.example"]}, "ptr smtp.shop.example", Grade.WARNING, "no"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_remedy(
    records: dict[str, list[str]], what: str, grade: Grade, said: str
) -> None:
    found = with_records(records)[what]
    assert (found.grade, said in found.said) == (grade, True), found
    assert found.remedy


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A name server that hears and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        yield server


def test_a_dead_name_server_is_told_once_and_asked_no_more(
    deaf: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "LIFETIME", 0.3)
    monkeypatch.setattr(resolver, "ALIVE_WITHIN", 0.2)
    dns = resolver.Dns(["127.0.0.1"], deaf.getsockname()[1])
    began = time.monotonic()

    [found] = names.look(DOMAINS, dns)

    assert time.monotonic() - began < 2.5
    assert (found.what, found.grade) == ("dns", Grade.WARNING)
    assert found.said == "the DNS did not answer: no name server answered in time"


def test_a_name_that_takes_too_long_does_not_end_the_rest(
    deaf: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer() -> None:
        with suppress(OSError):
            while True:
                raw, asker = deaf.recvfrom(4096)
                asked = message.from_wire(raw)
                if str(asked.question[0].name) == ".":
                    deaf.sendto(message.make_response(asked).to_wire(), asker)

    threading.Thread(target=answer, daemon=True).start()
    monkeypatch.setattr(resolver, "LIFETIME", 0.3)
    dns = resolver.Dns(["127.0.0.1"], deaf.getsockname()[1])

    with pytest.raises(NoAnswer) as raised:
        dns.texts("slow.example")
    assert not isinstance(raised.value, resolver.NoServer)


def test_a_provider_s_own_domain_is_left_to_the_provider() -> None:
    own = replace(
        DOMAINS, senders=["gmail.com"], foreign=["gmail.com"], bounces="", signer="", keys=()
    )
    [found] = names.look(own, Records({}))
    assert found.grade is Grade.SKIPPED


def test_without_alignment_two_green_records_are_not_enough() -> None:
    own = replace(DOMAINS, bounces="bounce.relay.example", signer="relay.example")
    found = with_records({}, own)[f"alignment {SHOP}"]
    assert found.grade is Grade.FAULT


@pytest.mark.parametrize(
    ("name", "domain", "is_one"),
    [
        ("shop.example", "shop.example", True),
        ("bounce.shop.example", "news.shop.example", True),
        ("shop.co.uk", "other.co.uk", False),
        ("mail.shop.co.uk", "news.shop.co.uk", True),
        ("relay.example", "shop.example", False),
        ("example", "shop.example", False),
    ],
)
def test_names_of_one_organisation(name: str, domain: str, is_one: bool) -> None:
    assert is_aligned(name, domain) is is_one


@pytest.mark.parametrize(
    ("record", "address", "verdict"),
    [
        ("v=spf1 ip4:203.0.113.0/24 -all", "203.0.113.200", Verdict.PASS),
        ("v=spf1 ip4:203.0.113.0/24 -all", "203.0.114.1", Verdict.FAIL),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", Verdict.PASS),
        ("v=spf1 a ?all", "192.0.2.10", Verdict.PASS),
        ("v=spf1 a/24 -all", "192.0.2.99", Verdict.PASS),
        ("v=spf1 mx -all", "192.0.2.20", Verdict.PASS),
        ("v=spf1 mx:other.example/28 -all", "192.0.2.31", Verdict.PASS),
        ("v=spf1 ?all", "192.0.2.1", Verdict.NEUTRAL),
        ("v=spf1", "192.0.2.1", Verdict.NEUTRAL),
        ("v=spf1 redirect=_r.example", "198.51.100.7", Verdict.PASS),
        ("v=spf1 exp=x.example include:_r.example -all", "198.51.100.8", Verdict.FAIL),
        ("v=spf1 include:nothing.example -all", "192.0.2.1", Verdict.ERROR),
        ("v=spf1 " + "a " * 11 + "-all", "203.0.113.1", Verdict.ERROR),
        ("v=SPF1 IP4:203.0.113.1 -ALL", "203.0.113.1", Verdict.PASS),
        ("spf2.0/pra all", "203.0.113.1", Verdict.NONE),
    ],
)
def test_an_spf_record_is_read_as_receivers_read_it(
    record: str, address: str, verdict: Verdict
) -> None:
    records = Records({
        "TXT own.example": [record], "TXT _r.example": ["v=spf1 ip4:198.51.100.7 -all"],
        "A own.example": ["192.0.2.10"], "MX own.example": ["mx.own.example"],
        "A mx.own.example": ["192.0.2.20"], "MX other.example": ["mx.other.example"],
        "A mx.other.example": ["192.0.2.17"],
    })  # fmt: skip
    assert Spf(records).verdict("own.example", address) is verdict


@pytest.fixture
def app(home: Path) -> Iterator[App]:
    found = App(home, read_settings(home, {}))
    yield found
    found.close()


def test_this_machine_is_looked_at_without_asking_anybody(app: App) -> None:
    found = {one.what: one.grade for one in examine(app, now=NOW, is_offline=True)}
    assert found["database"] is found["headers"] is found["files"] is found["secrets"] is Grade.OK
    assert {"python", "clock", "disk", "folder"} <= found.keys()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "make room"), (errno.EDQUOT, "make room"), (errno.EACCES, "give it to")],
)
def test_a_folder_that_cannot_be_written_has_the_remedy_for_it(
    app: App, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def fail(_folder: Path) -> float:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(machine, "_write_time", fail)
    [found] = [one for one in machine.disk(app) if one.what == "folder"]
    assert remedy in str(found.remedy)


def test_a_key_that_others_can_read_is_told(app: App) -> None:
    (app.home / "crm-mailer.key").chmod(0o644)
    [found] = machine.secrets(app)
    assert found.grade is Grade.WARNING
    assert "crm-mailer.key" in found.said


def test_a_clock_before_the_program_was_written_is_a_fault() -> None:
    [found] = machine.clock(datetime(2020, 1, 1, tzinfo=UTC))
    assert found.grade is Grade.FAULT


def test_a_mail_server_is_greeted_and_no_mail_is_sent(home: Path) -> None:
    with smtp_sink() as sink:
        settings = read_settings(home, {
            "CRM_MAILER_SMTP_HOST": "127.0.0.1", "CRM_MAILER_SMTP_PORT": str(sink.port),
            "CRM_MAILER_SMTP_TLS": "none",
        })  # fmt: skip
        [found] = servers.accounts(App(home, settings), NOW)
    assert f"127.0.0.1:{sink.port} lets us in" in found.said
    assert sink.letters == []


def test_a_dead_mail_server_is_a_fault(home: Path) -> None:
    settings = read_settings(home, {
        "CRM_MAILER_SMTP_HOST": "127.0.0.1", "CRM_MAILER_SMTP_PORT": "1",
        "CRM_MAILER_SMTP_TLS": "none",
    })  # fmt: skip
    [found] = servers.accounts(App(home, settings), NOW)
    assert (found.grade, "connect" in found.said) == (Grade.FAULT, True)


@pytest.mark.parametrize(("password", "grade"), [(PASSWORD, Grade.OK), ("wrong", Grade.FAULT)])
def test_a_mailbox_is_opened_and_nothing_read(home: Path, password: str, grade: Grade) -> None:
    with pymap_box() as box:
        settings = read_settings(home, {
            "CRM_MAILER_IMAP_HOST": "127.0.0.1", "CRM_MAILER_IMAP_PORT": str(box.port),
            "CRM_MAILER_IMAP_TLS": "none", "CRM_MAILER_IMAP_USERNAME": USER,
            "CRM_MAILER_IMAP_PASSWORD": password,
        })  # fmt: skip
        [found] = servers.inboxes(App(home, settings))
    assert found.grade is grade, found


@pytest.mark.parametrize(
    ("status", "moved", "grade"),
    [
        (200, "", Grade.OK),
        (404, "", Grade.OK),
        (301, "https://x/", Grade.FAULT),
        (502, "", Grade.WARNING),
    ],
)
def test_the_public_address_has_to_answer_a_post_itself(
    status: int, moved: str, grade: Grade
) -> None:
    assert links._judged("one-click", status, moved).grade is grade


def test_the_command_tells_scripts_and_ends_with_their_number(home: Path) -> None:
    (home / "campaigns" / "shop.yaml").write_text("name: [", encoding="utf-8")
    done = CliRunner().invoke(group, ["--home", str(home), "doctor", "--offline", "--json"])
    told = json.loads(done.stdout)["data"]
    assert (done.exit_code, told["faults"] > 0) == (1, True)
    assert {"what", "grade", "said", "remedy"} == set(told["findings"][0])
