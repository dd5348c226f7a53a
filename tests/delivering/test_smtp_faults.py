"""Each stage of a conversation x each thing a server may do there."""

from __future__ import annotations

import re
import ssl
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import trustme

from crm_mailer.delivering.account import Tls
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.delivery import Blame, OutcomeKind, Phase
from tests.delivering.letters import QUICK, ListSource, account, fly, message
from tests.servers.smtp_faults import (
    ACCEPT_DROP,
    ACCEPT_HANG,
    ACCEPT_RESET,
    CHUNKED,
    DROP,
    HANG,
    LOCK_STEP,
    PIPELINED,
    RESET,
    Fault,
    Script,
    fault_server,
    in_turn,
    reply,
)

FAULTS: dict[str, Fault] = {
    "odd": reply("299 2.0.0 odd but good"),
    "early": reply("354 go on"),
    "4xx": reply("451 4.3.0 busy"),
    "5xx": reply("554 5.7.1 no"),
    "421": reply("421 4.3.2 closing"),
    "multi": Fault(say=b"250-2.0.0 one\r\n250 2.0.0 two\r\n"),
    "drop": DROP,
    "reset": replace(RESET, wait=0.05),
    "hang": HANG,
    "drip": Fault(say=b"250 2.0.0 fine\r\n", drip=0.1),
    "garbage": Fault(say=b"garbage\r\n"),
    "huge": Fault(say=b"250 " + b"x" * 5000 + b"\r\n"),
    "lines": Fault(say=b"250-x\r\n" * 101 + b"250 x\r\n"),
    "8-bit": Fault(say=b"250 \xff\xfe\xe2\x80\xae \x1b[31m\r\n"),
    "split": Fault(say=b"250 2.0.0 fine\r\n", drip=0.001),
}

#: A accepted, D deferred by the site, U deferred by a fault of ours, R refused by policy,
#: ? in doubt, - does not apply.
VERDICTS = {
    "A": (OutcomeKind.ACCEPTED, Blame.NOBODY),
    "D": (OutcomeKind.DEFERRED, Blame.SITE),
    "U": (OutcomeKind.DEFERRED, Blame.US),
    "R": (OutcomeKind.REFUSED, Blame.US),
    "?": (OutcomeKind.UNKNOWN, Blame.SITE),
}
NAMES = "odd early 4xx 5xx 421 multi drop reset hang drip garbage huge lines 8-bit split".split()
OPENING = {
    #           odd  354  4xx  5xx  421  mul  drp  rst  hng  dri  gar  hug  lin  8bt  spl
    "BANNER":   "A    D    D    D    D    A    D    D    D    -    D    D    D    A    A",
    "EHLO":     "A    D    D    D    D    A    D    D    D    -    D    D    D    A    A",
    "STARTTLS": "A    D    D    D    D    A    D    D    D    -    D    D    D    A    -",
    "AUTH":     "A    D    D    U    D    A    D    D    D    -    D    D    D    A    A",
}  # fmt: skip
FIRST = {
    #           odd  354  4xx  5xx  421  mul  drp  rst  hng  dri  gar  hug  lin  8bt  spl
    "MAIL":     "A    D    D    U    D    A    D    D    D    -    D    D    D    A    A",
    "RCPT":     "A    D    D    R    D    A    D    D    D    D    D    D    D    A    A",
    "DATA":     "D    -    D    R    D    D    D    D    D    -    D    D    D    D    D",
    "DOT":      "A    ?    D    R    D    A    ?    ?    ?    ?    ?    ?    ?    A    A",
}  # fmt: skip
#: The second mail, whose envelope came ahead: MAIL that was not answered gets a fresh connection.
AHEAD = {
    #           odd  354  4xx  5xx  421  mul  drp  rst  hng  dri  gar  hug  lin  8bt  spl
    "MAIL":     "A    D    D    U    A    A    A    A    A    -    D    D    D    A    A",
    "RCPT":     "A    D    D    R    D    A    D    D    D    -    D    D    D    A    A",
    "DATA":     "D    -    D    R    D    D    D    D    -    -    D    D    D    D    D",
    "DOT":      "A    ?    D    R    D    A    ?    ?    -    -    ?    ?    ?    A    A",
}  # fmt: skip
FIRST_BLOCK = {
    #           odd  354  4xx  5xx  421  mul  drp  rst  hng  dri  gar  hug  lin  8bt  spl
    "MAIL":     "A    D    D    U    D    A    D    D    -    -    D    D    D    A    A",
    "RCPT":     "A    D    D    R    D    A    D    D    -    -    D    D    D    A    A",
    "BDAT":     "A    ?    D    R    D    A    ?    ?    ?    -    ?    ?    ?    A    A",
}  # fmt: skip
#: The block left with its envelope: whatever breaks, it may have been taken.
NEXT_BLOCK = {
    #           odd  354  4xx  5xx  421  mul  drp  rst  hng  dri  gar  hug  lin  8bt  spl
    "MAIL":     "A    ?    D    U    A    A    ?    ?    -    -    ?    ?    ?    A    A",
    "RCPT":     "A    ?    D    R    D    A    ?    ?    -    -    ?    ?    ?    A    A",
    "BDAT":     "A    ?    D    R    D    A    ?    ?    -    -    ?    ?    ?    A    A",
}  # fmt: skip

Row = tuple[str, str, str]


def rows(table: dict[str, str]) -> list[Row]:
    """(stage, fault, verdict)."""
    return [
        (stage, name, verdict)
        for stage, line in table.items()
        for name, verdict in zip(NAMES, line.split(), strict=True)
        if verdict != "-"
    ]


def hits(box: list[bytes]) -> Counter[int]:
    """How often the server took each mail."""
    found = (re.search(rb"Subject: Hello (\d+)", body) for body in box)
    return Counter(int(one.group(1)) for one in found if one is not None)


def limits(name: str, stage: str) -> Any:
    """Short only where the server is slow on purpose."""
    if name not in ("hang", "drip"):
        return QUICK
    stages = {"BANNER": "banner", "DATA": "data", "DOT": "dot", "BDAT": "dot", "RSET": "reset"}
    return replace(QUICK, **{stages.get(stage, "command"): 0.4})


def check(
    row: Row,
    extensions: tuple[str, ...],
    *,
    at: int = 1,
    script: Script | None = None,
    context: ssl.SSLContext | None = None,
    **changes: object,
) -> None:
    """Send three mails over one connection; the fault meets mail `at`, the others are taken."""
    stage, name, verdict = row
    kind, blame = VERDICTS[verdict]
    turns = [*[None] * (at - 1), FAULTS[name]]
    given: Script = {**(script or {}), stage: in_turn(*turns)}
    source = ListSource(message(1), message(2), message(3))
    changes.setdefault("deadlines", limits(name, stage))
    with fault_server(given, extensions=extensions, context=context) as server:
        found = fly(SmtpTransport(account(server.port, connections=1, **changes)), source)

    hit = found[at - 1]
    others = [one.kind for one in found if one is not hit]
    assert (hit.kind, hit.blame) == (kind, blame)
    assert others == [OutcomeKind.ACCEPTED] * 2
    is_block = verdict == "?"
    phases = {"BDAT": Phase.DOT} | {one.name: one for one in Phase}
    phase = Phase.DOT if verdict == "A" or is_block else phases[stage]
    assert hit.phase is phase
    # a server that begins well and goes on for ever has taken it
    kept = 1 if verdict == "A" or (is_block and name in ("huge", "lines", "drip")) else 0
    assert hits(server.box) == Counter({1: 1, 2: 1, 3: 1} | {at: kept})
    if stage not in OPENING:
        # a refusal leaves the connection in step; after a doubt nobody talks on
        expected = {"4xx": 1, "5xx": 1, "421": 2}.get(name, 2 if is_block else server.connections)
        assert server.connections == expected
    assert hit.text.isprintable()


@pytest.mark.parametrize("extensions", [LOCK_STEP, PIPELINED], ids=["lock-step", "pipelined"])
@pytest.mark.parametrize("row", [row for row in rows(OPENING) if row[0] in ("BANNER", "EHLO")],
                         ids=str)  # fmt: skip
def test_a_fault_in_the_greeting(row: Row, extensions: tuple[str, ...]) -> None:
    check(row, extensions)


@pytest.mark.parametrize("row", [row for row in rows(OPENING) if row[0] == "AUTH"], ids=str)
def test_a_fault_in_the_login(row: Row) -> None:
    check(row, (*PIPELINED, "AUTH PLAIN"), username="shop", password="s3cret")


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return context, str(path)


@pytest.mark.parametrize("row", [row for row in rows(OPENING) if row[0] == "STARTTLS"], ids=str)
def test_a_fault_in_starttls(row: Row, trust: tuple[ssl.SSLContext, str]) -> None:
    context, ca_file = trust
    script = {"STARTTLS": in_turn(FAULTS[row[1]], reply("220 go"), reply("220 go"))}
    source = ListSource(message(1), message(2))
    with fault_server(script, extensions=(*PIPELINED, "STARTTLS"), context=context) as server:
        way = account(server.port, connections=1, tls=Tls.REQUIRED, ca_file=ca_file,
                      deadlines=limits(row[1], "STARTTLS"))  # fmt: skip
        hit, other = fly(SmtpTransport(way), source)

    assert (hit.kind, hit.blame) == VERDICTS[row[2]]
    assert hit.phase is (Phase.DOT if row[2] == "A" else Phase.STARTTLS)
    assert other.kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("extensions", [LOCK_STEP, PIPELINED], ids=["lock-step", "pipelined"])
@pytest.mark.parametrize("row", rows(FIRST), ids=str)
def test_a_fault_that_meets_the_first_mail(row: Row, extensions: tuple[str, ...]) -> None:
    check(row, extensions)


@pytest.mark.parametrize("extensions", [LOCK_STEP, PIPELINED], ids=["lock-step", "pipelined"])
@pytest.mark.parametrize("row", rows(AHEAD), ids=str)
def test_a_fault_that_meets_the_second_mail(row: Row, extensions: tuple[str, ...]) -> None:
    check(row, extensions, at=2)


@pytest.mark.parametrize("row", rows(FIRST_BLOCK), ids=str)
def test_a_fault_that_meets_the_first_block(row: Row) -> None:
    check(row, CHUNKED, bdat=True)


@pytest.mark.parametrize("row", rows(NEXT_BLOCK), ids=str)
def test_a_fault_that_meets_a_block_sent_with_its_envelope(row: Row) -> None:
    check(row, CHUNKED, at=2, bdat=True)


@pytest.mark.parametrize("extensions", [LOCK_STEP, PIPELINED], ids=["lock-step", "pipelined"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "drip"])
def test_whatever_rset_brings_no_mail_suffers(name: str, extensions: tuple[str, ...]) -> None:
    script = {"RCPT": in_turn(reply("550 5.1.1 unknown")), "RSET": in_turn(FAULTS[name])}
    source = ListSource(message(1), message(2), message(3))
    with fault_server(script, extensions=extensions) as server:
        way = account(server.port, connections=1, deadlines=limits(name, "RSET"))
        found = fly(SmtpTransport(way), source)

    kinds = [one.kind for one in found]
    assert kinds == [OutcomeKind.REFUSED, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED]
    assert hits(server.box) == Counter({2: 1, 3: 1})


@pytest.mark.parametrize("name", NAMES)
def test_whatever_quit_brings_the_mail_was_taken(name: str) -> None:
    with fault_server({"QUIT": FAULTS[name]}, extensions=PIPELINED) as server:
        way = account(server.port, connections=1, deadlines=replace(QUICK, quit=0.3))
        found = fly(SmtpTransport(way), ListSource(message(1)))

    assert [one.kind for one in found] == [OutcomeKind.ACCEPTED]
    assert hits(server.box) == Counter({1: 1})


@pytest.mark.parametrize("extensions", [LOCK_STEP, PIPELINED], ids=["lock-step", "pipelined"])
@pytest.mark.parametrize(
    "fault", [ACCEPT_DROP, ACCEPT_RESET, ACCEPT_HANG, Fault(say=b"garbage\r\n", accept=True)]
)
def test_a_mail_that_was_taken_without_a_word_is_in_doubt(
    fault: Fault, extensions: tuple[str, ...]
) -> None:
    source = ListSource(message(1), message(2))
    with fault_server({"DOT": in_turn(fault)}, extensions=extensions) as server:
        way = account(server.port, connections=1, deadlines=replace(QUICK, dot=0.4))
        first, second = fly(SmtpTransport(way), source)

    assert (first.kind, first.phase) == (OutcomeKind.UNKNOWN, Phase.DOT)
    assert second.kind is OutcomeKind.ACCEPTED
    assert hits(server.box) == Counter({1: 1, 2: 1})
    assert server.connections == 2


@pytest.mark.parametrize("fault", [DROP, RESET, HANG])
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["lock-step", "pipelined"])
def test_a_line_that_breaks_in_the_body_is_safe_to_resend(
    fault: Fault, extensions: tuple[str, ...]
) -> None:
    big = message(1, content=b"Subject: Hello 1\r\n\r\n" + (b"z" * 76 + b"\r\n") * 200_000)
    source = ListSource(big, message(2))
    with fault_server({"BODY": in_turn(fault)}, extensions=extensions) as server:
        way = account(server.port, connections=1, deadlines=replace(QUICK, body=0.4))
        first, second = fly(SmtpTransport(way), source)

    assert (first.kind, first.phase) == (OutcomeKind.DEFERRED, Phase.BODY)
    assert (second.kind, hits(server.box)) == (OutcomeKind.ACCEPTED, Counter({2: 1}))


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["lock-step", "pipelined"])
def test_a_server_that_speaks_in_the_body_gets_no_dot(extensions: tuple[str, ...]) -> None:
    big = message(1, content=b"Subject: Hello 1\r\n\r\n" + (b"z" * 76 + b"\r\n") * 200_000)
    fault = Fault(say=b"552 5.2.3 enough\r\n", cut="close")
    with fault_server({"BODY": in_turn(fault)}, extensions=extensions) as server:
        source = ListSource(big, message(2))
        first, second = fly(SmtpTransport(account(server.port, connections=1)), source)

    assert (first.kind, first.phase) == (OutcomeKind.REFUSED, Phase.BODY)
    assert (second.kind, hits(server.box)) == (OutcomeKind.ACCEPTED, Counter({2: 1}))
