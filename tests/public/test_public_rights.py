"""On PostgreSQL the public pages run as a role that may do next to nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from crm_mailer.app import App, preferences, public_door
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.hit import WebHit
from crm_mailer.model.token import Purpose
from crm_mailer.settings import read_settings
from crm_mailer.store import hooks, links, suppressions, web_events
from tests.conftest import NOON, StandingClock
from tests.databases import PostgresDatabase
from tests.public import page_site
from tests.public.page_site import ONE_CLICK, PageSite

BOB, ROLE = "bob@example.com", "crm_public_of_tests"


@pytest.fixture(scope="module")
def pages(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PageSite, App]]:
    """The pages as that role serves them, and the shop as its owner has it open."""
    database = PostgresDatabase(postgres_server)
    url = database.emptied()
    owner = page_site.build(tmp_path_factory.mktemp("rights") / "shop", database=url)
    with owner.store.write() as connection:
        connection.exec_driver_sql(f"DROP ROLE IF EXISTS {ROLE}")
        connection.exec_driver_sql(f"CREATE ROLE {ROLE} LOGIN")
        for statement in public_door.grants(ROLE):
            connection.exec_driver_sql(statement)
    told = {"CRM_MAILER_DATABASE": _as_role(url)}
    app = App(owner.home, read_settings(owner.home, told), StandingClock(NOON))
    site = page_site.serve(app)
    yield site, owner
    site.running.stop()
    app.close()
    with owner.store.write() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {ROLE}")
        connection.exec_driver_sql(f"DROP ROLE {ROLE}")
    owner.close()
    database.drop()


def _as_role(url: str) -> str:
    found = sa.make_url(url).set(username=ROLE, password=None)
    return found.render_as_string(hide_password=False)


@pytest.mark.postgres
def test_every_page_works_with_these_rights(pages: tuple[PageSite, App]) -> None:
    site, owner = pages
    for purpose in (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.WEB, Purpose.CONFIRM):
        assert site.ask(site.link(purpose, BOB)).status == 200
    unsubscribe = site.link(Purpose.UNSUBSCRIBE, BOB)
    assert site.ask(unsubscribe, "POST", ONE_CLICK, content_type=page_site.FORM).status == 200
    assert site.post(site.link(Purpose.CONFIRM, BOB), act="yes").status == 200
    saved = site.post(site.link(Purpose.PREFERENCES, BOB), act="save", often="fewer")
    assert saved.status == 200
    assert preferences.take_in(owner) == 3
    with owner.store.read() as connection:
        assert suppressions.list_(connection) == []  # the yes came last


@pytest.mark.postgres
def test_clicks_and_requests_of_other_programs_are_kept(pages: tuple[PageSite, App]) -> None:
    site, _owner = pages
    request = hooks.NewRequest(source="ses", kind="ses", topic="", key="1", digest="x", body=b"{}")
    with site.app.store.write() as connection:
        web_events.add(connection, [WebHit("click", 1, 1, 1, "agent", "192.0.2.0", "GET")])
        assert hooks.add(connection, request, NOON) is not None
        assert hooks.add(connection, request, NOON) is None
        for _ in range(2):
            hooks.refuse(connection, "ses", "forged", 3, NOON)
    with site.app.store.read() as connection:
        assert links.find(connection, 1) is None


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM replies",
        "SELECT count(*) FROM cases",
        "SELECT count(*) FROM orders",
        "SELECT phone FROM customers",
        "SELECT birth_day FROM customers",
        "SELECT * FROM facts",
        "UPDATE customers SET language = 'xx'",
        "UPDATE page_acts SET taken_at = 1",
        "DELETE FROM page_acts",
        "DELETE FROM suppressions",
        "INSERT INTO suppressions (address_key, reason, scope, at) VALUES ('a', 'b', 'c', 1)",
        "CREATE TABLE mine (id int)",
        "TRUNCATE page_acts",
    ],
)
def test_nothing_else_can_be_done_with_them(pages: tuple[PageSite, App], statement: str) -> None:
    site, _owner = pages
    refused = pytest.raises(ProgrammingError, match="permission denied")
    with site.app.store.engine.connect() as connection, refused:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("role", ["", "a b", 'x"; DROP TABLE customers; --', "ä", "1st"])
def test_what_is_no_role_is_refused(role: str) -> None:
    with pytest.raises(NotPossible):
        public_door.grants(role)
