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
from crm_mailer.app import App, importing, listening, planning, rounds
from crm_mailer.app.clocks import SetClock
from crm_mailer.demo import agents, exports
from crm_mailer.demo.child import Child
from crm_mailer.demo.outside import Outside
from crm_mailer.demo.post_office import HOST, PASSWORD, USER
from crm_mailer.demo.story import START, Calendar, Purchase, purchases
from crm_mailer.model.campaign import Mode, Stream
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.settings import FILE_NAME, read_settings

#: Hours of a day (UTC) at which every room takes a turn; the second one on long days only.
TURNS = (8, 17)
#: Monday, Wednesday, Friday: somebody is in the shop until the evening.
LONG_DAYS = {0, 2, 4}
#: Starter campaigns that the demo leaves alone: what they say, others of the set say too.
LEFT_AS_DRAFT = {"arrived", "cancel-reason", "first-order-anniversary"}
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


def run(folder: Path, *, seed: int, days: int, on_day: Callable[[Progress], None]) -> Ran:
    """Live through `days` days from 2011-09-01 in a new shop in `folder`.

    Raises:
        CrmMailerError: the folder holds something already.
    """
    started = time.monotonic()
    _lay_out(folder)
    outside = Outside(seed)
    story = purchases(seed)
    calendar = Calendar(story)
    gc.freeze()  # the story stays: the collector need not walk it again and again
    gc.set_threshold(50_000, 20, 50)
    with (
        outside,
        _opened(folder, outside) as app,
        Child(SENDER, str(folder), environment=_servers(outside)) as order_mails,
    ):
        past = [order for order in story if order.placed_at < START]
        _take_in(app, past, "orders-until-2011-08-31.csv", seed, START, START)
        rounds.segment(app)
        listening.fetch(app, "all")
        answers = 0
        for day in range(days):
            answers += _live_a_day(
                app, outside, order_mails, calendar, START + timedelta(days=day), seed
            )
            on_day(
                Progress(
                    day=day + 1, days=days, at=app.clock.now(), mails=outside.taken, answers=answers
                )
            )
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


def _live_a_day(
    app: App,
    outside: Outside,
    order_mails: Child,
    calendar: Calendar,
    midnight: datetime,
    seed: int,
) -> int:
    answers = 0
    for hour in TURNS if midnight.weekday() in LONG_DAYS else TURNS[:1]:
        before = app.clock.now()
        now = midnight + timedelta(hours=hour)
        assert isinstance(app.clock, SetClock)
        app.clock.moment = now
        new = calendar.changes(before, now)
        if new:
            _take_in(app, new, f"orders-{now:%Y-%m-%d-%H}.csv", seed, before, now)
        answers += outside.tick(now)
        if hour == TURNS[0]:
            listening.listen(app)
        agents.work(app, seed)
        # What counts in days is planned in the morning; what answers an order, at each turn.
        planning.apply(app, () if hour == TURNS[0] else _answering_orders(app))
        order_mails.say({"now": int(now.timestamp())})
        if hour == TURNS[0]:
            rounds.segment(app)
        rounds.send(app, streams=frozenset({Stream.MARKETING}))
        order_mails.hear()
        outside.read()
    return answers


def _answering_orders(app: App) -> list[str]:
    return [
        campaign.id
        for campaign in app.definitions.campaigns.values()
        if campaign.stream is Stream.TRANSACTIONAL and campaign.mode is Mode.LIVE
    ]


def _take_in(
    app: App, orders: list[Purchase], name: str, seed: int, since: datetime, now: datetime
) -> None:
    """Write the shop's export and import it, as an operator would."""
    path = app.home / "exports" / name
    path.parent.mkdir(exist_ok=True)
    exports.write(path, orders, seed=seed, since=since, now=now)
    importing.import_orders(app, path, map_name="generic")


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
        f"{folder} holds something already",
        hint="--replace begins an earlier demo anew; --folder names another place",
    )


def _lay_out(folder: Path) -> None:
    homes.make_home(folder)
    (folder / MARK).write_text("made by `crm-mailer demo`; may be removed\n", encoding="utf-8")
    shop = folder / "campaigns" / "shop.yaml"
    shop.write_text(_replaced(shop.read_text(encoding="utf-8")), encoding="utf-8")
    for kind in ("lifecycle", "edm"):
        for path in sorted((folder / "campaigns" / kind).glob("*.yaml")):
            if path.stem in LEFT_AS_DRAFT:
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
