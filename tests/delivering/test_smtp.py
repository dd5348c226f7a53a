from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from crm_mailer.delivering import SmtpTransport
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from tests.delivering.letters import HASTY, QUICK, account, message, send, send_one
from tests.servers.smtp_faults import (
    ACCEPT_DROP,
    ACCEPT_HANG,
    ACCEPT_RESET,
    DROP,
    HANG,
    RESET,
    Fault,
    fault_server,
    reply,
)

ACCEPTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED
REFUSED, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN
BIG = b"Subject: long\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * 76 + b"\r\n" * 2
BIG_BODY = BIG + (b"z" * 76 + b"\r\n") * 200_000

#: stage, what the server does there, the verdict, the phase it was reached in, mails it kept.
FAULTS: list[tuple[str, Fault, OutcomeKind, Phase, int]] = [
    ("BANNER", reply("421 4.3.2 shutting down"), DEFERRED, Phase.BANNER, 0),
    ("BANNER", reply("450 4.7.1 not now"), DEFERRED, Phase.BANNER, 0),
    ("BANNER", reply("554 5.7.1 go away"), DEFERRED, Phase.BANNER, 0),
    ("BANNER", DROP, DEFERRED, Phase.BANNER, 0),
    ("BANNER", Fault(wait=0.1, cut="reset"), DEFERRED, Phase.BANNER, 0),
    ("BANNER", HANG, DEFERRED, Phase.BANNER, 0),
    ("EHLO", reply("421 4.3.2 closing"), DEFERRED, Phase.EHLO, 0),
    ("EHLO", DROP, DEFERRED, Phase.EHLO, 0),
    ("MAIL", reply("451 4.3.0 busy"), DEFERRED, Phase.MAIL, 0),
    ("MAIL", reply("550 5.7.1 sender not yours"), DEFERRED, Phase.MAIL, 0),
    ("MAIL", reply("552 5.3.4 too big"), REFUSED, Phase.MAIL, 0),
    ("MAIL", reply("530 5.7.0 log in first"), DEFERRED, Phase.MAIL, 0),
    ("MAIL", DROP, DEFERRED, Phase.MAIL, 0),
    ("MAIL", RESET, DEFERRED, Phase.MAIL, 0),
    ("MAIL", HANG, DEFERRED, Phase.MAIL, 0),
    ("RCPT", reply("450 4.2.1 greylisted"), DEFERRED, Phase.RCPT, 0),
    ("RCPT", reply("452 4.2.2 mailbox full"), DEFERRED, Phase.RCPT, 0),
    ("RCPT", reply("421 4.7.0 too many"), DEFERRED, Phase.RCPT, 0),
    ("RCPT", reply("550 5.1.1 no such user"), REFUSED, Phase.RCPT, 0),
    ("RCPT", reply("550 5.7.1 blocked"), REFUSED, Phase.RCPT, 0),
    ("RCPT", DROP, DEFERRED, Phase.RCPT, 0),
    ("RCPT", RESET, DEFERRED, Phase.RCPT, 0),
    ("RCPT", HANG, DEFERRED, Phase.RCPT, 0),
    ("DATA", reply("451 4.3.0 later"), DEFERRED, Phase.DATA, 0),
    ("DATA", reply("554 5.6.0 no"), REFUSED, Phase.DATA, 0),
    ("DATA", reply("250 2.0.0 what?"), DEFERRED, Phase.DATA, 0),
    ("DATA", DROP, DEFERRED, Phase.DATA, 0),
    ("DATA", RESET, DEFERRED, Phase.DATA, 0),
    ("DATA", HANG, DEFERRED, Phase.DATA, 0),
    ("DOT", reply("451 4.3.0 later"), DEFERRED, Phase.DOT, 0),
    ("DOT", reply("421 4.3.2 closing"), DEFERRED, Phase.DOT, 0),
    ("DOT", reply("554 5.6.0 content refused"), REFUSED, Phase.DOT, 0),
    ("DOT", DROP, UNKNOWN, Phase.DOT, 0),
    ("DOT", RESET, UNKNOWN, Phase.DOT, 0),
    ("DOT", ACCEPT_DROP, UNKNOWN, Phase.DOT, 1),
    ("DOT", ACCEPT_RESET, UNKNOWN, Phase.DOT, 1),
    ("DOT", ACCEPT_HANG, UNKNOWN, Phase.DOT, 1),
    ("DOT", Fault(say=b"garbage line\r\n"), UNKNOWN, Phase.DOT, 0),
    ("DOT", Fault(say=b"garbage line\r\n", accept=True), UNKNOWN, Phase.DOT, 1),
    ("DOT", Fault(say=b"251 2.1.5 forwarded\r\n", accept=True), ACCEPTED, Phase.DOT, 1),
    ("DOT", reply("354 more?"), UNKNOWN, Phase.DOT, 0),
    ("DOT", reply("999 what"), UNKNOWN, Phase.DOT, 0),
    ("DOT", Fault(say=b"250-2.0.0 ok\r\n250 2.0.0 queued\r\n", accept=True),
     ACCEPTED, Phase.DOT, 1),
    ("DOT", Fault(say=b"250 " + b"\xff\xfe" * 20 + b"\r\n", accept=True), ACCEPTED, Phase.DOT, 1),
    ("DOT", Fault(say=b"250 " + b"x" * 5000 + b"\r\n", accept=True), UNKNOWN, Phase.DOT, 1),
    ("DOT", Fault(say=b"250-x\r\n" * 200 + b"250 x\r\n", accept=True), UNKNOWN, Phase.DOT, 1),
    ("QUIT", DROP, ACCEPTED, Phase.DOT, 1),
    ("QUIT", reply("421 4.3.2 bye"), ACCEPTED, Phase.DOT, 1),
    ("QUIT", HANG, ACCEPTED, Phase.DOT, 1),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "fault", "kind", "phase", "kept"), FAULTS)
def test_each_fault_has_its_verdict_and_phase(
    stage: str, fault: Fault, kind: OutcomeKind, phase: Phase, kept: int
) -> None:
    deadlines = HASTY if fault.wait else QUICK
    with fault_server({stage: fault}) as server:
        outcome = send_one(server.port, deadlines=deadlines)

    assert (outcome.kind, outcome.phase, len(server.box)) == (kind, phase, kept)


@pytest.mark.parametrize("fault", [DROP, RESET, HANG])
def test_a_line_that_breaks_in_the_body_is_safe_to_resend(fault: Fault) -> None:
    with fault_server({"BODY": fault}, extensions=()) as server:
        outcome = send_one(server.port, message(content=BIG_BODY), deadlines=HASTY)

    assert (outcome.kind, outcome.phase) == (DEFERRED, Phase.BODY)


def test_a_server_that_speaks_in_the_body_gets_no_dot() -> None:
    fault = Fault(say=b"552 5.2.3 enough\r\n", cut="close")
    with fault_server({"BODY": fault}, extensions=()) as server:
        outcome = send_one(server.port, message(content=BIG_BODY))

    assert (outcome.kind, outcome.phase, server.box) == (REFUSED, Phase.BODY, [])


def test_a_refused_connection_blames_the_site() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = send_one(taken.getsockname()[1])

    assert (outcome.kind, outcome.phase, outcome.blame) == (DEFERRED, Phase.CONNECT, Blame.SITE)


def test_an_unknown_host_is_named_as_such() -> None:
    outcome = send_one(25, host="mail.invalid")

    assert outcome.phase is Phase.CONNECT
    assert "cannot be resolved" in outcome.text


def test_the_body_arrives_as_it_was_with_dots_and_a_final_newline() -> None:
    content = b".first\r\nSubject: x\r\n\r\n.\r\n..\r\nbare\nline\rend"
    with fault_server() as server:
        send_one(server.port, message(content=content))

    assert server.box == [b".first\r\nSubject: x\r\n\r\n.\r\n..\r\nbare\r\nline\r\nend\r\n"]


def test_one_connection_carries_many_mails_and_retires() -> None:
    with fault_server() as server:
        transport = SmtpTransport(account(server.port, messages_per_connection=3))
        found = send(transport, *(message(number) for number in range(7)))

    assert [one.kind for one in found] == [ACCEPTED] * 7
    assert (server.connections, server.verbs.count("QUIT")) == (3, 3)


def test_a_refused_recipient_is_followed_by_rset_and_the_next_mail() -> None:
    answers = iter([reply("550 5.1.1 unknown"), None])
    with fault_server({"RCPT": lambda: next(answers)}) as server:
        found = send(SmtpTransport(account(server.port)), message(1), message(2))

    assert [one.kind for one in found] == [REFUSED, ACCEPTED]
    assert (server.connections, server.verbs.count("RSET")) == (1, 1)


def test_there_is_no_rset_after_354() -> None:
    with fault_server() as server:
        transport = SmtpTransport(account(server.port))
        outcome = asyncio.run(_stopped_before_dot(transport))

    assert (outcome.kind, outcome.phase, outcome.blame) == (DEFERRED, Phase.BODY, Blame.US)
    assert server.box == []
    assert "RSET" not in server.verbs


async def _stopped_before_dot(transport: SmtpTransport) -> Outcome:
    outcome = await transport.hand_over(message(), lambda: False)
    await transport.close()
    return outcome


def test_an_idle_connection_that_died_is_replaced_once() -> None:
    with fault_server() as server:

        async def run() -> list[OutcomeKind]:
            transport = SmtpTransport(account(server.port))
            first = await transport.hand_over(message(1), lambda: True)
            server.hang_up()
            await asyncio.sleep(0.1)
            second = await transport.hand_over(message(2), lambda: True)
            await transport.close()
            return [first.kind, second.kind]

        kinds = asyncio.run(run())

    assert (kinds, server.connections) == ([ACCEPTED, ACCEPTED], 2)


def test_a_421_to_the_second_mail_on_a_connection_is_tried_on_a_fresh_one() -> None:
    answers = iter([None, reply("421 4.7.0 enough on this connection"), None])
    with fault_server({"MAIL": lambda: next(answers)}) as server:
        found = send(SmtpTransport(account(server.port)), message(1), message(2))

    assert ([one.kind for one in found], server.connections) == ([ACCEPTED, ACCEPTED], 2)


def test_a_drip_of_single_bytes_does_not_extend_a_stage() -> None:
    with fault_server({"BANNER": Fault(say=b"2", wait=0.2)}) as server:
        outcome = send_one(server.port, deadlines=HASTY)

    assert outcome.phase is Phase.BANNER
    assert "no answer in time" in outcome.text


def test_an_old_server_is_greeted_by_helo() -> None:
    with fault_server({"EHLO": reply("502 5.5.1 what is that")}) as server:
        outcome = send_one(server.port)

    assert (outcome.kind, server.verbs[:2]) == (ACCEPTED, ["EHLO", "HELO"])


def test_a_mail_larger_than_the_server_takes_is_not_offered() -> None:
    with fault_server(extensions=("SIZE 100",)) as server:
        outcome = send_one(server.port, message(content=b"x" * 101))

    assert (outcome.kind, outcome.blame, outcome.status) == (REFUSED, Blame.MESSAGE, "5.3.4")
    assert "MAIL" not in server.verbs


@pytest.mark.parametrize(
    "address",
    ["anna@example.com>\r\nRCPT TO:<x@y.example", "a b@example.com", "анна@example.com", "no-at",
     "a@b@c.example", "@example.com"],
)  # fmt: skip
def test_an_unsafe_recipient_never_reaches_the_wire(address: str) -> None:
    with fault_server() as server:
        outcome = send_one(server.port, message(rcpt_to=address))

    assert (outcome.kind, outcome.blame) == (REFUSED, Blame.RECIPIENT)
    assert "RCPT" not in server.verbs


def test_an_international_domain_is_written_in_ascii() -> None:
    with fault_server() as server:
        send_one(server.port, message(rcpt_to="anna@пример.испытание"))

    assert b"RCPT TO:<anna@xn--e1afmkfd.xn--80akhbyknj4f>\r\n" in server.log


def test_an_unsafe_sender_is_our_fault() -> None:
    with fault_server() as server:
        outcome = send_one(server.port, message(mail_from="shop name"))

    assert (outcome.kind, outcome.phase, outcome.blame) == (DEFERRED, Phase.MAIL, Blame.US)


def test_an_empty_sender_is_the_null_return_path() -> None:
    with fault_server(extensions=()) as server:
        send_one(server.port, message(mail_from=""))

    assert b"MAIL FROM:<>\r\n" in server.log


def test_the_evidence_holds_code_status_words_place_and_time() -> None:
    with fault_server({"RCPT": reply("550 5.1.1 <anna@example.com> \x1b[31munknown")}) as server:
        outcome = send_one(server.port)

    assert replace(outcome, took_ms=0) == replace(
        outcome,
        code=550,
        status="5.1.1",
        text="<anna@example.com> [31munknown",
        host=f"127.0.0.1:{server.port}",
        is_dead_address=True,
        took_ms=0,
    )
