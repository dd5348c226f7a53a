from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from crm_mailer.app import App, outbox
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import EvidenceKind
from crm_mailer.store import doubts, pauses
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.conftest import NOON
from tests.delivering.letters import plan
from tests.planning import people
from tests.servers.smtp_faults import ACCEPT_DROP, fault_server, in_turn
from tests.store.ledger import mail, row_of, state_of

CARE = Path("campaigns") / "lifecycle" / "post-purchase-care.yaml"


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands live two hours after the mails of the ledger."""
    monkeypatch.setenv("CRM_MAILER_CLOCK", (NOON + timedelta(hours=2)).isoformat())
    monkeypatch.setenv("COLUMNS", "200")


def told(run: Run, *arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def flat(text: str) -> str:
    return " ".join(text.split())


# ------------------------------------------------------------------ list and show


def test_the_list_is_narrowed_by_state_campaign_provider_customer_and_day(
    run: Run, app: App
) -> None:
    first = mail(app.store, "accepted", "accepted", campaign="spring")
    second = mail(app.store, "planned", campaign="autumn", provider="outlook")
    third = mail(app.store, "accepted", "accepted", at=NOON + timedelta(days=3))

    def numbers(*options: str) -> list[int]:
        return [line["id"] for line in told(run, "outbox", "list", *options)]

    assert numbers() == [third, second, first]
    assert numbers("--state", "accepted") == [third, first]
    assert numbers("--campaign", "autumn") == [second]
    assert numbers("--provider", "gmail") == [third, first]
    assert numbers("--customer", "C2@Gmail.com") == [second]
    assert numbers("--customer", str(third)) == [third]
    assert numbers("--since", "2026-11-04") == [third]


def test_where_nothing_is_like_that_it_is_not_said_that_nothing_is_planned(
    run: Run, app: App
) -> None:
    nothing = run("outbox", "list").stderr
    mail(app.store, "planned")

    narrowed = run("outbox", "list", "--state", "refused").stderr

    assert "no mail is planned" in nothing
    assert "no mail is like that" in narrowed


def test_who_or_what_is_unknown_is_named(run: Run, app: App) -> None:
    mail(app.store, "planned")

    wrong = (("--customer", "nobody@x.example"), ("--campaign", "x"), ("--provider", "y"))
    unknown = [run("outbox", "list", *options).exit_code for options in wrong]

    assert unknown == [2, 2, 2]


def test_a_record_shows_what_was_learnt_later(run: Run, app: App) -> None:
    number = mail(app.store, "in_doubt", "unknown")
    people.add(app.store, t.evidence, touch_id=number, kind="relay_log", verdict="accepted",
               at=NOON, text="status=sent \x1b[31m(250 OK)")  # fmt: skip

    shown = run("outbox", "show", str(number))

    assert "learnt later" in shown.stdout
    assert "status=sent" in shown.stdout
    assert "\x1b" not in shown.stdout


# ------------------------------------------------------------------ what a mail was made from


@pytest.fixture
def sent(run: Run, app: App, shop_home: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A marketing mail that left to the sandbox."""
    text = (shop_home / CARE).read_text(encoding="utf-8")
    (shop_home / CARE).write_text(text.replace("mode: draft", "mode: live"), encoding="utf-8")
    anna = people.customer(app.store, "Anna", email="anna@example.com", language="en")
    people.order(app.store, anna, number="1001", arrived=NOON - timedelta(days=1))
    run("apply")
    [first, *_rest] = told(run, "outbox", "list", "--state", "planned")[::-1]
    monkeypatch.setenv("CRM_MAILER_CLOCK", first["next_at"])
    assert told(run, "send")["outcomes"] == {"accepted": 1}
    return int(first["id"])


def test_a_marketing_mail_is_made_again_with_the_same_hash(
    run: Run, app: App, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", (NOON + timedelta(days=30)).isoformat())

    shown = run("outbox", "show", str(sent), "--recipe")
    written = run("outbox", "show", str(sent), "--eml")

    [file] = app.outbox_folder.glob("*.eml")
    assert "this is exactly how it looked" in flat(shown.stderr)
    assert "Anna" in shown.stdout
    assert written.stdout_bytes == file.read_bytes()


@pytest.fixture
def signed(shop_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shop signs its mails."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path = shop_home / "dkim.pem"
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    settings = {"DOMAIN": "news.lotus-shop.example", "SELECTOR": "crm", "KEY_FILE": str(path)}
    for name, value in settings.items():
        monkeypatch.setenv(f"CRM_MAILER_DKIM_{name}", value)


@pytest.mark.usefixtures("signed")
def test_a_signed_mail_is_made_again_with_its_signature(
    run: Run, app: App, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", (NOON + timedelta(days=30)).isoformat())

    written = run("outbox", "show", str(sent), "--eml")

    [file] = app.outbox_folder.glob("*.eml")
    assert b"DKIM-Signature:" in written.stdout_bytes
    assert written.stdout_bytes == file.read_bytes()


def test_a_customer_who_changed_is_told_field_by_field(run: Run, app: App, sent: int) -> None:
    with app.store.write() as connection:
        connection.execute(sa.update(t.customers).values(name="Bella", given_name="Bella"))

    made = told(run, "outbox", "show", str(sent), "--recipe")
    written = run("outbox", "show", str(sent), "--eml")

    assert made["sha256"] != made["recipe"]["sha256"]
    assert any("Bella" in why and "Anna" in why for why in made["differences"])
    assert (written.exit_code, written.stdout) == (2, "")


def test_a_template_that_was_changed_is_named(run: Run, shop_home: Path, sent: int) -> None:
    [template] = (shop_home / "templates" / "care").glob("care-1.en.mjml")
    text = template.read_text(encoding="utf-8")
    template.write_text(text.replace("</mj-text>", " More.</mj-text>", 1), encoding="utf-8")

    shown = run("outbox", "show", str(sent), "--recipe")

    assert "was changed since" in shown.stderr
    assert "it cannot be made again as it was" in shown.stderr


def test_a_mail_that_was_never_rendered_has_no_recipe(run: Run, app: App) -> None:
    number = mail(app.store, "planned", written=False)

    result = run("outbox", "show", str(number), "--recipe")

    assert (result.exit_code, "never rendered" in str(result.exception)) == (2, True)


# ------------------------------------------------------------------ switches


def test_mails_of_one_customer_or_one_mail_can_be_ended(run: Run, app: App) -> None:
    first, second, third = (mail(app.store, "planned") for _ in range(3))

    by_customer = run("outbox", "cancel", "--customer", "c2@gmail.com", "--yes")
    by_number = run("outbox", "cancel", "--number", str(third), "--yes")
    everything = run("outbox", "cancel", "--yes")

    assert "1 mail ended" in by_customer.stderr
    assert by_number.exit_code == 0
    assert everything.exit_code == 2
    assert [state_of(app.store, one) for one in (first, second, third)] == [
        "planned", "skipped", "skipped",
    ]  # fmt: skip


def test_what_a_sender_has_in_its_hands_is_marked_to_end_there(run: Run, app: App) -> None:
    mail(app.store, "planned")
    number = mail(app.store, "claimed", owner="one")

    asked = run("outbox", "cancel", "spring", input="y\n")
    again = run("outbox", "cancel", "--number", str(number), "--yes")

    assert "End 2 mails that have not left?" in asked.output
    assert "1 mail of spring ended" in asked.stderr
    assert "1 more is in a sender's hands and ends there" in flat(asked.stderr)
    assert (row_of(app.store, number).state, row_of(app.store, number).reason) == (
        "claimed", "cancelled",
    )  # fmt: skip
    assert again.exit_code == 0


def test_a_wrong_name_is_told_before_anybody_is_asked(run: Run, app: App) -> None:
    number = mail(app.store, "accepted", "accepted")

    wrong = [run("outbox", "cancel", *one) for one in (["sprin"], ["--number", "99"], [])]
    gone = run("outbox", "cancel", "--number", str(number))

    assert [one.exit_code for one in wrong] == [2, 2, 2]
    assert not [one for one in (*wrong, gone) if "End " in one.output]
    assert (gone.exit_code, "nothing to end" in gone.stderr) == (0, True)


def test_ending_an_order_mail_in_doubt_calls_off_its_second_attempt(run: Run, app: App) -> None:
    number = mail(app.store, "in_doubt", "unknown", stream="transactional", next_at=NOON)

    told = run("outbox", "cancel", "--number", str(number), "--yes")

    assert "1 mail stays in doubt; it is not tried again" in told.stderr
    assert (row_of(app.store, number).state, row_of(app.store, number).next_at) == (
        "in_doubt",
        None,
    )


def test_a_release_does_not_let_go_what_a_pause_holds(run: Run, app: App) -> None:
    manual, paused = mail(app.store, "held"), mail(app.store, "planned")
    with app.store.write() as connection:
        pauses.hold(connection, [paused])

    run("campaign", "release", "spring")

    assert (state_of(app.store, manual), state_of(app.store, paused)) == ("planned", "held")


# ------------------------------------------------------------------ mails in doubt


def test_mails_in_doubt_are_listed_with_what_happens_next(run: Run, app: App) -> None:
    mail(app.store, "in_doubt", "unknown", stream="transactional",
         next_at=NOON + timedelta(hours=2, minutes=10))  # fmt: skip
    mail(app.store, "in_doubt", "unknown")
    mail(app.store, "in_doubt", "unknown", at=NOON - timedelta(hours=71))
    mail(app.store, "claimed", "unknown", stream="transactional")

    shown = flat(run("outbox", "doubt").stdout)
    found = told(run, "outbox", "doubt")

    for words in ("one more attempt at 22:10", "held", "counted as sent since 72 h",
                  "being sent once more now", "the line was lost"):  # fmt: skip
        assert words in shown
    assert [line["next"] for line in found["lines"]] == [
        "once_more", "held", "probably_sent", "leaving",
    ]  # fmt: skip
    assert (found["total"], found["probably_sent"]) == (3, 1)


def test_nothing_in_doubt_is_said(run: Run, app: App) -> None:
    assert "no mail is in doubt" in run("outbox", "doubt").stderr


def log_file(folder: Path, *lines: str) -> str:
    """A relay's log of the day, in UTC."""
    path = folder / "mail.log"
    busy = [f"Nov  2 {hour:02d}:00:00 mail postfix/qmgr[1]: 4bAAA{hour}: removed"
            for hour in range(24)]  # fmt: skip
    noon = [f"Nov  2 12:00:00 mail postfix/{line}" for line in lines]
    path.write_text("\n".join([*busy[:12], *noon, *busy[13:]]) + "\n")
    return str(path)


def logged(number: int, *events: str) -> list[str]:
    queue = f"4bXyZ12QvTz{number:04d}"
    first = f"cleanup[13]: {queue}: message-id=<{number}@shop.example>"
    return [first, *(event.format(queue=queue) for event in events)]


TAKEN = "smtp[2]: {queue}: to=<c@gmail.com>, relay=g[1.2.3.4]:25, dsn=2.0.0, status=sent (250 OK)"
REJECT = "cleanup[13]: {queue}: milter-reject: END-OF-MESSAGE from s[192.0.2.7]: 5.7.1 Spam"


def test_the_relays_log_settles_what_it_knows_and_tells_the_rest(
    run: Run, app: App, tmp_path: Path
) -> None:
    taken, rejected, header_only, absent = (
        mail(app.store, "in_doubt", "unknown") for _ in range(4)
    )
    path = log_file(
        tmp_path, *logged(taken, TAKEN), *logged(rejected, REJECT), *logged(header_only)
    )

    result = run("outbox", "doubt", "--postfix-log", path, "--log-zone", "UTC")

    text = flat(result.output)
    assert [state_of(app.store, one) for one in (taken, rejected, header_only, absent)] == [
        "accepted", "deferred", "in_doubt", "in_doubt",
    ]  # fmt: skip
    assert "1 mail settled: the relay had taken it" in text
    assert "the relay had refused it" in text
    assert f"crm-mailer outbox doubt resolve {absent} --not-sent (marketing)" in text
    assert "1 mail stays in doubt" in text
    [evidence] = outbox.show(app, taken).evidence
    assert "status=sent (250 OK)" in evidence.text


def test_a_refusal_that_we_heard_ourselves_does_not_settle_a_later_doubt(
    run: Run, app: App, tmp_path: Path
) -> None:
    number = mail(app.store, "in_doubt", "deferred", "unknown", code=451)
    with app.store.write() as connection:
        connection.execute(
            sa.update(t.deliveries).where(t.deliveries.c.attempt == 2).values(code=0)
        )
    once = log_file(tmp_path, *logged(number, REJECT))

    run("outbox", "doubt", "--postfix-log", once, "--log-zone", "UTC")
    before = state_of(app.store, number)
    twice = log_file(tmp_path, *logged(number, REJECT), *logged(number, REJECT))
    run("outbox", "doubt", "--postfix-log", twice, "--log-zone", "UTC")

    assert (before, state_of(app.store, number)) == ("in_doubt", "deferred")


def test_a_log_that_does_not_know_us_or_our_time_offers_nothing(
    run: Run, app: App, tmp_path: Path
) -> None:
    number = mail(app.store, "in_doubt", "unknown")
    foreign = told(run, "outbox", "doubt", "--postfix-log", log_file(tmp_path), "--log-zone", "UTC")
    warned = run("outbox", "doubt", "--postfix-log", log_file(tmp_path), "--log-zone", "UTC")
    early = mail(app.store, "in_doubt", "unknown", at=NOON - timedelta(days=2))
    path = log_file(tmp_path, *logged(number, TAKEN))
    known = told(run, "outbox", "doubt", "--postfix-log", path, "--log-zone", "UTC")

    assert (foreign["absent"], len(foreign["open"])) == ([], 1)
    assert "names no mail of ours" in warned.stderr
    assert (known["absent"], [one["id"] for one in known["open"]]) == ([], [early])


@pytest.mark.parametrize(
    ("options", "code"),
    [(("--postfix-log", "no-such-file"), 2), (("--postfix-log", "{toml}"), 65),
     (("--postfix-log", "{toml}", "--log-zone", "Mars/Olympus"), 2)],
)  # fmt: skip
def test_a_wrong_log_or_zone_is_an_error_with_a_remedy(
    run: Run, app: App, shop_home: Path, options: tuple[str, ...], code: int
) -> None:
    toml = str(shop_home / "crm-mailer.toml")
    mail(app.store, "in_doubt", "unknown")

    assert run("outbox", "doubt", *(one.format(toml=toml) for one in options)).exit_code == code


def test_a_person_settles_a_mail_either_way(run: Run, app: App) -> None:
    sent, lost = mail(app.store, "in_doubt", "unknown"), mail(app.store, "in_doubt", "unknown")

    run("outbox", "doubt", "resolve", str(sent), "--sent", "--by", "Lin")
    asked = run("outbox", "doubt", "resolve", str(lost), "--not-sent", input="n\n")
    before = state_of(app.store, lost)
    run("outbox", "doubt", "resolve", str(lost), "--not-sent", input="y\n")

    assert "twice" in flat(asked.stderr)
    assert (state_of(app.store, sent), before, state_of(app.store, lost)) == (
        "accepted", "in_doubt", "deferred",
    )  # fmt: skip
    assert [one.text for one in outbox.show(app, sent).evidence] == ["by Lin"]
    assert outbox.audit(app).is_sound


def test_all_of_a_campaign_are_settled_only_after_a_warning(run: Run, app: App) -> None:
    spring = [mail(app.store, "in_doubt", "unknown") for _ in range(3)]
    other = mail(app.store, "in_doubt", "unknown", campaign="autumn")
    all_ = ("outbox", "doubt", "resolve", "--all", "--campaign", "spring", "--not-sent")

    no = run(*all_, input="n\n")
    yes = run(*all_, "--yes")

    assert "3 mails will be sent again" in flat(no.stderr)
    assert no.exit_code == 1
    assert "3 mails settled" in yes.stderr
    assert {state_of(app.store, one) for one in spring} == {"deferred"}
    assert state_of(app.store, other) == "in_doubt"


@pytest.mark.parametrize(
    "words",
    [("7",), ("--sent",), ("--all", "--sent"), ("7", "--all", "--campaign", "spring", "--sent"),
     ("7", "--campaign", "spring", "--sent"), ("0", "--sent"), ("7", "--sent")],
)  # fmt: skip
def test_what_is_meant_must_be_said(run: Run, app: App, words: tuple[str, ...]) -> None:
    mail(app.store, "in_doubt", "unknown")

    assert run("outbox", "doubt", "resolve", *words).exit_code == 2


def test_a_mail_that_is_not_in_doubt_cannot_be_settled(run: Run, app: App) -> None:
    number = mail(app.store, "accepted", "accepted")

    result = run("outbox", "doubt", "resolve", str(number), "--sent")

    assert (result.exit_code, str(result.exception)) == (
        2,
        f"mail {number} is not in doubt: it is accepted",
    )


def test_order_mail_whose_bounce_came_is_not_sent_a_second_time(
    run: Run, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOON + timedelta(hours=2)
    numbers = plan(app.store, 2, NOON, stream=Stream.TRANSACTIONAL, expires_after=None)
    with app.store.write() as connection:
        letter = {"kind": "case_reply", "template": "", "detail": "We are sorry."}
        connection.execute(sa.update(t.touches).values(**letter))
    with fault_server({"DOT": in_turn(ACCEPT_DROP, ACCEPT_DROP)}) as server:
        monkeypatch.setenv("CRM_MAILER_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("CRM_MAILER_SMTP_PORT", str(server.port))
        monkeypatch.setenv("CRM_MAILER_SMTP_TLS", "none")
        run("send")
        waiting = told(run, "outbox", "doubt")["lines"]
        with app.store.write() as connection:
            doubts.settle_by_evidence(
                connection, numbers[0], EvidenceKind.BOUNCE, now, "550 5.1.1 no such user"
            )
        monkeypatch.setenv("CRM_MAILER_CLOCK", (now + timedelta(minutes=11)).isoformat())
        run("send")

    assert [line["next"] for line in waiting] == ["once_more", "once_more"]
    assert [len(told(run, "outbox", "show", str(one))["deliveries"]) for one in numbers] == [1, 2]
    assert {state_of(app.store, one) for one in numbers} == {"accepted"}
    assert (len(server.box), outbox.audit(app).is_sound) == (3, True)


# ------------------------------------------------------------------ progress


def test_the_ledger_tells_what_any_process_sends(run: Run, app: App) -> None:
    now = NOON + timedelta(hours=2)
    for _ in range(3):
        mail(app.store, "accepted", "accepted", at=now - timedelta(seconds=20))
    mail(app.store, "deferred", "deferred", at=now - timedelta(seconds=9), provider="outlook")
    mail(app.store, "accepted", "accepted", at=NOON)
    mail(app.store, "planned", next_at=now + timedelta(hours=1))
    mail(app.store, "in_doubt", "unknown", at=NOON)

    once = flat(run("outbox", "watch", "--once").stdout)
    found = told(run, "outbox", "watch")

    assert "1 due now" in once
    assert found["outcomes"] == {"accepted": 3, "deferred": 1}
    assert found["by_provider"]["outlook"] == {"deferred": 1}
    assert (found["due"], found["in_doubt"], found["rate"]) == (1, 1, 0.05)
    assert found["seconds_left"] == 20


def test_a_round_that_has_just_begun_is_not_told_to_be_slow(run: Run, app: App) -> None:
    now = NOON + timedelta(hours=2)
    for _ in range(20):
        mail(app.store, "accepted", "accepted", at=now - timedelta(seconds=10))
    claim = {"owner": "a", "claimed_until": now + timedelta(minutes=20)}
    numbers = [mail(app.store, "claimed") for _ in range(40)]
    with app.store.write() as connection:
        connection.execute(sa.update(t.touches).where(t.touches.c.id.in_(numbers)).values(**claim))

    found = told(run, "outbox", "watch")

    assert (found["rate"], found["seconds_left"]) == (2, 20)


@pytest.mark.parametrize("scope", ["all", "lane:gmail", "account:sandbox"])
def test_nobody_is_told_when_what_is_paused_will_be_done(run: Run, app: App, scope: str) -> None:
    now = NOON + timedelta(hours=2)
    mail(app.store, "accepted", "accepted", at=now - timedelta(seconds=20))
    mail(app.store, "planned", next_at=now)
    with app.store.write() as connection:
        pauses.pause(connection, scope, now=now)

    shown, found = run("outbox", "watch", "--once").stdout, told(run, "outbox", "watch")

    assert (found["due"], found["seconds_left"]) == (1, None)
    assert "is paused; `crm-mailer resume" in flat(shown)


@pytest.mark.parametrize(
    "words",
    [
        ("outbox", "show"),
        ("outbox", "cancel", "--number"),
        ("outbox", "doubt", "resolve", "--sent"),
        ("outbox", "webhooks", "--replay"),
    ],
)
def test_a_number_larger_than_any_is_refused(run: Run, words: tuple[str, ...]) -> None:
    result = run(*words, "99999999999999999999")

    assert (result.exit_code, isinstance(result.exception, OverflowError)) == (2, False)


def test_the_status_counts_what_was_probably_sent(run: Run, app: App) -> None:
    mail(app.store, "in_doubt", "unknown", at=NOON - timedelta(days=4))
    mail(app.store, "in_doubt", "unknown")

    shown = run("status")

    assert "in doubt, probably sent 1" in flat(shown.stdout)
    assert told(run, "status")["probably_sent"] == 1
