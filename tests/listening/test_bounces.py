"""Reports of many mail systems and languages: who did not get the mail, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import bounces, kinds, letters
from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.reply import BounceKind, ReplyKind
from crm_mailer.model.token import Purpose
from crm_mailer.model.words import Words
from tests.conftest import NOON
from tests.listening.bounced import group, notice, status_report, text_report
from tests.listening.conftest import KEYS

A, B = "anna@example.com", "boris@example.org"
#: Where bounces of ours go, as `rendering` writes it.
US = f"b-{KEYS.make(Purpose.VERP, 1)}@bounces.shop.example"

#: What a receiving server says, the status of the report, and the reason.
ANSWERS = [
    ("550 5.1.1 The email account that you tried to reach does not exist.", "5.1.1", "userunknown"),
    ("552-5.2.2 The email account that you tried to reach is over quota", "5.2.2", "mailboxfull"),
    ("552 5.1.1 <a@b.example> Mailbox full", "5.1.1", "mailboxfull"),
    ("550-5.2.1 The email account that you tried to reach is disabled", "5.2.1", "suspended"),
    (
        "550-5.7.26 Unauthenticated email from shop.example is not accepted due to domain's DMARC "
        "policy, user unknown",
        "5.7.26",
        "authfailure",
    ),
    (
        "550-5.7.25 The IP address sending this message does not have a PTR record setup",
        "5.7.25",
        "requireptr",
    ),
    (
        "550-5.7.1 Our system has detected that this message is likely unsolicited mail.",
        "5.7.1",
        "spamdetected",
    ),
    ("550-5.7.1 [203.0.113.9] very low reputation of the sending domain", "5.7.1", "badreputation"),
    (
        "550 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org",
        "5.7.1",
        "blocked",
    ),
    (
        "550 5.7.1 Unfortunately, messages from [203.0.113.9] weren't sent. Part of their network "
        "is on our block list (S3150).",
        "5.7.1",
        "blocked",
    ),
    ("550 5.7.1 Access is not permitted", "5.7.1", "policyviolation"),
    ("550 5.7.1", "5.7.1", "policyviolation"),
    ("550 5.5.0 Requested action not taken: mailbox unavailable", "5.5.0", "filtered"),
    (
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "5.1.10",
        "userunknown",
    ),
    ("554 5.2.2 STOREDRV.Deliver; mailbox full", "5.2.2", "mailboxfull"),
    ("552 5.3.4 Message size exceeds fixed limit", "5.3.4", "mesgtoobig"),
    ("554 5.7.1 <a@b.example>: Relay access denied", "5.7.1", "norelaying"),
    ("501 5.1.8 Sender domain does not exist", "5.1.8", "badsender"),
    (
        "553 5.1.8 <care@shop.example>: Sender address rejected: Domain not found",
        "5.1.8",
        "badsender",
    ),
    (
        f"550 5.1.0 <{US}>: Sender address rejected: User unknown in local recipient table",
        "5.1.0",
        "badsender",
    ),
    (f"550 5.1.1 <{US}>: Sender address rejected: undeliverable address", "5.1.1", "badsender"),
    (f"550 5.1.1 <{US}>: User unknown", "5.1.1", "badsender"),
    (f"550-Verification failed for <{US}> 550 No Such User Here", "5.0.0", "badsender"),
    ("550 5.1.1 no such user 550 Sender verify failed", "5.1.1", "badsender"),
    ("550 5.2.2 Sender address rejected: mailbox full", "5.2.2", "badsender"),
    ("450 4.1.8 Sender address rejected: Domain not found", "4.1.8", "badsender"),
    (f"550 5.1.1 <a@b.example>: User unknown; from=<{US}>", "5.1.1", "userunknown"),
    ("421 4.7.0 Too many concurrent SMTP connections from this IP", "4.7.0", "toomanyconn"),
    ("450 4.7.1 Rate limit exceeded, slow down", "4.7.1", "speeding"),
    ("554 5.6.0 Message contains invalid header", "5.6.0", "contenterror"),
    ("554 5.7.1 Virus detected: Eicar", "5.7.1", "virusdetected"),
    ("556 5.1.10 Recipient address has null MX", "5.1.10", "notaccept"),
    ("551 5.1.6 Recipient has moved, please use other@example.com", "5.1.6", "hasmoved"),
    (
        "550 5.1.2 Host unknown (Name server: nowhere.example: host not found)",
        "5.1.2",
        "hostunknown",
    ),
    ("450 4.1.2 Host not found, try again", "4.1.2", "networkerror"),
    ("530 5.7.0 Must issue a STARTTLS command first", "5.7.0", "securityerror"),
    ("550 5.1.1 Пользователь не найден", "5.1.1", "userunknown"),
    ("552 5.2.2 Почтовый ящик переполнен", "5.2.2", "mailboxfull"),
    ("550 5.1.1 Empfänger unbekannt", "5.1.1", "userunknown"),
    ("552 5.2.2 Das Postfach ist voll", "5.2.2", "mailboxfull"),
    ("550 5.1.1 Destinataire inconnu", "5.1.1", "userunknown"),
    ("552 5.2.2 La boîte du destinataire est pleine", "5.2.2", "mailboxfull"),
    ("550 5.1.1 Usuario desconocido", "5.1.1", "userunknown"),
    ("552 5.2.2 El buzón está lleno", "5.2.2", "mailboxfull"),
    ("550 5.1.1 Usuário inexistente", "5.1.1", "userunknown"),
    ("550 5.1.1 用户不存在", "5.1.1", "userunknown"),
    ("552 5.2.2 邮箱已满", "5.2.2", "mailboxfull"),
    ("550 5.1.1 宛先が存在しません", "5.1.1", "userunknown"),
]


@pytest.mark.parametrize(("said", "status", "reason"), ANSWERS)
def test_the_words_of_a_server_tell_the_reason(
    words: Words, said: str, status: str, reason: str
) -> None:
    [told] = read(status_report(group(A, status, said)), words)

    assert (told.recipient, told.reason.value) == (A, reason)


#: Whole reports: the text, whom they name and why.
TEXTS = [
    (
        "Hi. This is the qmail-send program at mx.shop.example.\nI'm afraid I wasn't able to "
        f"deliver your message to the following addresses.\n\n<{A}>:\n192.0.2.1 does not like "
        "recipient.\nRemote host said: 550 5.1.1 no such user\nGiving up on 192.0.2.1.\n\n"
        "--- Below this line is a copy of the message.\n\n{returned}",
        {A: "userunknown"},
    ),
    (
        "Hi. This is the qmail-send program at mx.shop.example.\n\n"
        f"<{A}>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n<{B}>:\nUser is over the quota. "
        "You can try again later. (#5.2.2)\n\n--- Below this line is a copy of the message.\n\n"
        "{returned}",
        {A: "userunknown", B: "mailboxfull"},
    ),
    (
        "This message was created automatically by mail delivery software.\n\nA message that you "
        "sent could not be delivered to one or more of its\nrecipients. This is a permanent error. "
        f"The following address(es) failed:\n\n  {A}\n    host mx.example.com [192.0.2.1]\n"
        f"    SMTP error from remote mail server after RCPT TO:<{A}>:\n    550 No such user\n"
        f"  {B}\n    Unrouteable address\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n{returned}",
        {A: "userunknown", B: "userunknown"},
    ),
    (
        "This is the mail system at host mx.shop.example.\n\nI'm sorry to have to inform you that "
        f"your message could not\nbe delivered to one or more recipients.\n\n<{A}>: host "
        f"mx.example.com[192.0.2.1] said: 550 <{A}>: Recipient address rejected: User unknown in "
        "virtual mailbox table (in reply to RCPT TO command)\n\n"
        f"<{B}>: host mx.example.org[192.0.2.2] said: 550 User unknown (in reply to end of DATA\n"
        "    command)\n",
        {A: "userunknown", B: "filtered"},
    ),
    (
        "The original message was received at Mon, 2 Nov 2026 10:00:00 GMT\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{A}>\n"
        "    (reason: 550 5.1.1 User unknown)\n\n   ----- Transcript of session follows -----\n"
        f"... while talking to mx.example.com.:\n>>> RCPT To:<{A}>\n<<< 550 5.1.1 User unknown\n"
        f"550 5.1.1 <{A}>... User unknown\n",
        {A: "userunknown"},
    ),
    (
        "   ----- Transcript of session follows -----\nWhile talking to mx.example.com:\n"
        f">>> RCPT To:<{A}>\n<<< 550 No such user here\n550 <{A}>... User unknown\n"
        f"550 example.org (smtp)... 550 Host unknown\n554 <{B}>... 550 Host unknown\n\n"
        "   ----- Unsent message follows -----\n{returned}",
        {A: "userunknown", B: "hostunknown"},
    ),
    (
        f"This is the DragonFly Mail Agent v0.13 at df.shop.example.\n\nThere was an error "
        f"delivering your mail to <{A}>.\n\nmx.example.com [192.0.2.1] did not like our RCPT TO:\n"
        f"550 5.1.1 <{A}>: User unknown\n\nOriginal message follows.\n\n{{returned}}",
        {A: "userunknown"},
    ),
    (
        "    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An "
        "error has occurred while attempting to deliver a message for\n    the following list of "
        f"recipients:\n\n{A}: 550 5.1.1 User unknown\n{B}: 552 5.2.2 Mailbox full\n\n"
        "    Below is a copy of the original message:\n\n{returned}",
        {A: "userunknown", B: "mailboxfull"},
    ),
    (
        "This report relates to a message you sent with the following header fields:\n\n"
        "  Message-id: <1.2@shop.example>\n  To: other@example.com\n\n"
        "Your message cannot be delivered to the following recipients:\n\n"
        f"  Recipient address: {A}\n  Reason: Remote SMTP server has rejected address\n"
        "  Diagnostic code: smtp;550 5.1.1 unknown user\n"
        f"  Remote system: dns;mx.example.com\n  Recipient address: {B}\n"
        "  Reason: Over quota\n",
        {A: "userunknown", B: "mailboxfull"},
    ),
    (
        "Your message\n\n  To:      someone@example.net\n  Subject: We miss you\n\ndid not reach "
        f"the following recipient(s):\n\n{A} on Mon, 2 Nov 2026 10:00:00 +0000\n"
        "    The recipient name is not recognized\n    MSEXCH:IMS:EXAMPLE:MX 0 (000C05A6) Unknown "
        "Recipient\n",
        {A: "userunknown"},
    ),
    (
        "did not reach the following recipient(s):\n\n"
        f"c=US;a= ;p=EXAMPLE;o=Org;dda:SMTP={A}; on Mon, 2 Nov 2026 10:00:00 +0000\n"
        "    The recipient name is not recognized\n",
        {A: "userunknown"},
    ),
    (
        f"------- Failure Reasons  --------\n\nUser not listed in public Name & Address Book\n{A}\n"
        "\n------- Returned Message --------\n\n{returned}",
        {A: "userunknown"},
    ),
    (
        f"Delivery to the following recipient failed permanently:\n\n     {A}\n\nTechnical details "
        "of permanent failure:\nGoogle tried to deliver your message, but it was rejected by the "
        "recipient domain. The error that the other server returned was: 552 5.2.2 mailbox full "
        "(state 14).\n\n----- Original message -----\n\n{returned}",
        {A: "mailboxfull"},
    ),
    (
        f"Message from yahoo.com.\nUnable to deliver message to the following address(es).\n\n"
        f"<{A}>:\n554 delivery error: dd This user doesn't have a yahoo.com account ({A}) [-5]\n\n"
        "--- Original message follows.\n\n{returned}",
        {A: "userunknown"},
    ),
    (
        f"Sorry your message to {A} cannot be delivered. This account has been disabled or "
        "discontinued [#102].\n",
        {A: "suspended"},
    ),
    (
        "Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.\n\nК "
        f"сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:\n\n"
        f"{A}\n    SMTP error from remote mail server after RCPT TO:<{A}>:\n"
        "    host mx.example.com [192.0.2.1]: 550 5.1.1 User unknown\n\n"
        "------ This is a copy of the message, including all the headers. ------\n\n{returned}",
        {A: "userunknown"},
    ),
    (
        "Пожалуйста, не отвечайте на это сообщение.\n\nThis is the mail system at host yandex.ru."
        "\n\nI'm sorry to have to inform you that your message could not\nbe delivered.\n\n"
        f"<{A}>: host mx.example.com[192.0.2.1] said: 550 5.7.1 Spam message rejected (in reply to "
        "end of DATA command)\n",
        {A: "spamdetected"},
    ),
    (
        f"抱歉，您的邮件被退回来了……\n\n收件人: {A}\n"
        "退信原因: 收件人邮箱地址不存在，邮件无法送达。\n",
        {A: "userunknown"},
    ),
    (
        f"很抱歉您发送的邮件被退回，以下是该邮件的相关信息：\n\n无法发送到 {A}\n"
        "退信原因：收件人邮箱已满。\n",
        {A: "mailboxfull"},
    ),
    (
        f"次のあて先へのメッセージはエラーのため送信できませんでした。\n\n    <{A}>\n"
        f"    >>> RCPT TO:<{A}>\n    <<< 550 <{A}>: User unknown\n",
        {A: "userunknown"},
    ),
    (
        f"Die folgende Adresse war nicht erreichbar:\n\n{A}:\nSMTP error from remote server for "
        "RCPT TO command, host: mx.example.com (192.0.2.1) reason: 550 5.1.1 Empfänger unbekannt\n",
        {A: "userunknown"},
    ),
    (f"Could not be delivered to: <{A}>\nAs their mailbox is full.\n", {A: "mailboxfull"}),
    (
        f"Your message was not delivered to {A}\nbecause the message size exceeds the limit.\n",
        {A: "mesgtoobig"},
    ),
    (
        "Message could not be delivered because of\n\n550 5.1.1 User unknown\n\nThe following "
        f"recipients were affected:\n    {A}\n    {B}\n",
        {A: "userunknown", B: "userunknown"},
    ),
    (
        f"Unable to deliver message to: <{A}>\nDelivery failed for the following reason:\nServer "
        "mx.example.com[192.0.2.1] failed with: 554 5.7.1 blocked using bl.spamcop.net\n",
        {A: "blocked"},
    ),
    (
        f"<{A}>:\nConnected to 192.0.2.1 but sender was rejected.\nRemote host said: 553 5.1.8 "
        "sender domain does not resolve\n",
        {A: "badsender"},
    ),
    (
        "This is the mail system at host mx.shop.example.\n\n"
        f"<{A}>: host mx.example.com[192.0.2.1] said: 550 5.1.0\n    <{US}>: Sender address\n"
        "    rejected: User unknown in virtual mailbox table (in reply to RCPT TO\n    command)\n",
        {A: "badsender"},
    ),
    (
        "A message that you sent could not be delivered to one or more of its\nrecipients. This "
        f"is a permanent error. The following address(es) failed:\n\n  {A}\n    host mx.example.com"
        f" [192.0.2.1]\n    SMTP error from remote mail server after RCPT TO:<{A}>:\n"
        f"    550-Verification failed for <{US}>\n    550-No Such User Here\n    550 Sender verify "
        "failed\n",
        {A: "badsender"},
    ),
    (
        f"The following address(es) failed:\n\n  {A}\n    SMTP error from remote mail server after "
        f"RCPT TO:<{A}>:\n    550 5.1.1 User unknown\n\nReturn-path: <{US}>\n",
        {A: "userunknown"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_a_report_in_plain_words_is_understood(
    words: Words, text: str, expected: dict[str, str]
) -> None:
    raw = text_report(text, subject="Undelivered mail returned to sender")
    letter = letters.read(raw)

    assert bounces.is_report(letter)
    assert {one.recipient: one.reason.value for one in bounces.read(letter, words)} == expected


def read(raw: bytes, words: Words) -> tuple[bounces.Bounce, ...]:
    letter = letters.read(raw)
    assert bounces.is_report(letter)
    return bounces.read(letter, words)


def test_a_report_keeps_all_that_it_tells(words: Words) -> None:
    [told] = read(status_report(group(A, "5.1.1", "550 5.1.1 no such user")), words)

    assert (told.kind, told.is_dead, told.action) == (BounceKind.HARD, True, "failed")
    assert (told.status, told.remote_host) == ("5.1.1", "mx.example.com")
    assert (told.diagnostic, told.message_id) == ("550 5.1.1 no such user", "1.2@shop.example")


def test_each_address_of_one_report_has_a_fate_of_its_own(words: Words) -> None:
    told = read(
        status_report(
            group(A, "5.1.1", "550 no such user"),
            group(B, "4.4.1", "421 try later", action="delayed"),
            group("c@example.net", "2.0.0", "250 ok", action="delivered"),
        ),
        words,
    )

    assert [(one.reason.value, one.kind.value) for one in told] == [
        ("userunknown", "hard"), ("delayed", "delay"), ("delivered", "notice"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        f"Final-Recipient: rfc822; {A}\n\nAction: failed\n\nStatus: 5.1.1\n",
        f"Final-Recipient: {A}\nAction: failed\nStatus: 5.1.1 (no such user)\n",
        f"Final-Recipient: RFC822;<{A}>\nAction: Failed.\nStatus: 5.1.1\n",
        f"Original-Recipient: rfc822;{A}\nAction: failed\nStatus: 5. 1. 1\n",
        f"Final-Recipient: X400;/C=DE/\nOriginal-Recipient: rfc822;{A}\nAction: failed\nStatus: "
        "5.1.1\n",
    ],
)
def test_broken_fields_of_a_report_are_read_all_the_same(words: Words, fields: str) -> None:
    [told] = read(status_report(fields), words)

    assert (told.recipient, told.status, told.is_dead) == (A, "5.1.1", True)


@pytest.mark.parametrize(
    "kind", ["text/plain; name=delivery-status.txt", "message/global-delivery-status",
             "application/octet-stream; name=delivery-status", "text/plain"]
)  # fmt: skip
def test_a_status_part_under_a_foreign_type_is_found(words: Words, kind: str) -> None:
    [told] = read(status_report(group(A, "5.1.1", "550 no such user"), kind=kind), words)

    assert (told.recipient, told.is_dead) == (A, True)


def test_a_local_part_in_quotes_stays_whole(words: Words) -> None:
    [told] = read(status_report(group('"an..na"@example.com', "5.1.1", "550 unknown")), words)

    assert told.recipient == '"an..na"@example.com'


def test_the_mail_that_came_back_tells_who_where_the_report_does_not(words: Words) -> None:
    raw = status_report("Arrival-Date: Mon, 2 Nov 2026 10:00:00 +0000", to=A)

    [told] = read(raw, words)

    assert told.recipient == A


def test_a_name_in_an_address_is_no_reason(words: Words) -> None:
    said = "550 5.2.2 <spam-userunknown@example.com>: quota exceeded"
    [told] = read(status_report(group("spam-userunknown@example.com", "5.2.2", said)), words)

    assert told.reason is BounceReason.MAILBOXFULL


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("450 4.1.1 User unknown", "4.1.1"),
        ("550 5.7.1 host blocked, user unknown", "5.7.1"),
        ("550 User unknown", "5.0.0"),
        ("552 5.1.1 user is over quota", "5.1.1"),
    ],
)
def test_a_dead_address_is_believed_only_where_nothing_speaks_against_it(
    words: Words, said: str, status: str
) -> None:
    [told] = read(status_report(group(A, status, said)), words)

    assert not told.is_dead


def test_notices_of_a_sending_service_are_read(words: Words) -> None:
    bounced = {
        "bounceType": "Permanent",
        "bouncedRecipients": [
            {"emailAddress": A, "status": "5.1.1", "action": "failed",
             "diagnosticCode": "smtp; 550 5.1.1 user unknown"}
        ],
    }  # fmt: skip

    [told] = read(notice("bounce", bounced), words)
    [arrived] = read(notice("delivery", {"recipients": [B]}), words)

    assert (told.recipient, told.is_dead) == (A, True)
    assert (arrived.recipient, arrived.reason) == (B, BounceReason.DELIVERED)


HUMANS = [
    "Hello, I got this from your server:\n\n> <care@shop.example>: host mx said: 550 5.1.1 User "
    "unknown\n\nWhere is my parcel?",
    "Hi. This is the qmail-send program at mx.\n\nThis is what I received when I wrote to you!",
    "My mailbox was full, and the message could not be delivered. Sorry! Please send it again.",
    "I am in room 550 until Friday, write to bob@example.com",
]


@pytest.mark.parametrize("text", HUMANS)
@pytest.mark.parametrize("subject", ["Re: your mail", "Fwd: failure notice", "Delivery question"])
def test_a_person_who_talks_about_a_bounce_stays_a_person(
    words: Words, text: str, subject: str
) -> None:
    raw = text_report(text, sender="Anna <anna@example.com>", subject=subject)

    assert kinds.sort(letters.read(raw), words, None, NOON).kind is ReplyKind.HUMAN


HOSTILE = [
    b"",
    b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"<a@b>:" * 50_000,
    b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"a@" * 100_000,
    b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"user unknown " * 50_000,
    b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n{" + b'"a":[' * 20_000,
    b"Content-Type: multipart/report; report-type=delivery-status\n\n" + b"\xff\x00" * 9_999,
    b"Content-Type: message/delivery-status\n\nFinal-Recipient: ;;;@@\nStatus: 9\nAction:\n",
    status_report(*(group(f"p{n}@example.com", "5.1.1", "x") for n in range(3_000))),
    b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"\n" * 200_000 + b"a@b.example",
    b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n>>> RCPT To:<" + b"<" * 90_000,
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_report_breaks_nothing(words: Words, raw: bytes) -> None:
    letter = letters.read(raw)
    bounces.is_report(letter)

    assert len(bounces.read(letter, words)) <= 50


def test_a_sign_of_the_shop_counts_before_ours(tmp_path: Path) -> None:
    own = "signs:\n  - reason: suspended\n    phrases:\n      - user unknown\n"
    (tmp_path / "bounces.yaml").write_text(own)

    [told] = read(status_report(group(A, "5.1.1", "550 User unknown")), read_words(tmp_path))

    assert told.reason is BounceReason.SUSPENDED


def test_an_unknown_reason_in_a_word_file_is_an_error_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "bounces.yaml").write_text("signs:\n  - reason: bad luck\n    phrases: [x]\n")

    with pytest.raises(DefinitionError, match=r"bounces\.yaml"):
        read_words(tmp_path)
