from __future__ import annotations

import gzip
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.delivering.relay_log import RelayLog, Trace, moment, read_relay_log, with_older
from crm_mailer.model.errors import SourceError
from tests.conftest import NOON

ID = "aeaaaaaaaaaaaai.jsezp4bqgmxwyvli@shop.example"


def log(*lines: str, stamp: str = "Nov  2 12:00:{second:02d} mail ") -> str:
    return "".join(
        stamp.format(second=second) + one + "\n" for second, one in enumerate(lines, start=1)
    )


TAKEN = (
    "postfix/smtpd[12]: 4bXyZ12QvTz1abc: client=shop.example[192.0.2.7], sasl_method=PLAIN",
    f"postfix/cleanup[13]: 4bXyZ12QvTz1abc: message-id=<{ID}>",
    "postfix/qmgr[1]: 4bXyZ12QvTz1abc: from=<b@shop.example>, size=99, nrcpt=1 (queue active)",
)
SENT = (
    "postfix/smtp[14]: 4bXyZ12QvTz1abc: to=<anna@gmail.com>, relay=gmail-smtp-in.l.google.com"
    "[142.250.1.27]:25, delay=0.9, delays=0.1/0/0.3/0.5, dsn=2.0.0, status=sent (250 2.0.0 OK)",
    "postfix/qmgr[1]: 4bXyZ12QvTz1abc: removed",
)


def read(
    tmp_path: Path,
    text: str,
    *,
    wanted: tuple[str, ...] = (f"<{ID}>",),
    near: datetime = NOON,
    name: str = "mail.log",
) -> RelayLog:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_relay_log([path], wanted, near=near, zone=UTC, domains=["shop.example"])


def trace(tmp_path: Path, *lines: str) -> Trace:
    return read(tmp_path, log(*lines)).traces[ID]


def test_a_mail_that_the_queue_manager_names_was_taken(tmp_path: Path) -> None:
    found = trace(tmp_path, *TAKEN)

    assert (found.is_taken, found.rejects, found.at) == (True, 0, NOON + timedelta(seconds=3))
    assert found.line.endswith("nrcpt=1 (queue active)")


def test_how_the_relay_went_on_is_the_better_evidence(tmp_path: Path) -> None:
    found = trace(tmp_path, *TAKEN, *SENT)

    assert (found.is_taken, found.fate) == (True, "sent")
    assert "status=sent (250 2.0.0 OK)" in found.line


@pytest.mark.parametrize("fate", ["bounced", "deferred"])
def test_a_mail_that_bounces_later_was_taken_all_the_same(tmp_path: Path, fate: str) -> None:
    found = trace(tmp_path, *TAKEN, SENT[0].replace("status=sent", f"status={fate}"))

    assert (found.is_taken, found.fate) == (True, fate)


@pytest.mark.parametrize("agent", ["lmtp", "local", "virtual", "pipe", "error", "smtp", "qmgr"])
def test_any_agent_that_delivers_shows_that_it_was_taken(tmp_path: Path, agent: str) -> None:
    line = f"postfix/{agent}[14]: 4bXyZ12QvTz1abc: to=<a@b.c>, relay=local, status=sent (ok)"

    assert trace(tmp_path, *TAKEN[:2], line).is_taken


def test_a_header_alone_shows_nothing_since_it_is_read_before_the_dot(tmp_path: Path) -> None:
    lost = "postfix/smtpd[12]: lost connection after DATA (1234 bytes) from shop.example[192.0.2.7]"

    found = trace(tmp_path, *TAKEN[:2], lost)

    assert (found.is_taken, found.rejects, found.seen) == (False, 0, 1)


@pytest.mark.parametrize(
    "reject",
    [
        "postfix/cleanup[13]: 4bXyZ12QvTz1abc: milter-reject: END-OF-MESSAGE from shop.example"
        "[192.0.2.7]: 5.7.1 Spam; from=<b@shop.example> to=<anna@gmail.com> proto=ESMTP helo=<x>",
        "postfix/cleanup[13]: 4bXyZ12QvTz1abc: reject: body Buy now from shop.example[192.0.2.7]; "
        "from=<b@shop.example> to=<anna@gmail.com> proto=ESMTP helo=<x>: 5.7.1 content",
    ],
)
def test_a_mail_that_was_refused_at_the_dot_was_not_taken(tmp_path: Path, reject: str) -> None:
    found = trace(tmp_path, *TAKEN[:2], reject)

    assert (found.is_taken, found.rejects) == (False, 1)
    assert "reject" in found.line


@pytest.mark.parametrize("action", ["hold", "discard", "milter-hold", "milter-discard"])
def test_a_mail_that_was_put_aside_with_a_yes_was_taken(tmp_path: Path, action: str) -> None:
    line = f"postfix/cleanup[13]: 4bXyZ12QvTz1abc: {action}: header Subject: x from s[192.0.2.7]"

    assert trace(tmp_path, *TAKEN[:2], line).is_taken


def test_refused_once_and_taken_at_the_second_try_is_taken(tmp_path: Path) -> None:
    reject = "postfix/cleanup[13]: 4bAAAA: milter-reject: END-OF-MESSAGE from s[192.0.2.7]: 4.7.1"

    found = trace(tmp_path, f"postfix/cleanup[13]: 4bAAAA: message-id=<{ID}>", reject, *TAKEN)

    assert (found.is_taken, found.rejects, found.seen) == (True, 1, 2)
    assert "queue active" in found.line


def test_a_queue_id_that_is_used_again_belongs_to_the_other_mail(tmp_path: Path) -> None:
    found = trace(
        tmp_path,
        f"postfix/cleanup[13]: 3A1B2C3D4E: message-id=<{ID}>",
        "postfix/cleanup[13]: 3A1B2C3D4E: message-id=<other@elsewhere.example>",
        "postfix/qmgr[1]: 3A1B2C3D4E: from=<x@y.z>, size=9, nrcpt=1 (queue active)",
    )

    assert not found.is_taken


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-11-02T12:00:{second:02d}.123456+00:00 mail ",
        "2026-11-02T13:00:{second:02d}+01:00 mail ",
        "2026-11-02T12:00:{second:02d}Z mail ",
        "2026-11-02 12:00:{second:02d} mail ",
        "<22>Nov  2 12:00:{second:02d} mail ",
    ],
)
def test_every_way_to_write_the_time_is_understood(tmp_path: Path, stamp: str) -> None:
    found = read(tmp_path, log(*TAKEN, stamp=stamp)).traces[ID]

    assert (found.is_taken, found.at) == (True, NOON + timedelta(seconds=3))


def test_instances_and_services_of_other_names_are_postfix_too(tmp_path: Path) -> None:
    text = log(*TAKEN).replace("postfix/", "postfix-out/submission/")

    assert read(tmp_path, text).traces[ID].is_taken


@pytest.mark.parametrize(
    ("line", "near", "expected"),
    [
        (b"Dec 31 23:59:58 mail", "2027-01-02T00:00Z", "2026-12-31T23:59:58Z"),
        (b"Jan  1 00:00:01 mail", "2026-12-30T00:00Z", "2027-01-01T00:00:01Z"),
        (b"Feb 29 10:00:00 mail", "2028-03-01T00:00Z", "2028-02-29T10:00Z"),
    ],
)
def test_a_line_without_a_year_is_of_the_nearest_one(line: bytes, near: str, expected: str) -> None:
    found = moment(line, near=datetime.fromisoformat(near), zone=UTC)

    assert found == datetime.fromisoformat(expected)


def test_a_line_without_an_offset_is_of_the_relays_zone() -> None:
    found = moment(b"Nov  2 20:00:00 mail", near=NOON, zone=ZoneInfo("Asia/Shanghai"))

    assert found == NOON


@pytest.mark.parametrize(
    "line", [b"", b"Foo  2 12:00:00", b"Nov 31 12:00:00", b"no time", b"\xff\x00"]
)
def test_a_line_without_a_time_has_none(line: bytes) -> None:
    assert moment(line, near=NOON, zone=UTC) is None


def test_garbage_control_characters_and_huge_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    sent = SENT[0].replace("250 2.0.0 OK", "250 \x1b[2J\x07 \udcff OK")
    path.write_bytes(
        b"\xff\xfe\x00]: : message-id=\n" + b"x" * 1_000_000 + b"\n"
        + log(*TAKEN, sent).encode("utf-8", "surrogateescape") + b"postfix/cleanup[1]: half"
    )  # fmt: skip

    found = read_relay_log([path], [ID], near=NOON, zone=UTC).traces[ID]

    assert found.is_taken
    assert found.line.isprintable()


def test_rotated_and_packed_files_are_read_with_their_successor(tmp_path: Path) -> None:
    lines = log(*TAKEN, *SENT).splitlines(keepends=True)
    for name, part in (
        ("mail.log.2.gz", lines[:2]),
        ("mail.log.1", lines[2:4]),
        ("mail.log", lines[4:]),
    ):
        raw = "".join(part).encode()
        (tmp_path / name).write_bytes(gzip.compress(raw, mtime=0) if name.endswith("gz") else raw)
        os.utime(tmp_path / name, (NOON.timestamp(), NOON.timestamp() + len(part)))
    for name in ("mail.log.3.gz", "mail.log-20200101"):
        (tmp_path / name).write_bytes(b"old")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "mail.log.swp").write_text("no")

    paths = with_older(tmp_path / "mail.log", NOON)
    found = read_relay_log(paths, [ID], near=NOON, zone=UTC)

    assert {path.name for path in paths} == {"mail.log", "mail.log.1", "mail.log.2.gz"}
    assert paths[-1].name == "mail.log"
    assert found.covered == [(NOON + timedelta(seconds=1), NOON + timedelta(seconds=5))]


def test_a_log_covers_only_what_it_has_lines_of(tmp_path: Path) -> None:
    for name, times in (("a", ("10:00", "10:10")), ("b", ("13:00", "14:00"))):
        lines = (f"Nov  2 {at}:00 mail postfix/qmgr[1]: 4bAAAA: removed\n" for at in times)
        (tmp_path / name).write_text("".join(lines))

    found = read_relay_log([tmp_path / "b", tmp_path / "a"], [], near=NOON, zone=UTC)

    at = NOON.replace(hour=13, minute=30)
    assert found.covers(at, at)
    assert not found.covers(NOON.replace(hour=10, minute=5), at)
    assert not found.covers(NOON.replace(hour=13, minute=1), at)
    assert not found.covers(at, NOON.replace(hour=14, minute=1))


def test_mails_of_ours_are_counted_whether_they_were_asked_for_or_not(tmp_path: Path) -> None:
    found = read(tmp_path, log(*TAKEN), wanted=("<nobody@shop.example>",))

    assert (found.ours, found.traces["nobody@shop.example"].seen) == (1, 0)


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("mail.log", b"", "no line of Postfix"),
        ("syslog", b"Nov  2 12:00:00 host kernel[1]: hello\n", "no line of Postfix"),
        ("mail.log.gz", gzip.compress(b"x" * 1000, mtime=0)[:-20], "mail.log.gz"),
        ("mail.log.gz", b"\x1f\x8bnothing of the kind", "mail.log.gz"),
    ],
)
def test_what_is_no_log_of_postfix_is_refused_with_its_name(
    tmp_path: Path, name: str, raw: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(raw)

    with pytest.raises(SourceError, match=words) as caught:
        read_relay_log([tmp_path / name], [ID], near=NOON)

    assert caught.value.hint


def test_a_large_log_is_read_quickly(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    block = "".join(
        log(*TAKEN, *SENT).replace("4bXyZ12QvTz1abc", f"4b{n:010d}") for n in range(100)
    )
    path.write_text(block.replace(ID, "x@y.example") * 400)
    began = time.perf_counter()

    found = read_relay_log([path], [ID] + [f"{n}@shop.example" for n in range(5_000)], near=NOON)

    rate = found.lines / (time.perf_counter() - began)
    assert (found.lines, rate > 60_000) == (200_000, True)
