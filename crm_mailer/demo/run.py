"""The demo's main loop: 90 days of a real shop's invoices, as fast as the machine can."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from crm_mailer import home as homes
from crm_mailer.app import App, importing, listening, mailboxes, planning, rounds
from crm_mailer.app.clocks import SetClock
from crm_mailer.demo import agents, exports
from crm_mailer.demo.child import Child
from crm_mailer.demo.outside import HOST, PASSWORD, USER, Outside
from crm_mailer.demo.story import START, Calendar, Purchase, purchases
from crm_mailer.model.campaign import Mode, Stream
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import FILE_NAME, read_settings

#: Hours of a day (UTC) at which mails leave; two, so that it is daytime once in every country.
TURNS = (8, 17)
#: Monday, Wednesday, Friday: somebody works in the shop in the evening, too.
LONG_DAYS = {0, 2, 4}
#: Starter campaigns that the demo sets live: they show what can be shown in ninety days, and the
#: rest (strikes, festivals, a word before each order is packed) would only fill the outbox.
LIVE = {
    "autumn-new-arrivals",
    "birthday",
    "delayed",
    "funds-pending",
    "payment-reminder",
    "post-purchase-care",
    "review-request",
    "shipped",
    "thanks-for-praise",
    "welcome",
    "win-back",
}
#: The export of everything before the first day.
PAST = "orders-until-2011-08-31.csv"
#: Order mail and marketing leave by two processes: the machine has two cores.
SENDER = "crm_mailer.demo.order_sender"
#: Marks a folder as a demo's, so that only such a one is ever replaced.
MARK = ".demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where the loop stands after a day."""

    day: int
    days: int
    at: datetime
    mails: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How it went."""

    folder: Path
    seed: int
    days: int
    end: datetime
    seconds: float
    world: dict[str, int]
    past_orders: int


@dataclass(slots=True)
class _Shop:
    """What lives through the days together."""

    app: App
    outside: Outside
    order_mails: Child
    calendar: Calendar
    seed: int
    imported_until: datetime = START

    @property
    def clock(self) -> SetClock:
        """The demo's clock, which `run` moves."""
        assert isinstance(self.app.clock, SetClock)
        return self.app.clock


def run(folder: Path, *, seed: int, days: int, on_day: Callable[[Progress], None]) -> Ran:
    """Live through `days` days from 2011-09-01 in a new shop in `folder`.

    Raises:
        CrmMailerError: the folder holds something already.
    """
    started = time.monotonic()
    outside = Outside(seed)  # it gets ready while we write
    _lay_out(folder)
    story = purchases(seed)
    past = [order for order in story if order.placed_at < START]
    _write(folder, past, PAST, seed, START, START)
    gc.freeze()  # the story stays: the collector need not walk it again and again
    gc.set_threshold(50_000, 20, 50)
    with (
        outside,
        _opened(folder, outside) as app,
        Child(SENDER, str(folder), environment=_servers(outside)) as order_mails,
    ):
        importing.import_orders(app, _export(folder, PAST), map_name="generic")
        rounds.segment(app)
        mailboxes.fetch(app, "all")
        shop = _Shop(app, outside, order_mails, Calendar(story), seed)
        answers = 0
        for day in range(days):
            answers += _live_a_day(shop, START + timedelta(days=day))
            at, mails = app.clock.now(), outside.taken
            on_day(Progress(day=day + 1, days=days, at=at, mails=mails, answers=answers))
        world = outside.counts()
        end = app.clock.now()
    _leave_as_sandbox(folder, end)
    return Ran(
        folder=folder,
        seed=seed,
        days=days,
        end=end,
        seconds=time.monotonic() - started,
        world=world,
        past_orders=len(past),
    )


def _live_a_day(shop: _Shop, midnight: datetime) -> int:
    """Let the day pass; how many answers came."""
    answers = 0
    for hour in TURNS:
        is_morning = hour == TURNS[0]
        now = shop.clock.moment = midnight + timedelta(hours=hour)
        if is_morning or midnight.weekday() in LONG_DAYS:
            answers += _work(shop, now, is_morning=is_morning)
        shop.order_mails.say({"now": int(now.timestamp())})
        if is_morning:
            rounds.segment(shop.app)
        rounds.send(shop.app, streams=frozenset({Stream.MARKETING}))
        shop.order_mails.hear()
        shop.outside.read()
    return answers


def _work(shop: _Shop, now: datetime, *, is_morning: bool) -> int:
    """Orders in, answers in, agents at work, mails planned."""
    new = shop.calendar.changes(shop.imported_until, now)
    if new:
        name = f"orders-{now:%Y-%m-%d-%H}.csv"
        _write(shop.app.home, new, name, shop.seed, shop.imported_until, now)
        importing.import_orders(shop.app, _export(shop.app.home, name), map_name="generic")
    shop.imported_until = now
    answers = shop.outside.tick(now)
    if is_morning:
        listening.listen(shop.app)
    agents.work(shop.app, shop.seed)
    # What counts in days is planned in the morning; what answers an order, at each turn.
    planning.apply(shop.app, () if is_morning else _answering_orders(shop.app))
    return answers


def _answering_orders(app: App) -> list[str]:
    return [
        campaign.id
        for campaign in app.definitions.campaigns.values()
        if campaign.stream is Stream.TRANSACTIONAL and campaign.mode is Mode.LIVE
    ]


def _export(folder: Path, name: str) -> Path:
    return folder / "exports" / name


def _write(
    folder: Path, orders: list[Purchase], name: str, seed: int, since: datetime, now: datetime
) -> None:
    """Write the shop's export, which an operator would fetch from the shop system."""
    path = _export(folder, name)
    path.parent.mkdir(exist_ok=True)
    exports.write(path, orders, seed=seed, since=since, now=now)


def make_room(folder: Path, *, is_replaced: bool) -> None:
    """See that `folder` is free; an earlier demo there is removed when `is_replaced`.

    Raises:
        CrmMailerError: something lies there, and it is not an earlier demo or may not go.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    if is_replaced and (folder / MARK).exists():
        shutil.rmtree(folder)
        return
    raise CrmMailerError(
        Sentence("{folder} holds something already", folder=folder),
        hint="--replace begins an earlier demo anew; --folder names another place",
    )


def _lay_out(folder: Path) -> None:
    homes.make_home(folder)
    (folder / MARK).write_text("made by `crm-mailer demo`; may be removed\n", encoding="utf-8")
    shop = folder / "campaigns" / "shop.yaml"
    shop.write_text(_replaced(shop.read_text(encoding="utf-8")), encoding="utf-8")
    for kind in ("lifecycle", "edm"):
        for path in sorted((folder / "campaigns" / kind).glob("*.yaml")):
            if path.stem not in LIVE:
                continue
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace("mode: draft", "mode: live", 1), encoding="utf-8")


def _replaced(shop: str) -> str:
    """The starter shop, where the invoices come from: its days are London's, its money pounds."""
    lines = []
    for line in shop.splitlines():
        if line.startswith("time_zone:"):
            line = "time_zone: Europe/London"
        if line.startswith("currency:"):
            line = "currency: GBP"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _servers(outside: Outside) -> dict[str, str]:
    return {
        # one customer in a hundred complains here, so that there is something to see
        "CRM_MAILER_GUARDS_COMPLAINTS": "300",
        "CRM_MAILER_SMTP_HOST": HOST,
        "CRM_MAILER_SMTP_PORT": str(outside.smtp_port),
        "CRM_MAILER_SMTP_TLS": "none",
        "CRM_MAILER_IMAP_HOST": HOST,
        "CRM_MAILER_IMAP_PORT": str(outside.imap_port),
        "CRM_MAILER_IMAP_TLS": "none",
        "CRM_MAILER_IMAP_USERNAME": USER,
        "CRM_MAILER_IMAP_PASSWORD": PASSWORD,
    }


@contextmanager
def _opened(folder: Path, outside: Outside) -> Iterator[App]:
    settings = read_settings(folder, _servers(outside))
    app = App(folder, settings, SetClock(START))
    try:
        yield app
    finally:
        app.close()


def _leave_as_sandbox(folder: Path, end: datetime) -> None:
    """The servers are gone: what is looked at later is a sandbox that stands at the last moment."""
    path = folder / FILE_NAME
    text = path.read_text(encoding="utf-8")
    path.write_text(f'clock = "{end:%Y-%m-%dT%H:%M:%SZ}"\n{text}', encoding="utf-8")
