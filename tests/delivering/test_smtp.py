from __future__ import annotations

import asyncio
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from crm_mailer.delivering import loops
from crm_mailer.delivering.conversation import CALLED_OFF
from crm_mailer.delivering.port import STOPPED, Flight
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from tests.delivering.letters import (
    HASTY,
    QUICK,
    ListSource,
    account,
    fly,
    message,
    send,
    send_one,
)
from tests.delivering.test_smtp_faults import hits
from tests.servers.smtp_faults import (
    CHUNKED,
    HANG,
    LOCK_STEP,
    PIPELINED,
    Fault,
    Script,
    fault_server,
    in_turn,
    reply,
)

ACCEPTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED
REFUSED, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN
STEPS = pytest.mark.parametrize(
    ("extensions", "is_bdat"),
    [(LOCK_STEP, False), (PIPELINED, False), (CHUNKED, True)],
    ids=["lock-step", "pipelined", "blocks"],
)


def each_step(test: Callable[..., None]) -> Callable[..., None]:
    """On each step of the ladder and on either event loop."""
    marked: Callable[..., None] = pytest.mark.usefixtures("_loop")(STEPS(test))
    return marked


@pytest.fixture(params=["asyncio", "uvloop"])
def _loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_LOOP", request.param)
    if request.param == "uvloop" and not loops.is_fast():
        pytest.skip("uvloop is not installed")


def mails(number: int) -> list[int]:
    return list(range(1, number + 1))


# ---------------------------------------------------------------- the connection


def test_a_refused_connection_blames_the_site() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        outcome = send_one(taken.getsockname()[1])

    assert (outcome.kind, outcome.phase, outcome.blame) == (DEFERRED, Phase.CONNECT, Blame.SITE)


def test_an_unknown_host_is_named_as_such() -> None:
    outcome = send_one(25, host="mail.invalid")

    assert outcome.phase is Phase.CONNECT
    assert "cannot be resolved" in outcome.text


def test_an_old_server_is_greeted_by_helo() -> None:
    with fault_server({"EHLO": reply("502 5.5.1 what is that")}) as server:
        outcome = send_one(server.port)

    assert (outcome.kind, server.verbs[:2]) == (ACCEPTED, ["EHLO", "HELO"])


def test_no_connection_is_opened_before_there_is_a_mail() -> None:
    with fault_server() as server:
        fly(SmtpTransport(account(server.port, connections=5)), ListSource())

    assert server.connections == 0


@each_step
def test_one_connection_carries_many_mails_and_retires(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    with fault_server(extensions=extensions) as server:
        way = account(server.port, connections=1, messages_per_connection=3, bdat=is_bdat)
        found = send(SmtpTransport(way), *map(message, mails(7)))

    assert [one.kind for one in found] == [ACCEPTED] * 7
    assert (server.connections, server.verbs.count("QUIT")) == (3, 3)
    assert hits(server.box) == dict.fromkeys(mails(7), 1)


@each_step
def test_several_connections_share_the_mails(extensions: tuple[str, ...], is_bdat: bool) -> None:
    with fault_server(extensions=extensions) as server:
        way = SmtpTransport(account(server.port, connections=4, bdat=is_bdat))
        found = send(way, *map(message, mails(60)))

    assert [one.kind for one in found] == [ACCEPTED] * 60
    assert hits(server.box) == dict.fromkeys(mails(60), 1)
    assert 1 < server.connections <= 4


def test_few_open_files_mean_few_connections() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        widths = [SmtpTransport(account(25, connections=number)).width for number in (100, 3)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

    assert widths == [24, 3]


@each_step
def test_an_idle_connection_that_died_is_replaced(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    with fault_server(extensions=extensions) as server:
        source = ListSource(message(1), message(2), gaps={1: 0.4})
        timer = threading.Timer(0.2, server.hang_up)
        timer.start()
        found = fly(SmtpTransport(account(server.port, connections=1, bdat=is_bdat)), source)
        timer.join()

    assert [one.kind for one in found] == [ACCEPTED, ACCEPTED]
    assert (server.connections, len(server.box)) == (2, 2)


@each_step
def test_a_word_at_rest_ends_the_connection_and_harms_no_mail(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    with fault_server(extensions=extensions) as server:
        source = ListSource(message(1), message(2), gaps={1: 0.4})
        timer = threading.Timer(0.2, server.say, [b"421 4.4.2 idle too long\r\n"])
        timer.start()
        found = fly(SmtpTransport(account(server.port, connections=1, bdat=is_bdat)), source)
        timer.join()

    assert [one.kind for one in found] == [ACCEPTED, ACCEPTED]
    assert (server.connections, len(server.box)) == (2, 2)


def test_a_421_to_a_later_mail_is_tried_on_a_fresh_connection_once() -> None:
    fault = in_turn(None, reply("421 4.7.0 enough"), reply("421 4.7.0 enough"))
    with fault_server({"MAIL": fault}) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, *map(message, mails(3)))

    assert [(one.kind, one.code) for one in found] == [
        (ACCEPTED, 250), (DEFERRED, 421), (ACCEPTED, 250),
    ]  # fmt: skip
    assert server.connections == 3


def test_a_server_that_takes_one_mail_a_connection_gets_one_mail_a_connection() -> None:
    with fault_server(
        {"DOT": Fault(say=b"250 ok\r\n", cut="close")}, extensions=PIPELINED
    ) as server:
        found = send(SmtpTransport(account(server.port, connections=1)), *map(message, mails(4)))

    assert [one.kind for one in found] == [ACCEPTED] * 4
    assert (server.connections, hits(server.box)) == (4, dict.fromkeys(mails(4), 1))


# ---------------------------------------------------------------- deadlines


def test_a_drip_of_single_bytes_does_not_extend_a_stage() -> None:
    with fault_server({"BANNER": Fault(say=b"220 " + b"x" * 400, drip=0.05)}) as server:
        outcome = send_one(server.port, deadlines=HASTY)

    assert outcome.phase is Phase.BANNER
    assert "no answer in time" in outcome.text


def test_a_slow_dot_is_waited_for() -> None:
    slow = Fault(say=b"250 2.0.0 at last\r\n", wait=0.8)
    deadlines = replace(HASTY, banner=5, command=5, dot=5)
    with fault_server({"DOT": slow}, extensions=PIPELINED) as server:
        outcome = send_one(server.port, deadlines=deadlines)

    assert (outcome.kind, outcome.text) == (ACCEPTED, "at last")
    assert outcome.took_ms >= 700


def test_one_hanging_connection_does_not_hold_the_others() -> None:
    deadlines = replace(QUICK, dot=1.5)
    with fault_server({"DOT": in_turn(HANG)}, extensions=PIPELINED) as server:
        way = SmtpTransport(account(server.port, connections=2, deadlines=deadlines))
        found = send(way, *map(message, mails(20)))

    kinds = [one.kind for one in found]
    assert (kinds.count(ACCEPTED), kinds.count(UNKNOWN)) == (19, 1)


# ---------------------------------------------------------------- what goes over the wire


@each_step
def test_the_body_arrives_as_it_was_with_dots_and_a_final_newline(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    content = b".first\r\nSubject: x\r\n\r\n.\r\n..\r\nbare\nline\rend"
    with fault_server(extensions=extensions) as server:
        send_one(server.port, message(content=content), bdat=is_bdat)

    assert server.box == [b".first\r\nSubject: x\r\n\r\n.\r\n..\r\nbare\r\nline\r\nend\r\n"]


def test_a_body_of_our_own_writer_goes_out_untouched() -> None:
    content = b"Subject: x\r\n\r\nready"
    with fault_server(extensions=PIPELINED) as server:
        ready = [message(n, content=content + end, is_wire_ready=True)
                 for n, end in enumerate([b"\r\n", b""])]  # fmt: skip
        send(SmtpTransport(account(server.port, connections=1)), *ready)

    assert server.box == [content + b"\r\n"] * 2


@each_step
def test_large_mails_arrive_whole_though_the_kernel_takes_them_in_parts(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    body = b"Subject: Hello %d\r\n\r\n" + (b"z" * 76 + b"\r\n") * 100_000
    large = [message(number, content=body % number) for number in mails(3)]
    with fault_server(extensions=tuple(e for e in extensions if "SIZE" not in e)) as server:
        way = SmtpTransport(account(server.port, connections=1, bdat=is_bdat))
        found = send(way, *large)

    assert [one.kind for one in found] == [ACCEPTED] * 3
    assert server.box == [one.content for one in large]


@contextmanager
def eavesdropper(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that says `answer` to EHLO and collects what comes before it answers a dot."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        line, _address = listener.accept()
        listener.close()
        with line:
            line.settimeout(5)
            line.sendall(b"220 hello\r\n")
            line.recv(1000)
            line.sendall(answer)
            heard.append(line.recv(1000))
            line.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
            chunk = b""
            while b"\r\n.\r\n" not in chunk:
                chunk += line.recv(1000)
            line.settimeout(0.3)
            try:
                chunk += line.recv(1000)
            except TimeoutError:
                heard.append(chunk)
            else:
                heard.append(chunk)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        thread.join(10)
        listener.close()


def test_body_dot_and_the_next_envelope_leave_together_and_quit_never_does() -> None:
    with eavesdropper(b"250-me\r\n250 PIPELINING\r\n") as (port, heard):
        source = ListSource(message(1), message(2))
        found = fly(SmtpTransport(account(port, connections=1)), source)

    assert heard[0] == b"MAIL FROM:<bounce@shop.example>\r\nRCPT TO:<anna@example.com>\r\nDATA\r\n"
    assert heard[1].endswith(b"\r\n.\r\n" + heard[0])
    # the line broke there; and the second one found nobody any more
    assert (found[0].kind, found[1].phase) == (UNKNOWN, Phase.CONNECT)


def test_without_a_next_mail_nothing_follows_the_dot() -> None:
    with eavesdropper(b"250-me\r\n250 PIPELINING\r\n") as (port, heard):
        send_one(port)

    assert heard[1].endswith(b"..Two.\r\n.\r\n")


def test_pipelining_can_be_switched_off_for_an_odd_server() -> None:
    with fault_server({"RCPT": in_turn(reply("550 5.1.1 no"))}, extensions=PIPELINED) as server:
        way = SmtpTransport(account(server.port, connections=1, pipelining=False))
        send(way, message(1), message(2))

    assert server.verbs[1:7] == ["MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


def test_blocks_are_sent_only_where_they_are_wanted_and_offered() -> None:
    with fault_server(extensions=CHUNKED) as server:
        send_one(server.port)
    assert "BDAT" not in server.verbs

    with fault_server(extensions=PIPELINED) as server:
        send_one(server.port, bdat=True)
    assert "BDAT" not in server.verbs

    with fault_server(extensions=("CHUNKING",)) as server:
        send_one(server.port, bdat=True)
    assert server.verbs == ["EHLO", "MAIL", "RCPT", "BDAT", "QUIT"]


# ---------------------------------------------------------------- envelopes that fail


@each_step
def test_a_refused_recipient_is_followed_by_rset_and_the_next_mail(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    fault = in_turn(None, reply("550 5.1.1 unknown"))
    with fault_server({"RCPT": fault}, extensions=extensions) as server:
        way = SmtpTransport(account(server.port, connections=1, bdat=is_bdat))
        found = send(way, *map(message, mails(3)))

    assert [one.kind for one in found] == [ACCEPTED, REFUSED, ACCEPTED]
    assert found[1].is_dead_address
    assert (server.connections, server.verbs.count("RSET")) == (1, 1)
    assert hits(server.box) == {1: 1, 3: 1}


@pytest.mark.parametrize(("answer", "connections"), [("554 5.5.1 no mail", 1), ("250 ok", 2)])
def test_a_body_that_is_wanted_without_a_recipient_ends_at_once(
    answer: str, connections: int
) -> None:
    refused = in_turn(None, reply("550 5.1.1 unknown"))
    script: Script = {"RCPT": refused, "VOID": reply(answer)}
    with fault_server(script, extensions=PIPELINED, is_lax=True) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, *map(message, mails(3)))

    assert [one.kind for one in found] == [ACCEPTED, REFUSED, ACCEPTED]
    assert hits(server.box) == {1: 1, 3: 1}
    assert server.connections == connections
    # the only thing that it could take was empty and named nobody
    assert [body for body in server.box if not hits([body])] == [b""] * (connections - 1)


def test_a_refused_sender_with_a_body_wanted_all_the_same_becomes_no_mail() -> None:
    refused = in_turn(None, reply("552 5.3.4 too big"))
    script: Script = {"MAIL": refused, "VOID": reply("554 5.5.1 no")}
    with fault_server(script, extensions=PIPELINED, is_lax=True) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, *map(message, mails(3)))

    assert [one.kind for one in found] == [ACCEPTED, REFUSED, ACCEPTED]
    assert (hits(server.box), server.connections) == ({1: 1, 3: 1}, 1)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DOT"])
def test_an_answer_too_many_is_noticed_before_a_wrong_mail_leaves(stage: str) -> None:
    double = Fault(say=b"250 2.0.0 one\r\n250 2.0.0 two\r\n")
    with fault_server({stage: in_turn(None, double)}, extensions=PIPELINED) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, *map(message, mails(4)))

    kinds = [one.kind for one in found]
    assert kinds.count(DEFERRED) == 1
    assert kinds.count(ACCEPTED) == 3
    taken = {n: 1 for n, kind in zip(mails(4), kinds, strict=True) if kind is ACCEPTED}
    assert hits(server.box) == taken


@each_step
def test_an_answer_to_a_body_that_has_not_left_is_no_answer_to_it(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    stage, words = ("RCPT", b"250 ok\r\n") if is_bdat else ("DATA", b"354 go\r\n")
    early = Fault(say=words + b"250 2.0.0 queued\r\n")
    source = ListSource(message(1), message(2))
    with fault_server({stage: in_turn(early)}, extensions=extensions) as server:
        found = fly(SmtpTransport(account(server.port, connections=1, bdat=is_bdat)), source)

    assert (found[0].kind, found[0].phase, found[0].blame) == (DEFERRED, Phase[stage], Blame.SITE)
    assert (found[1].kind, source.dots, hits(server.box)) == (ACCEPTED, [2], {2: 1})


def test_a_second_word_in_the_greeting_is_no_answer_to_the_next_command() -> None:
    with fault_server({"BANNER": Fault(say=b"220 hello\r\n250 hello again\r\n")}) as server:
        outcome = send_one(server.port)

    assert (outcome.kind, outcome.phase) == (DEFERRED, Phase.EHLO)
    assert "not asked" in outcome.text


def test_a_last_word_in_the_greeting_is_heard() -> None:
    with fault_server({"BANNER": Fault(say=b"220 hello\r\n421 4.7.0 too many\r\n")}) as server:
        outcome = send_one(server.port)

    assert (outcome.phase, outcome.code, outcome.text) == (Phase.EHLO, 421, "too many")


# ---------------------------------------------------------------- stopped from within


@each_step
def test_a_dot_that_may_not_leave_ends_the_connection_not_the_run(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    with fault_server(extensions=extensions) as server:
        source = ListSource(*map(message, mails(4)), stop_at=1)
        found = fly(SmtpTransport(account(server.port, connections=1, bdat=is_bdat)), source)

    assert [one.kind for one in found] == [ACCEPTED, DEFERRED, ACCEPTED, ACCEPTED]
    assert (found[1].phase, found[1].blame, found[1].text) == (Phase.BODY, Blame.US, STOPPED)
    assert (hits(server.box), source.dots) == ({1: 1, 3: 1, 4: 1}, [1, 2, 3, 4])
    assert (server.connections, "RSET" in server.verbs) == (2, False)


@each_step
def test_a_cancelled_flight_says_what_may_have_left(
    extensions: tuple[str, ...], is_bdat: bool
) -> None:
    source = ListSource(*map(message, mails(3)))

    async def run(port: int) -> None:
        way = SmtpTransport(account(port, connections=1, bdat=is_bdat))
        task = asyncio.create_task(way.fly(source))
        while len(source.dots) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    stage = "BDAT" if is_bdat else "DOT"
    with fault_server({stage: in_turn(None, HANG)}, extensions=extensions) as server:
        loops.run(run(server.port))

    ends = [(one.kind, one.blame) for _number, one in sorted(source.found.items())]
    taken = len(source.flights) - len(source.waiting)
    assert ends[:2] == [(ACCEPTED, Blame.NOBODY), (UNKNOWN, Blame.SITE)]
    assert ends[2:] == [(DEFERRED, Blame.US)] * (taken - 2)
    assert source.found[2].text == CALLED_OFF


def test_a_source_that_breaks_is_heard_of() -> None:
    class Broken(ListSource):
        def landed(self, flight: Flight, outcome: Outcome) -> None:
            super().landed(flight, outcome)
            raise ZeroDivisionError("the ledger")

    with fault_server(extensions=PIPELINED) as server, pytest.raises(ZeroDivisionError):
        fly(SmtpTransport(account(server.port)), Broken(*map(message, mails(5))))


# ---------------------------------------------------------------- sizes and addresses


def test_a_mail_larger_than_the_server_takes_is_not_offered() -> None:
    with fault_server(extensions=("SIZE 100",)) as server:
        outcome = send_one(server.port, message(content=b"x" * 101))

    assert (outcome.kind, outcome.blame, outcome.status) == (REFUSED, Blame.MESSAGE, "5.3.4")
    assert "MAIL" not in server.verbs


@pytest.mark.parametrize("size", ["0", "", "many", "1" * 30, "²"])
def test_an_odd_size_limit_is_no_limit(size: str) -> None:
    with fault_server(extensions=(f"SIZE {size}",)) as server:
        assert send_one(server.port).kind is ACCEPTED


UNSAFE = ["anna@example.com>\r\nRCPT TO:<x@y.example", "a b@example.com", "no-at",
          "a@b@c.example", "@example.com", "a" * 250 + "@example.com"]  # fmt: skip


@pytest.mark.parametrize("address", UNSAFE)
@pytest.mark.parametrize("extensions", [PIPELINED, (*PIPELINED, "SMTPUTF8")])
def test_an_unsafe_recipient_never_reaches_the_wire(
    address: str, extensions: tuple[str, ...]
) -> None:
    with fault_server(extensions=extensions) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, message(1), message(2, rcpt_to=address), message(3))

    assert [one.kind for one in found] == [ACCEPTED, REFUSED, ACCEPTED]
    assert found[1].blame is Blame.RECIPIENT
    assert server.verbs.count("RCPT") == 2


def test_letters_outside_ascii_are_refused_where_the_server_takes_none() -> None:
    with fault_server(extensions=PIPELINED) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, message(1, rcpt_to="анна@example.com"), message(2, is_utf8=True))

    assert {(one.kind, one.blame, one.status) for one in found} == {(REFUSED, Blame.SITE, "5.6.7")}
    assert "SMTPUTF8" in found[0].text
    assert "MAIL" not in server.verbs


def test_letters_outside_ascii_go_as_they_are_where_the_server_takes_them() -> None:
    body = "Subject: Привет\r\n\r\nх\r\n".encode()
    cyrillic = message(1, rcpt_to="анна@пример.испытание", content=body, is_utf8=True)
    with fault_server(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8")) as server:
        way = SmtpTransport(account(server.port, connections=1))
        found = send(way, cyrillic, message(2))

    assert [one.kind for one in found] == [ACCEPTED, ACCEPTED]
    assert server.log[1] == b"MAIL FROM:<bounce@shop.example> BODY=8BITMIME SMTPUTF8\r\n"
    assert server.log[2] == "RCPT TO:<анна@пример.испытание>\r\n".encode()
    assert b"MAIL FROM:<bounce@shop.example>\r\n" in server.log


@pytest.mark.parametrize(
    "address",
    ["анна @example.com", "анна\u2028@example.com", "а>\r\nDATA\r\n@x.example", "\ud800@x.example",
     "а" * 130 + "@example.com", "анна@при мер.example"],
)  # fmt: skip
def test_unsafe_letters_outside_ascii_never_reach_the_wire(address: str) -> None:
    with fault_server(extensions=(*PIPELINED, "SMTPUTF8")) as server:
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

    assert outcome._replace(took_ms=0) == outcome._replace(
        code=550,
        status="5.1.1",
        text="<anna@example.com> [31munknown",
        host=f"127.0.0.1:{server.port}",
        is_dead_address=True,
        took_ms=0,
    )


def test_an_empty_message_is_a_mail_too() -> None:
    with fault_server(extensions=PIPELINED) as server:
        assert send_one(server.port, message(content=b"")).kind is ACCEPTED

    assert server.box == [b"\r\n"]
