"""A newer program changes the schema while an older one is at work."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from alembic import command

from crm_mailer.delivering import NullTransport, deliver
from crm_mailer.model.errors import AlreadyRunning, SchemaAhead
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.touch import Touch
from crm_mailer.store import audit, leases, migrate, soundness
from crm_mailer.store.bundled import bundled
from crm_mailer.store.engine import Store
from crm_mailer.store.leases import Holder
from tests.conftest import NOON, StandingClock
from tests.delivering.letters import PlainRenderer, plan, states

NOW = migrate._chain(migrate._migrations())[-1]
LATER = '''"""a made-up one"""
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{now}"
branch_labels = None
depends_on = None
{works_from}

def upgrade() -> None:
    op.add_column("touches", sa.Column("mood", sa.Text(), server_default="", nullable=False))
    op.add_column("customers", sa.Column("star_sign", sa.Text(), nullable=True))
    op.create_table("moods", sa.Column("name", sa.Text(), primary_key=True))
'''
Later = Callable[..., Path]


@pytest.fixture
def later(tmp_path: Path) -> Later:
    """The migrations of a later program."""

    def make(*, works_from: str = "") -> Path:
        folder = tmp_path / "migrations"
        shutil.copytree(bundled("migrations"), folder)
        line = f'works_from = "{works_from}"' if works_from else ""
        text = LATER.format(now=NOW, works_from=line)
        (folder / "versions" / "9000_made_up.py").write_text(text)
        return folder

    return make


class UpgradingRenderer(PlainRenderer):
    """In the middle of a round, another host brings the database to its schema."""

    def __init__(self, store: Store, folder: Path) -> None:
        super().__init__()
        self.store, self.folder = store, folder

    def render_batch(self, wanted: Sequence[Touch]) -> list[Message | NotRendered]:
        if not self.seen:
            assert migrate.upgrade(self.store, folder=self.folder) == ("9000",)
        return super().render_batch(wanted)


def round_(store: Store, folder: Path, renderer: PlainRenderer, owner: str) -> int:
    report = deliver(store, renderer, NullTransport(), clock=StandingClock(), owner=owner,
                     journal_folder=folder)  # fmt: skip
    return report.outcomes["accepted"]


def test_an_older_program_goes_on_while_the_schema_grows(
    store: Store, later: Later, tmp_path: Path
) -> None:
    folder, journal = later(works_from=NOW), tmp_path / "journal"
    plan(store, 30, NOON)
    assert round_(store, journal, UpgradingRenderer(store, folder), "a") == 30
    migrate.verify(store)
    plan(store, 5, NOON)
    assert round_(store, journal, PlainRenderer(), "b") == 5
    assert states(store) == {"accepted": 35}
    with store.read() as connection:
        assert audit.audit(connection, NOON).is_sound
        assert all(one.is_well for one in soundness.look(connection, NOON))


def test_an_older_program_stops_where_it_could_not_go_on(store: Store, later: Later) -> None:
    migrate.upgrade(store, folder=later())
    with pytest.raises(SchemaAhead, match="9000"):
        migrate.verify(store)


def test_a_later_step_keeps_what_an_earlier_one_forbids(later: Later) -> None:
    folder = later()
    (folder / "versions" / "9001_another.py").write_text(
        'revision = "9001"\ndown_revision = "9000"\nworks_from = "0001"\n'
    )
    assert migrate._works_from(migrate._migrations(folder)) == "9000"


@pytest.mark.parametrize("name", ["daemon:a", "worker:a:1"])
def test_no_living_program_is_left_behind(store: Store, later: Later, name: str) -> None:
    with store.write() as connection:
        me = Holder(owner="me", host="mill", pid=7)
        leases.acquire(connection, name, owner=me, seconds=60, now=NOON)
    folder = later()
    with pytest.raises(AlreadyRunning, match="pid 7 on mill"):
        migrate.upgrade(store, folder=folder, now=NOON)
    migrate.verify(store)
    shutil.rmtree(folder)
    migrate._migrations.cache_clear()
    assert migrate.upgrade(store, folder=later(works_from=NOW), now=NOON) == ("9000",)


UPGRADE = """
import sys
from pathlib import Path
from crm_mailer.store import migrate
from crm_mailer.store.engine import open_store
store = open_store(sys.argv[1])
print(*migrate.upgrade(store, folder=Path(sys.argv[2])))
"""


def test_two_hosts_that_start_at_once_upgrade_once(store: Store, later: Later) -> None:
    place = store.url.render_as_string(hide_password=False)
    words = [sys.executable, "-c", UPGRADE, place, str(later(works_from=NOW))]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _host in range(2)]
    done = sorted(one.communicate(timeout=120)[0].strip() for one in both)
    assert done == ["", "9000"]
    with store.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM moods")) == 0


KNOWN = migrate._migrations()
GENTLE = [name for name in migrate._chain(KNOWN) if KNOWN[name].works_from != name]
#: Since this one, each says what becomes of older programs.
SAYS = migrate._chain(KNOWN)[migrate._place(KNOWN, "0018") :]


class Piece(NamedTuple):
    """A column, or a rule over some. An older program may write rows without what is optional."""

    table: str
    name: str
    kind: str
    is_optional: bool


def shape(connection: sa.Connection) -> set[Piece]:
    found = sa.MetaData()
    found.reflect(connection)
    pieces = set()
    for table in found.tables.values():
        for one in table.columns:
            has_default = one.nullable or one.server_default is not None
            pieces.add(Piece(table.name, one.name, repr(one.type), has_default))
        for rule in table.constraints:
            assert isinstance(rule, sa.schema.ColumnCollectionConstraint)
            columns = ",".join(column.name for column in rule.columns)
            pieces.add(Piece(table.name, columns, type(rule).__name__, False))
        for index in table.indexes:
            columns = ",".join(str(one) for one in index.expressions)
            pieces.add(Piece(table.name, columns, f"index {index.name}", not index.unique))
    return pieces


def test_a_step_with_which_older_programs_may_go_on_only_adds(store: Store) -> None:
    config, _scripts = migrate._config()
    with store.write() as connection:
        config.attributes["connection"] = connection
        for name in reversed(GENTLE):
            after = shape(connection)
            command.downgrade(config, str(KNOWN[name].before))
            before = shape(connection)
            old_tables = {one.table for one in before}
            new = [one for one in after - before if one.table in old_tables]

            assert not before - after, f"{name} takes away or changes"
            assert not [one for one in new if not one.is_optional], f"{name} asks for more"
        command.upgrade(config, "head")
    migrate.verify(store)


@pytest.mark.parametrize("name", SAYS)
def test_each_step_says_what_becomes_of_older_programs(name: str) -> None:
    [file] = bundled("migrations").glob(f"versions/{name}_*.py")
    assert (name in GENTLE) != ("Older programs stop: " in file.read_text(encoding="utf-8"))
