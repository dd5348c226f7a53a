from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, threading, _sqlite3
from crm_mailer.store.engine import open_store, trust_threads
{before}
store = open_store("sqlite:///{file}")
with store.write() as connection:
    connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")
{after}
def add(number):
    with store.write() as connection:
        connection.exec_driver_sql("INSERT INTO numbers VALUES (?)", (number,))
threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
for one in threads: one.start()
for one in threads: one.join()
with store.read() as connection:
    assert connection.exec_driver_sql("SELECT sum(number) FROM numbers").scalar() == 28
print(ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used())
"""


@pytest.mark.parametrize(
    ("before", "after", "is_spared"),
    [("trust_threads()", "", True), ("", "", False), ("", "trust_threads()", False)],
    ids=["before the first database", "not asked", "too late"],
)
def test_sqlite_is_spared_its_locks_only_before_the_first_database(
    before: str, after: str, is_spared: bool, tmp_path: Path
) -> None:
    program = PROGRAM.format(before=before, after=after, file=tmp_path / "shop.db")

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert (int(done.stdout) == 0) is is_spared
