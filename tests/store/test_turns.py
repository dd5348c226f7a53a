"""Write turns on SQLite between threads and between processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crm_mailer.model.errors import StoreBusy, StoreError
from crm_mailer.store import bulk, turns
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.turns import Turn

#: Writes row after row of 20 KB, for so many seconds; prints how many turns it had. Each lasts so
#: much longer than it need.
WRITER = """
import sys, time
from crm_mailer.store.engine import open_store
seconds, longer, least = map(float, sys.argv[2:])
store, until, turns = open_store(sys.argv[1]), time.monotonic() + seconds, 0
while time.monotonic() < until or turns < least:
    with store.write(durable=turns % 5 == 0) as connection:
        change = "UPDATE notes SET text = hex(randomblob(10000)) WHERE id % 40 = ?"
        connection.exec_driver_sql(change, (turns % 40,))
        connection.exec_driver_sql("INSERT INTO counts (number) VALUES (1)")
        time.sleep(longer)
    turns += 1
print(turns)
"""


@pytest.fixture
def notes(tmp_path: Path) -> str:
    """The address of a database with rows that fill pages."""
    url = f"sqlite:///{tmp_path}/notes.db"
    store = open_store(url)
    with store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
        connection.exec_driver_sql("CREATE TABLE counts (number INTEGER)")
        rows = [(number, "x") for number in range(200)]
        connection.exec_driver_sql("INSERT INTO notes (id, text) VALUES (?, ?)", rows)
    store.close()
    return url


def log_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///") + "-wal")


def writer(url: str, seconds: float, longer: float = 0, least: int = 0) -> subprocess.Popen[str]:
    """Writes for so long, and at least so many turns."""
    words = [sys.executable, "-c", WRITER, url, str(seconds), str(longer), str(least)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def count(url: str) -> int:
    store = open_store(url)
    with store.read() as connection:
        number: int = connection.exec_driver_sql("SELECT count(*) FROM counts").scalar_one()
    store.close()
    return number


def write_much(store: Store, rows: int = 200) -> None:
    with store.write() as connection:
        connection.exec_driver_sql(
            "UPDATE notes SET text = hex(randomblob(30000)) WHERE id < ?", (rows,)
        )


def test_two_processes_write_in_turns_and_the_log_stays_small(notes: str) -> None:
    sizes, reader = [], open_store(notes)
    # on a busy machine it takes longer until so much is written that the log would have grown
    two = [writer(notes, 4, least=450), writer(notes, 4, least=450)]

    while any(one.poll() is None for one in two):
        with reader.read() as connection:
            connection.exec_driver_sql("SELECT sum(length(text)) FROM notes").scalar()
        sizes.append(log_of(notes).stat().st_size)
        time.sleep(0.02)
    reader.close()

    counts = [int(one.communicate()[0]) for one in two]
    assert [one.returncode for one in two] == [0, 0]
    assert count(notes) == sum(counts)
    assert max(sizes) < 6 * turns.CHECKPOINT_AT
    assert sum(counts) * 100_000 > 10 * turns.CHECKPOINT_AT, "too little was written to tell"
    with sqlite3.connect(notes.removeprefix("sqlite:///")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()


def test_beside_a_process_that_writes_all_the_time_another_has_the_next_turn(notes: str) -> None:
    store, waited = open_store(notes), []
    hog = writer(notes, 3, longer=0.02)
    while not count(notes):
        time.sleep(0.02)

    for _ in range(20):
        before = count(notes)
        with store.write() as connection:
            now = connection.exec_driver_sql("SELECT count(*) FROM counts").scalar_one()
            waited.append(now - before)
        time.sleep(0.01)

    assert sorted(waited)[15] <= 2, "turns of the other one, that under way included"
    hog.communicate()
    store.close()


def test_threads_of_one_process_take_turns_too(notes: str) -> None:
    store = open_store(notes)

    def add() -> None:
        for _ in range(50):
            with store.write() as connection:
                number = connection.exec_driver_sql("SELECT count(*) FROM counts").scalar_one()
                connection.exec_driver_sql("INSERT INTO counts (number) VALUES (?)", (number,))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    with store.read() as connection:
        numbers = connection.exec_driver_sql("SELECT number FROM counts ORDER BY 1").scalars().all()
    assert numbers == list(range(200))
    store.close()


def test_a_turn_that_does_not_come_ends_in_a_plain_error(notes: str) -> None:
    first, second = open_store(notes), open_store(notes + "?timeout=0.2")

    with first.write():
        begun = time.monotonic()
        with pytest.raises(StoreBusy, match="locked by another program") as told, second.write():
            pass

    assert 0.2 <= time.monotonic() - begun < 2
    assert told.value.hint
    with second.write() as connection:
        connection.exec_driver_sql("INSERT INTO counts (number) VALUES (1)")
    first.close()
    second.close()


def test_a_program_without_our_locks_is_waited_for_as_well(notes: str) -> None:
    store = open_store(notes + "?timeout=0.2")
    shell = sqlite3.connect(notes.removeprefix("sqlite:///"), isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusy), store.write():
        pass
    shell.execute("COMMIT")

    with store.write() as connection:
        connection.exec_driver_sql("INSERT INTO counts (number) VALUES (1)")
    shell.close()
    store.close()


def test_a_write_that_fails_gives_the_turn_back(notes: str) -> None:
    first, second = open_store(notes), open_store(notes + "?timeout=0.2")

    with pytest.raises(ZeroDivisionError), first.write():
        raise ZeroDivisionError

    with second.write() as connection:
        connection.exec_driver_sql("INSERT INTO counts (number) VALUES (1)")
    assert count(notes) == 1
    first.close()
    second.close()


def test_what_a_reader_still_needs_is_kept_and_the_log_shrinks_later(
    notes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "AGAIN", 0.0)
    store = open_store(notes)
    text = "SELECT text FROM notes WHERE id = 7"
    with store.read() as connection:
        assert connection.exec_driver_sql(text).scalar() == "x"
        write_much(store)
        grown = log_of(notes).stat().st_size
        assert connection.exec_driver_sql(text).scalar() == "x"

    write_much(store, rows=1)

    assert grown > turns.CHECKPOINT_AT
    assert log_of(notes).stat().st_size == 0
    store.close()


def test_a_log_far_too_large_waits_for_readers_but_not_for_ever(
    notes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "FAR_TOO_LARGE", turns.CHECKPOINT_AT)
    monkeypatch.setattr(turns, "PATIENCE_MS", 300)
    store = open_store(notes)
    begun = time.monotonic()

    with store.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM notes").scalar()
        write_much(store)
        write_much(store)

    assert 0.3 <= time.monotonic() - begun < 5
    store.close()


def test_masses_are_checkpointed_seldom_until_the_usual_way_is_back(notes: str) -> None:
    store = open_store(notes)
    with store.write() as connection:
        bulk.widen(connection)
    write_much(store)
    wide = log_of(notes).stat().st_size
    with store.write() as connection:
        bulk.narrow(connection)

    assert turns.CHECKPOINT_AT < wide < turns.WIDE_CHECKPOINT_AT
    assert log_of(notes).stat().st_size == 0
    store.close()


def test_lock_files_that_cannot_be_written_are_told_by_name(tmp_path: Path) -> None:
    turn = Turn(f"{tmp_path}/gone/crm-mailer.db", 1.0)

    with pytest.raises(StoreError, match=r"gone/\.crm-mailer\.db-next: No such file") as told:
        turn.take()

    assert "rights" in told.value.hint


def test_a_closed_store_leaves_no_open_file(notes: str) -> None:
    before = set(Path("/proc/self/fd").iterdir())
    store = open_store(notes)
    with store.write() as connection:
        connection.exec_driver_sql("INSERT INTO counts (number) VALUES (1)")

    store.close()

    assert set(Path("/proc/self/fd").iterdir()) == before


def test_in_memory_there_are_no_turns_and_no_files(tmp_path: Path) -> None:
    store = open_store("sqlite://")

    with store.write() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER PRIMARY KEY)")

    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM notes").scalar() == 0
    assert not list(tmp_path.iterdir())
    store.close()


def test_a_turn_costs_little(notes: str) -> None:
    turn, rounds = Turn(notes.removeprefix("sqlite:///"), 1.0), 2_000
    raw = sqlite3.connect(turn.file)
    turn.take()
    turn.give_back()
    begun = time.process_time()

    for _ in range(rounds):
        turn.take()
        turn.checkpoint(raw)
        turn.give_back()

    assert (time.process_time() - begun) / rounds < 50e-6
    raw.close()
    turn.close()
