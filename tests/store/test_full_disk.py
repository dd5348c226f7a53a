"""A disk without room: nothing is written, and what is there can be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: No file may grow, as on a full disk; then there is room again.
SCRIPT = """
import resource, sys
import sqlalchemy as sa
from crm_mailer.model.errors import StoreError
from crm_mailer.store import facts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import open_store
from tests.conftest import NOON

store = open_store(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
with store.read() as connection:
    print(facts.find(connection, "told"))
try:
    with store.write() as connection:
        facts.put(connection, "told", "more", NOON)
except StoreError as error:
    print(str(error).partition(":")[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
with store.write() as connection:
    facts.put(connection, "told", "again", NOON)
with store.read() as connection:
    print(facts.find(connection, "told"))
"""


def test_what_is_there_is_read_and_nothing_written_until_there_is_room(
    empty_database: Path, tmp_path: Path
) -> None:
    file = tmp_path / "shop.db"
    file.write_bytes(empty_database.read_bytes())

    done = subprocess.run([sys.executable, "-c", SCRIPT, f"sqlite:///{file}"],
                          capture_output=True, text=True, check=False)  # fmt: skip

    assert done.stdout.splitlines() == ["None", "the database cannot be written", "again"], done
