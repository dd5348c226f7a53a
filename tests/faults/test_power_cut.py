from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from crm_mailer.store.engine import open_store
from tests.faults.power_cut import Log, cut, tear, trial

#: What was rendered after the last fsync is gone, while the journal may still hold the answer.
FORGOTTEN = {"accepted, but its message is not on record"}


def test_power_cuts_double_nothing_and_lose_nothing(tmp_path: Path) -> None:
    found = trial(8, 700, tmp_path)

    assert (found["duplicates"], found["lost"], found["cuts"]) == (0, 0, 8)
    assert (set(found["troubles"]) <= FORGOTTEN, found["integrity"]) == (True, "ok")
    assert 0 < found["in_doubt"] <= found["bound"]
    assert found["lost_octets"] > 0


def test_a_cut_takes_what_was_committed_without_an_fsync_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    store = open_store(f"sqlite:///{path}")
    with store.write(durable=True) as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")
    safe = Log(path)
    for number in range(2, 30):
        with store.write() as connection:
            connection.exec_driver_sql(f"INSERT INTO t VALUES ({number})")
    (tmp_path / "shop.db-safe").write_text(f'["{safe.salts.hex()}", {safe.frames}]\n')
    kept = {name: (tmp_path / name).read_bytes() for name in ("shop.db-wal", "shop.db-shm")}

    rows = set()
    for seed in range(20):
        (tmp_path / "shop.db-wal").write_bytes(kept["shop.db-wal"])
        (tmp_path / "shop.db-shm").write_bytes(kept["shop.db-shm"])
        place = tmp_path / f"copy-{seed}"
        place.mkdir()
        for file in tmp_path.glob("shop.db*"):
            (place / file.name).write_bytes(file.read_bytes())
        cut(place / "shop.db", random.Random(seed))
        copy = sqlite3.connect(place / "shop.db")
        rows.add(copy.execute("SELECT count(*) FROM t").fetchone()[0])
        copy.close()
    store.close()

    assert min(rows) >= 1
    assert max(rows) <= 29
    assert len(rows) > 5


def test_a_torn_file_keeps_what_was_before_the_tear(tmp_path: Path) -> None:
    for seed in range(20):
        path = tmp_path / str(seed)
        path.write_bytes(b"x" * 2_000)
        tear(path, 700, random.Random(seed))
        left = path.read_bytes()
        assert left[:700] == b"x" * 700
        assert left[1_024:].strip(b"\0") == b""
