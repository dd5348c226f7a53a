from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import pytest

from crm_mailer.delivering.port import STOPPED
from crm_mailer.delivering.sandbox import FolderTransport, NullTransport
from crm_mailer.model.delivery import Blame, OutcomeKind, Phase
from tests.conftest import StandingClock
from tests.delivering.letters import ListSource, fly, message, send


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "outbox"


def test_each_mail_becomes_a_file_that_tells_nobody_its_recipient(
    folder: Path, clock: StandingClock
) -> None:
    mails = [message(1), message(2, "boris@example.com")]
    found = send(FolderTransport(folder, clock), *mails)

    names = sorted(path.name for path in folder.iterdir())
    assert names == ["20261102T120000Z-00000001.eml", "20261102T120000Z-00000002.eml"]
    assert [(folder / name).read_bytes() for name in names] == [mail.content for mail in mails]
    assert [one.text for one in found] == [f"written to {name}" for name in names]
    assert {(one.kind, one.phase, one.host) for one in found} == {
        (OutcomeKind.ACCEPTED, Phase.DOT, "sandbox")
    }


def test_folder_and_files_are_their_owners_alone(folder: Path, clock: StandingClock) -> None:
    send(FolderTransport(folder, clock), message())
    (path,) = folder.iterdir()
    assert [stat.S_IMODE(one.stat().st_mode) for one in (folder, path)] == [0o700, 0o600]


def test_a_mail_that_must_not_leave_leaves_no_file(folder: Path, clock: StandingClock) -> None:
    source = ListSource(message(1), message(2), message(3), stop_at=1)
    found = fly(FolderTransport(folder, clock), source)

    assert len(list(folder.iterdir())) == 2
    assert (found[1].kind, found[1].blame, found[1].text) == (
        OutcomeKind.DEFERRED,
        Blame.US,
        STOPPED,
    )
    assert source.dots == [1, 2, 3]


def test_a_folder_that_cannot_be_made_defers_the_mail(tmp_path: Path, clock: StandingClock) -> None:
    (tmp_path / "outbox").write_text("a file")
    found = send(FolderTransport(tmp_path / "outbox", clock), message(1), message(2))

    assert {(one.kind, one.phase, one.blame) for one in found} == {
        (OutcomeKind.DEFERRED, Phase.CONNECT, Blame.SITE)
    }
    assert str(tmp_path / "outbox") in found[0].text


def test_a_file_that_cannot_be_finished_leaves_nothing_behind(
    folder: Path, clock: StandingClock
) -> None:
    folder.mkdir(parents=True)
    (folder / "20261102T120000Z-00000001.eml").mkdir()
    (found,) = send(FolderTransport(folder, clock), message(1))

    assert found.kind is OutcomeKind.DEFERRED
    assert [path.name for path in folder.iterdir()] == ["20261102T120000Z-00000001.eml"]


def test_a_folder_that_vanishes_meanwhile_is_made_again(folder: Path, clock: StandingClock) -> None:
    transport = FolderTransport(folder, clock)
    send(transport, message(1))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    (found,) = send(transport, message(2))
    assert found.kind is OutcomeKind.ACCEPTED


def test_thousands_of_files_are_written_while_others_get_their_turn(
    folder: Path, clock: StandingClock
) -> None:
    ticks = 0

    async def watch() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    async def run() -> None:
        watcher = asyncio.create_task(watch())
        await FolderTransport(folder, clock).fly(source)
        watcher.cancel()

    source = ListSource(*(message(number) for number in range(1, 3001)))
    started = time.monotonic()
    asyncio.run(run())

    assert len(os.listdir(folder)) == 3000  # noqa: PTH208  it is quicker
    assert time.monotonic() - started < 10
    assert ticks >= 3000 // 16


def test_the_null_transport_takes_every_mail_that_may_leave() -> None:
    found = fly(NullTransport(), ListSource(*(message(n) for n in range(1, 41)), stop_at=3))
    assert [one.kind for one in found].count(OutcomeKind.ACCEPTED) == 39
    assert found[3].text == STOPPED
