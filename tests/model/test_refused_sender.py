"""Answers that are about our sender, in the words of many mail servers, and those that are not."""

from __future__ import annotations

import time

import pytest

from crm_mailer.model.refused_sender import is_meant
from crm_mailer.model.token import KeyRing, Purpose

TOKEN = KeyRing(keys={1: b"k" * 32}, current=1).make(Purpose.VERP, 7)
US, PLUS = f"b-{TOKEN}@bounces.shop.example", f"care+b-{TOKEN}@shop.example"

OF_SENDER = [
    f"<{US}>: Sender address rejected: User unknown in local recipient table",
    f"<{PLUS}>: Sender address rejected: unverified address: user unknown",
    "Sender address rejected: undeliverable address: host mx said: 550 User unknown",
    "<a@shop.example>: Sender address rejected: Domain not found",
    f"Verification failed for <{US}> No Such User Here Sender verify failed",
    "Callback setup failed while verifying <a@shop.example> Could not verify sender",
    "Could not complete sender verify callout",
    "Unable to verify sender",
    f"<{US}>: user unknown",
    f"{PLUS.upper()} unknown",
    f"<SRS0=x1=yz=bounces.shop.example=b-{TOKEN}@relay.example>: User unknown",
    "<a@shop.example>... Domain of sender address a@shop.example does not exist",
    "Sender domain shop.example does not resolve",
    "sender's domain has no MX",
    "sender domain must exist",
    "sender <a@shop.example> does not exist",
    "sender: <a@shop.example>: rejected",
    "<bounce@shop.example> sender rejected : blocked",
    "Unroutable sender address",
    "bad sender",
    "Unknown sender",
    "Access denied, bad outbound sender",
    "sorry, your envelope sender is in my badmailfrom list (#5.7.1)",
    "the return path does not exist",
    "From address rejected",
    "mail from address must be same as authorization user",
    "Mail from must equal authorized user",
    "MAIL FROM rejected",
    "发件人地址不存在",
    "Адрес отправителя отклонён",
]
OF_OTHERS = [
    "",
    "User unknown",
    "<anna@example.com>: Recipient address rejected: User unknown in local recipient table",
    "The email account that you tried to reach does not exist. Please try double-checking the "
    "recipient's email address for typos",
    "Returned to sender: user unknown",
    "return to sender, unknown user",
    "mail returned to the sender: unknown address",
    "sender is not allowed to send to this recipient",
    "message from b@shop.example: no such user anna@example.com",
    f"<anna@example.com>: user unknown; from=<{US}>",
    "invalid sender or recipient",
    "Recipient has blocked sender",
    "The user's mailbox blocks you: rejected sender",
    "you are a blocked sender",
    "user unknown (in reply to RCPT TO command)",
    "Mail from 203.0.113.9 blocked",
    "RESOLVER.RST.SenderNotAuthenticatedForGroup; not authorized",
    "mailbox full, the sender was told",
    "收件人地址不存在",
]


@pytest.mark.parametrize("said", OF_SENDER)
def test_words_about_the_sender(said: str) -> None:
    assert is_meant("", said)
    assert is_meant("5.1.1", said)


@pytest.mark.parametrize("said", OF_OTHERS)
def test_words_about_somebody_else(said: str) -> None:
    assert not is_meant("5.1.1", said)


@pytest.mark.parametrize("status", ["5.1.7", "5.1.8", "4.1.7", "4.1.8"])
def test_a_status_tells_alone(status: str) -> None:
    assert is_meant(status, "user unknown")


@pytest.mark.parametrize("part", ["sender ", "a@", "<a@b.c> ", "mail from ", "x", "a.", "b-"])
def test_no_answer_takes_long_to_read(part: str) -> None:
    begin = time.process_time()

    is_meant("", part * 20_000)

    assert time.process_time() - begin < 0.5
