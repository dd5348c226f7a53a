from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import kinds, letters, matching
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.words import Words
from crm_mailer.store import replies
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.listening.conftest import KEYS, Desk, bounce, letter, spam_report
from tests.listening.hostile import MB, mails

ROOT = Path(__file__).resolve().parents[2]
WORDS = read_words()
#: RELIABILITY 5.4: seconds for one mail, and megabytes for all of them.
SECONDS, MEMORY = 5, 512


@pytest.mark.timeout(400)
def test_no_hostile_mail_takes_long_or_fills_the_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.listening.hostile"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=380,
        check=True,
    )
    told = json.loads(done.stdout)

    assert set(told["mails"]) == set(mails())
    assert {name: said for name, said in told["mails"].items() if said[1] > SECONDS} == {}
    assert told["memory"] <= MEMORY


@pytest.mark.timeout(300)
def test_every_hostile_mail_is_stored_and_listed(
    sqlite_store: Store, words: Words, tmp_path: Path
) -> None:
    desk = Desk(sqlite_store, words, tmp_path)
    hostile = [raw for make in mails().values() if len(raw := make()) <= 2 * MB]

    report = desk.comes(*hostile)

    assert report.troubles == []
    assert report.quarantined == 0
    with sqlite_store.read() as connection:
        assert len(replies.list_(connection, limit=1_000)) == len(hostile)


def test_a_bomb_that_is_attached_is_not_unpacked() -> None:
    read = letters.read(mails()["an attached bomb"]())

    assert [(part.text, part.is_attachment) for part in read.parts] == [("", True)]
    assert read.parts[0].size < MB


def test_scripts_are_no_text() -> None:
    text = letters.read(mails()["scripts"]()).full_text

    assert "while" not in text
    assert "alert" not in text


def test_two_robots_that_answer_each_other_stay_robots(desk: Desk) -> None:
    answer = letter("I am away.", subject="Re: Re: hello", Auto_Submitted="auto-replied")

    desk.comes(*[answer.replace(b"hello", b"hello %d" % n) for n in range(30)])

    assert {reply.kind for reply in desk.replies()} == {"auto_reply"}
    assert desk.suppressed() == []


def test_a_forged_report_suppresses_nobody_else(desk: Desk) -> None:
    desk.customer("boris@example.com")

    desk.comes(
        letter("550 5.1.1 <boris@example.com> user unknown", subject="Undelivered Mail"),
        letter("Feedback-Type: abuse\nOriginal-Rcpt-To: boris@example.com", subject="Re: abuse"),
    )

    assert desk.suppressed() == []


SEEDS = [
    letter("Where is my parcel?\n\n> earlier\n", html="<p>Where?</p><blockquote>x</blockquote>"),
    letter("Я в отпуске до 12 августа.", subject="Автоответ: заказ"),
    letter("stop", subject="unsubscribe"),
    bounce("anna@example.com"),
    spam_report("anna@example.com"),
]


def mutated(raw: bytes, seed: int, count: int) -> bytes:
    """`raw` with bytes changed, cut out, doubled and swapped, always in the same way."""
    chance, mail = random.Random(seed), bytearray(raw)
    for _ in range(count):
        start = chance.randrange(len(mail) + 1)
        end = min(len(mail), start + chance.randrange(1, 40))
        match chance.randrange(4):
            case 0:
                mail[start:end] = chance.randbytes(end - start)
            case 1:
                del mail[start:end]
            case 2:
                mail[start:start] = mail[start:end] * chance.randrange(1, 9)
            case _:
                mail[start:end] = bytes(reversed(mail[start:end]))
    return bytes(mail)


def sorted_once(raw: bytes) -> kinds.SortedMail:
    read = letters.read(raw)
    return kinds.sort(read, WORDS, matching.prove(read, KEYS), NOON)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SEEDS), st.integers(0, 10**6), st.integers(1, 30))
def test_a_mutated_mail_gets_exactly_one_kind_and_keeps_its_text(
    raw: bytes, seed: int, count: int
) -> None:
    found = sorted_once(mutated(raw, seed, count))

    assert isinstance(found.kind, ReplyKind)
    if found.kind is ReplyKind.HUMAN:
        full = found.full_text.replace("\xa0", " ").replace("\r\n", "\n").replace("\r", "\n")
        assert all(line.strip() in full for line in found.own_text.split("\n"))
        assert bool(found.own_text.strip()) == bool(found.full_text.strip())


@pytest.mark.shared
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_mutated_real_mails_are_read_too(real: list[bytes], seed: int, count: int) -> None:
    raw = real[seed % len(real)]

    assert isinstance(sorted_once(mutated(raw, seed, count)).kind, ReplyKind)


@pytest.fixture(scope="module")
def real() -> list[bytes]:
    folder = ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip("the shared samples are not here")
    return [path.read_bytes() for path in sorted(folder.rglob("*.eml"))]
