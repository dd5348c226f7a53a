"""What the shell of the studio asks of the database, on each engine."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread
from types import SimpleNamespace
from typing import cast

import pytest

from crm_mailer.app import App
from crm_mailer.app import staff as verbs
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.staff import Noted, Role
from crm_mailer.store import finding, staff, today
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.learning.shop import SmallShop
from tests.store.ledger import mail

HOUR = timedelta(hours=1)


def test_users_sessions_and_the_log(store: Store) -> None:
    with store.write() as connection:
        assert not staff.has_users(connection)
        assert staff.add_user(connection, "lin", Role.AGENT, "hash", NOON)
        assert not staff.add_user(connection, "lin", Role.ADMIN, "other", NOON)
        assert staff.has_users(connection)
        for digest in ("a", "b", "c"):
            staff.begin(connection, digest, "lin", NOON, "192.0.2.1", "Firefox")
        staff.touch(connection, "b", NOON + HOUR)
        staff.set_role(connection, "lin", Role.MARKETER)
        staff.rehash(connection, "lin", "not it", "stolen")
        staff.rehash(connection, "lin", "hash", "better")
        staff.end(connection, "c")
    with store.read() as connection:
        found = staff.find_user(connection, "lin")
        assert found is not None
        assert (found[0].role, found[1], found[0].seen_at) == (Role.MARKETER, "better", NOON)
        assert [one.digest for one in staff.list_sessions(connection, "lin")] == ["b", "a"]
        session = staff.find_session(connection, "a")
        assert session is not None
        assert (session.user, session.role, session.address) == ("lin", "marketer", "192.0.2.1")
        assert staff.find_session(connection, "c") is None
    with store.write() as connection:
        staff.sweep(connection, NOON - HOUR, NOON + HOUR / 2)
        assert [one.digest for one in staff.list_sessions(connection, "lin")] == ["b"]
        assert staff.end_all(connection, "lin", but="b") == 0
        assert staff.remove_user(connection, "lin")
        assert not staff.remove_user(connection, "lin")
        assert staff.find_session(connection, "b") is None


@pytest.mark.parametrize("how", ["demoted", "removed"])
def test_two_admins_who_do_away_with_each_other_at_once_leave_one(store: Store, how: str) -> None:
    app = cast("App", SimpleNamespace(store=store))
    found: list[BaseException | None] = []

    def do_away_with(name: str) -> None:
        try:
            if how == "demoted":
                verbs.change_role(app, name, Role.VIEWER, by="other", now=NOON)
            else:
                verbs.remove(app, name, by="other", now=NOON)
        except NotPossible as error:
            found.append(error)

    with store.write() as connection:
        for name, role in (("lin", Role.ADMIN), ("mo", Role.ADMIN), ("wei", Role.VIEWER)):
            staff.add_user(connection, name, role, "hash", NOON)
    with store.write() as connection:
        staff.set_role(connection, "mo", Role.VIEWER)
        meanwhile = Thread(target=do_away_with, args=["lin"])
        meanwhile.start()
        # long enough to look before this is written, if it looked too early
        meanwhile.join(0.3)
        assert meanwhile.is_alive()
    meanwhile.join(20)

    assert [str(error) for error in found] == ["lin is the only admin"]
    with store.read() as connection:
        admins = [one.name for one in staff.list_users(connection) if one.role is Role.ADMIN]
    assert admins == ["lin"]


def test_failures_are_counted_by_name_and_by_machine(store: Store) -> None:
    with store.write() as connection:
        for who, address in (("lin", "1"), ("lin", "2"), ("wei", "1")):
            staff.note(connection, Noted.LOGIN_FAILED, at=NOON, who=who, address=address)
        staff.note(connection, Noted.LOGIN, at=NOON, who="lin", address="1")
        count = staff.count_failures

        assert count(connection, NOON, who="lin") == 2
        assert count(connection, NOON, address="1") == 2
        assert count(connection, NOON, who="lin", address="1") == 1
        assert count(connection, NOON + HOUR) == 0
        lines = staff.list_log(connection, limit=2)
        assert [line.what for line in lines] == ["login", "login_failed"]
        older = staff.list_log(connection, before=lines[-1].id, what="login_failed", who="lin")
        assert [line.address for line in older] == ["2", "1"]


def test_what_leaves_and_what_left_is_counted_by_the_hour(store: Store) -> None:
    mail(store, "planned", campaign="spring")
    mail(store, "planned", campaign="spring", at=NOON + 3 * HOUR)
    mail(store, "planned", campaign="autumn", at=NOON - 30 * HOUR)
    mail(store, "accepted", "accepted", campaign="autumn")
    now = NOON + timedelta(minutes=5)
    with store.read() as connection:
        lanes = [("transactional", "other"), ("marketing", "other"), ("transactional", "gmail"),
                 ("marketing", "gmail")]  # fmt: skip
        due = today.outgoing(connection, lanes, now, NOON + 24 * HOUR)
        tried = today.attempts(connection, NOON - HOUR, NOON + 24 * HOUR)

        assert sum(number for _at, _campaign, number in due) == 3
        assert {at for at, campaign, _number in due if campaign == "autumn"} == {NOON}
        assert sum(number for _at, outcome, number in tried if outcome == "accepted") == 1
        assert today.outcomes(connection, NOON - HOUR, NOON + 24 * HOUR) == {"accepted": 1}
        assert today.held(connection, ["spring", "autumn"]) == {}
        assert today.count_attempts(connection, NOON - HOUR, NOON + 24 * HOUR) == 1


def test_what_waits_and_what_came_back_is_counted(store: Store) -> None:
    shop = SmallShop(store)
    shop.wrote("complaint", "nad.damaged")
    shop.wrote(None, kind="auto_reply")
    shop.add(
        t.suppressions, address_key="a@b.example", reason="unsubscribed", scope="marketing", at=NOON
    )
    shop.add(t.tasks, kind="answer", key="x", created_at=NOON, due_at=NOON - HOUR)
    with store.read() as connection:
        assert today.replies(connection, NOON - HOUR) == {
            ("human", "complaint"): 1, ("auto_reply", ""): 1,
        }  # fmt: skip
        assert today.suppressions(connection, NOON - HOUR) == {"unsubscribed": 1}
        assert today.tasks(connection, NOON) == (1, 1)
        assert today.count_orders(connection, NOON - HOUR) == 1
        assert today.bounces(connection, NOON - HOUR) == {}
        assert today.count_spam_reports(connection, NOON) == 0
        assert today.count_quarantined(connection) == 0
        assert today.count_alerts(connection) == 0
        assert today.cases(connection, NOON, NOON + HOUR) == today.CaseCounts(
            open=0, overdue=0, due_soon=0
        )


def test_the_finder_finds_by_the_beginning(store: Store) -> None:
    number = mail(store, "accepted", "accepted")
    shop = SmallShop.__new__(SmallShop)
    shop.store = store
    dates = {"created_at": NOON, "changed_at": NOON}
    shop.anna, other = (
        shop.add(t.customers, id=id_, name=name, email=email, email_key=email, **dates)
        for id_, name, email in (
            (50, "Anna Petrova", "anna@example.com"), (51, "anna Ümlaut", "anna_x@example.org")
        )
    )  # fmt: skip
    shop.new_order("A-1", shop.anna)
    with store.read() as connection:

        def people(text: str) -> set[int]:
            return {one.number for one in finding.customers(connection, text, 20)}

        assert people("Anna") == {shop.anna, other}
        assert people("anna@") == {shop.anna}
        assert people("anna_") == {other}
        assert people("nna") == people("%") == set()
        assert [one.text for one in finding.orders(connection, "A-1", 5)] == ["A-1"]
        assert [one.number for one in finding.mails(connection, str(number))] == [number]
        assert finding.mails(connection, "<none@example.com>") == []
        assert finding.cases(connection, "1") == finding.replies(connection, "x@y") == []
