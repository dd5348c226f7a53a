"""The whole loop once through servers that are not ours: Debian's Postfix and Dovecot."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme

from crm_mailer.home import make_home
from tests.flows.conftest import BROKEN, CARE, SmallShop, Start, answer, due, order, parsed
from tests.servers.imap_box import DOVECOT, HOST, DovecotBox, dovecot_box
from tests.servers.postfix import POSTFIX, PostOffice, post_office

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(
        POSTFIX is None or DOVECOT is None or os.getuid() != 0,
        reason="Postfix and Dovecot are not installed, or we are not root",
    ),
]

ANNA = "anna@example.com"
BORIS = "boris@example.com"
NOBODY = "nobody@example.com"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def dovecot() -> Iterator[DovecotBox]:
    with dovecot_box() as running:
        yield running


@pytest.fixture
def office(dovecot: DovecotBox, authority: trustme.CA, tmp_path: Path) -> Iterator[PostOffice]:
    """Files the shop's mail where Dovecot reads it, and customers' mail beside it."""
    certificate = tmp_path / "server.pem"
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    mailboxes = {
        CARE: "care",
        "b-*@bounce.lotus-shop.example": "care",
        ANNA: "anna",
        BORIS: "boris",
    }
    domains = ["lotus-shop.example", "bounce.lotus-shop.example", "example.com"]
    with post_office(dovecot.folder / "mail", mailboxes, domains, certificate) as running:
        yield running


@pytest.fixture
def shop(
    tmp_path: Path, dovecot: DovecotBox, office: PostOffice, authority: trustme.CA
) -> SmallShop:
    """A shop that trusts the office's certificate and sends by STARTTLS."""
    make_home(tmp_path / "shop")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    shop = SmallShop(tmp_path / "shop", office, dovecot)
    shop.more = {
        "CRM_MAILER_SMTP_TLS": "starttls",
        "CRM_MAILER_SMTP_CA_FILE": str(tmp_path / "ca.pem"),
    }
    return shop


def writes(office: PostOffice, mail: bytes, sender: str) -> None:
    """A customer sends a mail by the same office."""
    with smtplib.SMTP(HOST, office.port, timeout=20) as line:
        line.sendmail(sender, [CARE], mail)


def test_a_mail_its_answer_a_stop_and_a_bounce_go_through_postfix_and_dovecot(
    shop: SmallShop, office: PostOffice, start: Start
) -> None:
    people = (ANNA, BORIS, NOBODY)
    shop.has_own_clock = False
    shop.goes_live("payment-reminder", "shipped")
    shop.imports(*(due(f"A{number}", one) for number, one in enumerate(people)))
    daemon = start()
    daemon.waits_for(lambda: office.mails("anna") and office.mails("boris"))
    [to_anna], [to_boris] = delivered(office, "anna"), delivered(office, "boris")

    writes(office, answer(to_anna, BROKEN, sender=ANNA), ANNA)
    writes(office, answer(to_boris, "Please unsubscribe me.", sender=BORIS), BORIS)
    daemon.waits_for(lambda: shop.told("case", "list"))
    daemon.waits_for(lambda: shop.told("status")["figures"]["suppressions"] == 2)
    assert daemon.ends() == 0

    shop.imports(order("A2", NOBODY, shipped_at=to_anna["Date"].datetime.isoformat()))
    shop.works()
    shop.works()

    assert "A0" in to_anna["Subject"]
    assert "with ESMTPS" in to_anna["Received"]
    assert [(case["reason"], case["order_number"]) for case in shop.told("case", "list")] == [
        ("nad.damaged", "A0")
    ]
    assert "skipped hard_bounce" in {f"{state} {why}" for _step, state, why in shop.fates(NOBODY)}
    assert [one["status"] for one in shop.told("outbox", "show", "5")["bounces"]] == ["5.1.1"]
    assert [len(office.mails(name)) for name in ("anna", "boris")] == [1, 1]
    assert shop.run("outbox", "audit").exit_code == 0


def delivered(office: PostOffice, name: str) -> list[EmailMessage]:
    return [parsed(mail) for mail in office.mails(name)]
