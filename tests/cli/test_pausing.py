from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from crm_mailer.app import App, delivering, pausing
from crm_mailer.delivering.pacing import HALVED
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import alerts, lanes, paces, pauses, reputation
from crm_mailer.store.lanes import Rest
from tests.cli.conftest import Run
from tests.conftest import NOON, StandingClock
from tests.store.came_back import spam_report
from tests.store.ledger import mail, state_of

EDM = "spring-sale"


@pytest.fixture
def campaign(app: App) -> str:
    """A campaign that is defined."""
    return sorted(app.definitions.campaigns)[0]


def scopes(app: App) -> list[str]:
    return [one.scope for one in pausing.list_pauses(app)]


def test_a_part_is_paused_listed_and_let_go_on(run: Run, app: App, campaign: str) -> None:
    asked: tuple[list[str], ...] = (
        ["--campaign", campaign],
        ["--lane", "gmail/marketing"],
        ["--account", "sandbox"],
        [],
    )
    for options in asked:
        done = run("pause", *options, "--reason", "wrong price")
        assert done.exit_code == 0
        assert f"crm-mailer resume {' '.join(options)}".strip() in " ".join(done.stderr.split())
    before = scopes(app)
    listed = " ".join(run("pause", "--list").stdout.split())
    for options in asked:
        assert "goes on" in run("resume", *options).stderr

    assert sorted(before) == sorted(
        ["all", "account:sandbox", f"campaign:{campaign}", "lane:gmail/marketing"]
    )
    assert "wrong price" in listed
    assert "a person" in listed
    assert scopes(app) == []


def test_what_is_left_paused_is_told_by_resume(run: Run, app: App) -> None:
    run("pause")
    run("pause", "--lane", "marketing")

    told = run("resume").stderr

    assert "still paused: lane marketing" in told
    assert scopes(app) == ["lane:marketing"]


def test_pausing_twice_and_resuming_what_runs_say_so(run: Run) -> None:
    run("pause", "--lane", "qq")

    assert "was paused already" in run("pause", "--lane", "qq").stderr
    assert "was not paused" in run("resume", "--lane", "gmail").stderr


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--lane", "gmial"], "gmail"),
        (["--lane", "gmail/marketting"], "gmail/marketing"),
        (["--lane", ""], "gmail"),
        (["--account", "sandbocks"], "sandbox"),
        (["--campaign", "shiped"], "shipped"),
        (["--lane", "gmail", "--account", "sandbox"], "twice"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(run: Run, options: list[str], hint: str) -> None:
    for command in ("pause", "resume"):
        result = run(command, *options)

        assert result.exit_code == 2
        assert hint in result.exception.hint  # type: ignore[union-attr]


def test_a_paused_campaign_s_due_mails_wait_and_go_on(run: Run, app: App, campaign: str) -> None:
    due = mail(app.store, "planned", campaign=campaign)
    manual = mail(app.store, "held", campaign=campaign)
    other = mail(app.store, "planned", campaign="other")
    run("pause", "--campaign", campaign)
    held = [state_of(app.store, one) for one in (due, manual, other)]

    done = json.loads(run("resume", "--campaign", campaign, "--json").stdout)["data"]

    assert held == ["held", "held", "planned"]
    assert [state_of(app.store, one) for one in (due, manual, other)] == [
        "planned",
        "held",
        "planned",
    ]
    scope = f"campaign:{campaign}"
    assert done == {"scope": scope, "is_new": True, "mails": 1, "was_resting": False}


def test_what_fell_due_later_is_held_and_what_was_held_too_late_is_let_go(
    app: App, campaign: str, clock: StandingClock
) -> None:
    pausing.pause(app, campaign=campaign)
    later = mail(app.store, "planned", campaign=campaign, next_at=NOON + timedelta(minutes=5))
    clock.forward(minutes=6)
    pausing.tend(app)
    held = state_of(app.store, later)
    with app.store.write() as connection:  # as if a sender had held it after the resume
        pauses.resume(connection, f"campaign:{campaign}")
    pausing.tend(app)

    assert (held, state_of(app.store, later)) == ("held", "planned")


def test_what_a_breaker_says_is_said_once_and_in_the_readers_language(
    run: Run, app: App, campaign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    trip = Sentence("a mail is too big")
    why = Sentence("campaign {name} is paused: {what}", name=campaign, what=trip)
    with app.store.write() as connection:
        alerts.raise_(connection, f"campaign:{campaign}/size", why, hint="", now=NOON)
        pauses.pause(connection, f"campaign:{campaign}", now=NOON, reason=why, by="breaker")

    status = " ".join(run("status").stderr.split())
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")
    listed = run("pause", "--list").stdout

    assert f": campaign {campaign} is paused" in status
    assert "is paused" not in listed


def test_resuming_ends_the_alert_and_lets_an_account_be_tried_at_once(
    run: Run, app: App, campaign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOON.isoformat())
    with app.store.write() as connection:
        for cause in ("account:sandbox/auth", f"campaign:{campaign}/size", "lane:qq/marketing/x"):
            alerts.raise_(connection, cause, "trouble", hint="do this", now=NOON)
        pauses.pause(connection, f"campaign:{campaign}", now=NOON, reason="trouble", by="breaker")
        why = Rest(until=NOON + timedelta(hours=1), faults=3, message="no login")
        lanes.rest(connection, "sandbox", why, NOON)
    assert delivering.resting(app) is not None

    told = [run("resume", "--account", "sandbox").stderr for _time in range(2)]
    run("resume", "--campaign", campaign)

    assert ["it is tried at once" in one for one in told] == [True, False]
    assert "was not paused" in told[1]
    assert [one.cause for one in pausing.list_alerts(app)] == ["lane:qq/marketing/x"]
    assert delivering.resting(app) is None


def test_status_shows_what_is_paused_and_each_alert_with_its_remedy(run: Run, app: App) -> None:
    with app.store.write() as connection:
        alerts.raise_(connection, "account:sandbox/auth", "no login", hint="new password", now=NOON)
        pauses.pause(connection, "lane:gmail/marketing", now=NOON, reason="refused", by="breaker")

    told = run("status")
    data = json.loads(run("status", "--json").stdout)["data"]

    words = " ".join(told.stderr.split())
    assert "no login" in words
    assert "help: new password" in words
    assert "lane gmail/marketing refused" in words
    assert "crm-mailer resume --lane gmail/marketing" in words
    assert [one["cause"] for one in data["alerts"]] == ["account:sandbox/auth"]
    assert [one["scope"] for one in data["pauses"]] == ["lane:gmail/marketing"]
    assert not data["is_paused"]


# ------------------------------------------------------------------ what came back


def sold(app: App, monkeypatch: pytest.MonkeyPatch, reports: int, mails: int) -> None:
    """So many spam reports against so many mails, as the store counts them."""
    monkeypatch.setattr(reputation, "spam_reported", lambda *_: reports)
    monkeypatch.setattr(reputation, "marketing_accepted", lambda *_: mails)
    monkeypatch.setattr(reputation, "busiest_hour", lambda *_: 6_000)


def halved(app: App) -> int:
    with app.store.read() as connection:
        row = paces.load(connection).get(HALVED)
    return row.seen_rate if row else 0


def test_spam_reports_warn_then_halve_then_stop_marketing(
    app: App, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for reports in (1, 12, 24, 1, 36):
        sold(app, monkeypatch, reports=max(5, reports), mails=10_000)
        pausing.watch_reputation(app)
        seen.append(([one.cause for one in pausing.list_alerts(app)], halved(app), scopes(app)))
        clock.forward(minutes=11)

    assert seen == [
        ([], 0, []),
        (["lane:marketing/spam-warned"], 0, []),
        (["lane:marketing/spam-halved"], 100, []),
        ([], 0, []),
        (["lane:marketing/spam-stopped"], 0, ["lane:marketing"]),
    ]


def test_it_is_counted_every_few_minutes_only(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    sold(app, monkeypatch, reports=0, mails=0)

    assert pausing.watch_reputation(app) is not None
    assert pausing.watch_reputation(app) is None


def test_a_person_who_lets_marketing_go_on_is_not_overruled_by_old_reports(
    app: App, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [mail(app.store, "accepted", "accepted") for _ in range(6)]
    for touch_id in sent:
        spam_report(app.store, touch_id)
    monkeypatch.setattr(reputation, "marketing_accepted", lambda *_: 1_000)
    clock.forward(minutes=1)
    pausing.watch_reputation(app)
    stopped = scopes(app)

    pausing.resume(app, lane="marketing")
    clock.forward(minutes=11)
    pausing.watch_reputation(app)

    assert (stopped, scopes(app)) == (["lane:marketing"], [])
    assert pausing.list_alerts(app) == []


def test_a_campaign_whose_mails_come_back_is_paused_once(
    app: App, clock: StandingClock, monkeypatch: pytest.MonkeyPatch, campaign: str
) -> None:
    back = [reputation.Returned(campaign, Stream.MARKETING, 9, 120),
            reputation.Returned("orders", Stream.TRANSACTIONAL, 9, 120),
            reputation.Returned("fine", Stream.MARKETING, 9, 1_200)]  # fmt: skip
    monkeypatch.setattr(reputation, "returned", lambda *_: back)
    for _look in range(2):
        pausing.watch_reputation(app)
        clock.forward(minutes=11)

    assert scopes(app) == [f"campaign:{campaign}"]
    assert [(one.cause, one.times) for one in pausing.list_alerts(app)] == [
        (f"campaign:{campaign}/bounces", 2),
        ("campaign:orders/bounces", 2),
    ]


def test_the_shop_s_own_limits_hold_for_mails_that_come_back(
    app: App, monkeypatch: pytest.MonkeyPatch, campaign: str
) -> None:
    back = [reputation.Returned(campaign, Stream.MARKETING, 9, 120),
            reputation.Returned("late", Stream.MARKETING, 90, 1_200),
            reputation.Returned("many", Stream.MARKETING, 12, 120)]  # fmt: skip
    monkeypatch.setattr(reputation, "returned", lambda *_: back)
    guards = replace(app.settings.guards, dead_addresses=8, dead_addresses_later=9)
    app.settings = replace(app.settings, guards=guards)

    pausing.watch_reputation(app)

    assert scopes(app) == ["campaign:many"]


def test_an_unknown_campaign_cannot_be_paused_by_the_verb_either(app: App) -> None:
    with pytest.raises(NotFound):
        pausing.pause(app, campaign="nobody")
