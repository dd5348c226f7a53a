"""Webhooks out: nothing lost, nothing doubled, and whoever is dead stops nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, telling
from crm_mailer.app.telling_line import NotTold, Told, post
from crm_mailer.i18n import say
from crm_mailer.model import webhook
from crm_mailer.model.errors import NotFound, SettingsError
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.settings import FILE_NAME, read_settings
from crm_mailer.store import alerts, suppressions, tables, tellings
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock
from tests.small_shop import small_shop

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@dataclass(slots=True)
class Ear:
    """A receiver on loopback that answers as it is told to."""

    url: str
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0.0

    def events(self) -> list[str]:
        return [json.loads(body)["type"] for _headers, body in self.heard]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _body in self.heard]


@pytest.fixture
def ear() -> Iterator[Ear]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            one.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(one.pause)
            self.send_response(one.code)
            for name, value in one.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one = Ear(f"http://127.0.0.1:{server.server_port}/in?shop=1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join(10)


Make = Callable[..., App]


@pytest.fixture
def make(sqlite_store: Store, tmp_path: Path) -> Iterator[Make]:
    """A shop whose settings name these receivers."""
    with _shops(sqlite_store, tmp_path) as build:
        yield build


@pytest.fixture
def make_on_each(store: Store, tmp_path: Path) -> Iterator[Make]:
    """The same on each engine."""
    with _shops(store, tmp_path) as build:
        yield build


@contextmanager
def _shops(store: Store, tmp_path: Path) -> Iterator[Make]:
    made: list[App] = []

    def build(*urls: str, events: str = "", more: str = "") -> App:
        home = tmp_path / "shop"
        small_shop(home, {"autumn-new-arrivals"}, {"growth/new-arrivals"}, ("en",))
        tables_ = [
            f'[webhooks.one{number or ""}]\nurl = "{url}"\nsecret = "{SECRET}"\n'
            f"events = [{events}]\n{more}\n"
            for number, url in enumerate(urls)
        ]
        database = store.url.render_as_string(hide_password=False)
        (home / FILE_NAME).write_text(f'database = "{database}"\n' + "\n".join(tables_))
        app = App(home, read_settings(home, {}), StandingClock())
        made.append(app)
        telling.tell(app)
        return app

    yield build
    for app in made:
        app.close()


def stop(app: App, address: str) -> None:
    """A customer wants no more mail."""
    with app.store.write() as connection:
        suppressions.add(
            connection, address, SuppressionReason.UNSUBSCRIBED, source="test", at=app.clock.now()
        )


def forward(app: App, **parts: float) -> None:
    assert isinstance(app.clock, StandingClock)
    app.clock.forward(**parts)


def states(app: App) -> list[tuple[str, int, int]]:
    """State, attempts and last code of each message."""
    with app.store.read() as connection:
        rows = connection.execute(sa.select(tables.webhook_messages).order_by("id"))
        return [(row.state, row.attempts, row.code) for row in rows]


def open_case(app: App) -> int:
    with app.store.write() as connection:
        customer = connection.execute(
            sa.insert(tables.customers)
            .values(email="anna@example.com", email_key="anna@example.com", name="Anna",
                    language="en", created_at=NOON, changed_at=NOON)
            .returning(tables.customers.c.id)
        ).scalar_one()  # fmt: skip
        return int(
            connection.execute(
                sa.insert(tables.cases)
                .values(customer_id=customer, state="new", reason="not_received", severity="high",
                        opened_at=NOON, due_at=NOON + timedelta(hours=24))
                .returning(tables.cases.c.id)
            ).scalar_one()
        )  # fmt: skip


# ------------------------------------------------------------------ what is told


def test_a_customer_who_unsubscribes_is_told_of_once_and_signed(
    make_on_each: Make, ear: Ear
) -> None:
    app = make_on_each(ear.url)
    stop(app, "anna@example.com")

    reports = [telling.tell(app) for _ in range(3)]

    [(headers, body)] = ear.heard
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    told = json.loads(body)
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert (told["type"], told["data"]["email"]) == ("customer.unsubscribed", "anna@example.com")
    assert [one.told for one in reports] == [1, 0, 0]


def test_the_signature_is_that_of_the_published_example() -> None:
    secret = "whsec_plJ3nmyCDGBKInavdOK15jsl"
    body = b'{"event_type":"ping","data":{"success":true}}'
    at = NOON.fromtimestamp(1731705121, NOON.tzinfo)
    found = webhook.headers(secret, "msg_loFOjxBNrRLzqYUf", at, body)
    assert found["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_a_case_is_told_of_with_its_customer(make_on_each: Make, ear: Ear) -> None:
    app = make_on_each(ear.url, events='"case.opened"')
    number = open_case(app)
    stop(app, "not-wanted@example.com")

    telling.tell(app)

    [(_headers, body)] = ear.heard
    told = json.loads(body)["data"]
    assert (told["case"], told["reason"]) == (number, "not_received")
    assert told["customer"]["email"] == "anna@example.com"


def test_an_edm_is_finished_when_no_mail_can_leave_any_more(make_on_each: Make, ear: Ear) -> None:
    app = make_on_each(ear.url)
    edm = next(one.id for one in app.definitions.campaigns.values() if one.kind == "edm")
    open_case(app)
    with app.store.write() as connection:
        connection.execute(
            sa.insert(tables.plan_runs).values(campaign=edm, at=NOON, counts={"saved": 2})
        )
        for anchor, state in (("a", "accepted"), ("b", "planned")):
            connection.execute(
                sa.insert(tables.touches).values(
                    campaign=edm, step="hello", anchor=anchor, customer_id=1, stream="marketing",
                    template="x/y", anchored_at=NOON, due_at=NOON, planned_at=NOON, state=state,
                    settled_at=NOON if state == "accepted" else None,
                )
            )  # fmt: skip
    telling.tell(app)
    before = ear.events().count("campaign.finished")

    with app.store.write() as connection:
        connection.execute(
            sa.update(tables.touches).where(tables.touches.c.state == "planned")
            .values(state="skipped", reason="cap")
        )  # fmt: skip
    telling.tell(app)
    telling.tell(app)

    told = [json.loads(body) for _h, body in ear.heard if b"campaign.finished" in body]
    assert before == 0
    assert [one["data"]["campaign"] for one in told] == [edm]
    assert told[0]["data"]["states"] == {"accepted": 1, "skipped": 1}


def test_an_alert_is_told_of_while_it_lasts(make_on_each: Make, ear: Ear) -> None:
    app = make_on_each(ear.url)
    for _ in range(2):
        with app.store.write() as connection:
            alerts.raise_(connection, "lane:gmail/marketing/spam", "many", now=app.clock.now())
        telling.tell(app)
    assert ear.events() == ["alert.raised"]


def test_what_was_before_an_address_was_written_down_is_not_told(
    make: Make, ear: Ear, sqlite_store: Store
) -> None:
    with sqlite_store.write() as connection:
        suppressions.add(connection, "old@example.com", SuppressionReason.UNSUBSCRIBED,
                         source="test", at=NOON)  # fmt: skip
    app = make(ear.url)
    telling.tell(app)
    assert ear.heard == []


def test_a_fact_that_is_committed_late_under_a_lower_number_is_not_lost(
    make: Make, ear: Ear
) -> None:
    app = make(ear.url)
    values = {"reason": "unsubscribed", "scope": "marketing", "at": NOON}
    for number in (50, 49):
        with app.store.write() as connection:
            connection.execute(
                sa.insert(tables.suppressions).values(
                    id=number, address_key=f"n{number}@example.com", **values
                )
            )
        telling.tell(app)
    assert len(set(ear.ids())) == len(ear.heard) == 2


# ------------------------------------------------------------------ who does not hear


def test_a_receiver_that_fails_is_tried_again_later_under_the_same_id(
    make_on_each: Make, ear: Ear
) -> None:
    app = make_on_each(ear.url)
    stop(app, "anna@example.com")
    ear.code = 500
    telling.tell(app)
    telling.tell(app)  # it rests
    ear.code = 204
    forward(app, seconds=10)
    telling.tell(app)

    assert len(ear.heard) == 2
    assert len(set(ear.ids())) == 1
    assert states(app) == [("told", 2, 204)]


def test_a_dead_receiver_stops_nobody_and_is_asked_once_a_round(make: Make, ear: Ear) -> None:
    app = make("http://127.0.0.1:9/", ear.url)
    for number in range(5):
        stop(app, f"n{number}@example.com")

    report = telling.tell(app)

    assert (report.told, report.failed) == (5, 1)
    assert sorted(states(app)) == [
        ("told", 1, 200), ("told", 1, 200), ("told", 1, 200), ("told", 1, 200), ("told", 1, 200),
        ("waiting", 0, 0), ("waiting", 0, 0), ("waiting", 0, 0), ("waiting", 0, 0),
        ("waiting", 1, 0),
    ]  # fmt: skip


def test_a_message_is_given_up_within_three_days_and_a_person_is_told(make: Make, ear: Ear) -> None:
    app = make(ear.url, events='"customer.unsubscribed"')
    stop(app, "anna@example.com")
    ear.code = 503
    telling.tell(app)
    hours = 0
    while states(app)[0][0] == "waiting" and hours < 100:
        forward(app, hours=1)
        hours += 1
        telling.tell(app)

    with app.store.read() as connection:
        causes = {one.cause for one in alerts.list_open(connection)}
    assert 24 <= hours <= 72
    assert "webhooks/one" in causes


def test_a_message_that_is_refused_hinders_no_other(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    stop(app, "b@example.com")
    ear.code = 422
    telling.tell(app)
    assert [state for state, _n, _c in states(app)] == ["waiting", "waiting"]
    assert len(ear.heard) == 2


def open_causes(app: App) -> set[str]:
    with app.store.read() as connection:
        return {one.cause for one in alerts.list_open(connection)}


@pytest.mark.parametrize("code", [301, 401, 403, 404, 422])
def test_who_refuses_again_and_again_is_told_of_before_anything_is_lost(
    make: Make, ear: Ear, code: int
) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    ear.code = code
    for hours in (0, 1, 2, 6, 12):
        forward(app, hours=hours)
        before = open_causes(app)
        telling.tell(app)
    assert before == set()
    assert open_causes(app) == {"webhooks/one/refused"}
    assert [state for state, _n, _c in states(app)] == ["waiting"]

    ear.code = 200
    forward(app, days=1)
    telling.tell(app)
    assert open_causes(app) == set()


def test_a_message_that_is_lost_is_told_of_though_others_are_heard(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    ear.code = 422
    for _ in range(12):
        telling.tell(app)
        forward(app, days=1)
    ear.code = 200
    stop(app, "b@example.com")
    telling.tell(app)
    assert sorted(state for state, _n, _c in states(app)) == ["given_up", "told"]
    assert open_causes(app) == {"webhooks/one/refused"}
    telling.enable(app, "one")
    assert open_causes(app) == set()


def test_an_endpoint_that_was_down_is_not_well_because_it_refuses(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    for code in (500, 500, 401):
        ear.code = code
        forward(app, hours=3)
        telling.tell(app)
    [line] = telling.endpoints(app)
    assert line.failures == 2


def test_gone_is_believed_until_a_person_says_otherwise(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    ear.code = 410
    telling.tell(app)
    ear.code = 200
    forward(app, days=1)
    telling.tell(app)
    [line] = telling.endpoints(app)
    heard = len(ear.heard)

    telling.enable(app, "one")
    telling.tell(app)

    assert (heard, line.disabled_at, line.why) == (1, NOON, "it answered 410: gone")
    assert states(app) == [("told", 2, 200)]


@pytest.mark.parametrize(("code", "asked"), [(429, "120"), (503, "120")])
def test_a_receiver_that_asks_for_time_gets_it(make: Make, ear: Ear, code: int, asked: str) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    ear.code, ear.headers = code, {"Retry-After": asked}
    telling.tell(app)
    [line] = telling.endpoints(app)
    assert line.rests_until == NOON + timedelta(seconds=120)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(make: Make, ear: Ear, code: int) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    ear.code, ear.headers = code, {"Location": ear.url + "&elsewhere=1"}
    telling.tell(app)
    [message] = telling.list_unheard(app)
    assert len(ear.heard) == 1
    assert "redirect" in message.error
    assert say(message.error, "zh_CN") == f"HTTP {code}：不跟随重定向；请把新地址写入设置"


def test_a_message_can_be_told_once_more_by_hand(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    telling.tell(app)
    telling.replay(app, [1])
    telling.tell(app)
    assert len(ear.heard) == 2
    assert len(set(ear.ids())) == 1


def test_a_process_that_dies_after_the_answer_tells_again_under_the_same_id(
    make: Make, ear: Ear
) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")

    def dies(url: str, headers: Any, body: bytes, *, may_be_private: bool) -> Told:
        post(url, headers, body, may_be_private=may_be_private)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        telling.tell(app, dies)
    telling.tell(app)
    assert len(ear.heard) == 2
    assert len(set(ear.ids())) == 1


def test_a_rehearsal_tells_nobody_elsewhere(make: Make) -> None:
    app = make("https://receiver.example/in", more="", events="")
    stop(app, "a@example.com")
    rehearsal = App(app.home, read_settings(app.home, {"CRM_MAILER_CLOCK": "2026-11-02T12:00Z"}))
    assert telling.tell(rehearsal).found == 0
    rehearsal.close()


def test_what_was_told_is_let_go_after_a_month(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    telling.tell(app)
    forward(app, days=31)
    telling.tend(app)
    with app.store.read() as connection:
        [kept] = tellings.list_(connection, states=("told",))
    assert kept.payload == ""
    with pytest.raises(NotFound):
        telling.replay(app, [kept.id])


# ------------------------------------------------------------------ the line itself


@pytest.mark.parametrize(
    "url",
    ["https://127.0.0.1/", "https://10.1.2.3/", "https://[::1]/", "https://192.168.0.1/",
     "https://169.254.169.254/latest/meta-data", "https://[::ffff:10.0.0.1]/", "https://0.0.0.0/",
     "https://localhost/"],
)  # fmt: skip
def test_a_private_network_is_not_entered_unless_it_is_meant(url: str) -> None:
    with pytest.raises(NotTold, match="private network"):
        post(url, {}, b"{}", may_be_private=False)


def test_a_receiver_that_drips_is_cut_off(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_mailer.app.telling_line.WHOLE", 0.2)
    ear.pause = 1.0
    with pytest.raises(NotTold):
        post(ear.url, {}, b"{}", may_be_private=True)


def test_a_host_without_an_address_is_not_told() -> None:
    with pytest.raises(NotTold):
        post("https://nowhere.invalid/", {}, b"{}", may_be_private=False)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('url = "http://receiver.example/"', "not encrypted"),
        ('url = "ftp://receiver.example/"', "no web address"),
        ('url = "https://user:pass@receiver.example/"', "holds a login"),
        ('url = "https://receiver.example/"\nsecret = "short"', "too short"),
        ('url = "https://receiver.example/"\nsecret = "whsec_AAAA"', "too short"),
        ('url = "https://receiver.example/"\nevents = ["case.closed"]', "must be one of"),
        ('url = "https://receiver.example/"\ncolour = "red"', "unknown setting"),
    ],
    ids=["http", "ftp", "login", "short", "short base64", "event", "unknown"],
)
def test_settings_of_a_webhook_that_cannot_work_are_refused(
    tmp_path: Path, lines: str, words: str
) -> None:
    secret = "" if "secret" in lines else f'secret = "{SECRET}"\n'
    (tmp_path / FILE_NAME).write_text(f"[webhooks.one]\n{secret}{lines}\n")
    with pytest.raises(SettingsError, match=words):
        read_settings(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("ses", 'certificates = "x"', "topics is missing"),
        ("ses", 'topics = ["x"]', "certificates is missing"),
        ("sendgrid", 'secret = "x"', "public_key is missing"),
        ("shopify", "", "secret is missing"),
        ("postmark", 'secret = "short"', "too short"),
        ("erp", 'secret = "0123456789abcdef"', "nothing of the kind"),
        ("erp", 'kind = "shopfy"\nsecret = "x"', "did you mean `shopify`"),
        ("ERP", 'kind = "orders"', "cannot be a name"),
    ],
    ids=["topics", "certificates", "key", "secret", "short", "kind", "misspelt", "name"],
)
def test_settings_of_a_hook_that_would_let_anybody_in_are_refused(
    tmp_path: Path, name: str, lines: str, words: str
) -> None:
    (tmp_path / FILE_NAME).write_text(f"[hooks.{name}]\n{lines}\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(tmp_path, {})
    assert words in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


def test_a_secret_may_come_from_a_file_and_never_shows(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('[webhooks.one]\nurl = "https://receiver.example/"\n')
    (tmp_path / "secret").write_text(SECRET + "\n")
    found = read_settings(
        tmp_path, {"CRM_MAILER_WEBHOOKS_ONE_SECRET_FILE": str(tmp_path / "secret")}
    )
    assert found.webhooks[0].secret == SECRET
    assert SECRET not in repr(found)


def test_counting_messages_is_by_endpoint(make: Make, ear: Ear) -> None:
    app = make(ear.url)
    stop(app, "a@example.com")
    telling.tell(app)
    with app.store.read() as connection:
        assert tellings.counts(connection) == {"one": {"told": 1}}
