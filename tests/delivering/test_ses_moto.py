from __future__ import annotations

from collections.abc import Iterator
from email import message_from_string
from email.policy import default

import pytest

from crm_mailer.delivering.ses import SesAccount, SesTransport
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from tests.delivering.letters import message, send

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
server = pytest.importorskip("moto.server", reason="moto is not installed")

KEYS = {"access_key": "testing", "secret_key": "testing", "region": "us-east-1"}


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """moto's imitation of SES, over real HTTP on a port of its own."""
    found = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    host, port = found.get_host_and_port()
    yield f"http://{host}:{port}"
    found.stop()


@pytest.fixture
def shop(amazon: str) -> str:
    """An account in which the shop's domain is verified, as Amazon's own client does it."""
    client = boto3.client(
        "sesv2", region_name="us-east-1", endpoint_url=amazon,
        aws_access_key_id="testing", aws_secret_access_key="testing",
    )  # fmt: skip
    client.create_email_identity(EmailIdentity="shop.example")
    client.close()
    return amazon


def mail(touch_id: int, sender: str = "care@shop.example") -> bytes:
    return (
        f"From: {sender}\r\nTo: anna@example.com\r\nSubject: Hello {touch_id}\r\n"
        f"Message-ID: <{touch_id}@shop.example>\r\nX-CRM-Send: token{touch_id}\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nGood day.\r\n"
    ).encode()


def hand_over(endpoint: str, *contents: bytes, connections: int = 1) -> list[Outcome]:
    account = SesAccount(endpoint=endpoint, connections=connections, **KEYS)  # type: ignore[arg-type]
    mails = [message(number, content=one) for number, one in enumerate(contents, 1)]
    return send(SesTransport(account), *mails)


def test_an_imitation_of_ses_takes_a_mail_as_it_is(shop: str) -> None:
    from moto.ses.models import ses_backends

    (found,) = hand_over(shop, mail(1))

    assert (found.kind, found.phase) == (OutcomeKind.ACCEPTED, Phase.DOT)
    (taken,) = [
        one
        for account in ses_backends.values()
        for one in account["us-east-1"].sent_messages
        if one.id == found.text
    ]
    parsed = message_from_string(taken.raw_data, policy=default)
    assert (parsed["Subject"], parsed["X-CRM-Send"]) == ("Hello 1", "token1")
    assert "anna@example.com" in taken.destinations


def test_an_imitation_of_ses_takes_many_at_once(shop: str) -> None:
    found = hand_over(shop, *(mail(number) for number in range(1, 31)), connections=5)
    assert {one.kind for one in found} == {OutcomeKind.ACCEPTED}
    assert len({one.text for one in found}) == 30


def test_a_sender_that_nobody_verified_is_our_own_fault(shop: str) -> None:
    (found,) = hand_over(shop, mail(1, "care@other.example"))
    assert (found.kind, found.blame) == (OutcomeKind.DEFERRED, Blame.US)
    assert found.text.startswith("MessageRejected")
