"""Verbs of the public pages: who a link belongs to, what they wish, and taking it in."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from crm_mailer.app.wiring import App
from crm_mailer.model.choices import Act, ActKind, Choices, OptOutReason, PageReader
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.language import choose
from crm_mailer.model.token import Purpose
from crm_mailer.store import preferences

#: More acts than a person does in a day with the links of one mail.
MOST_ACTS = 60


def reader(app: App, purpose: Purpose, token: str) -> PageReader:
    """Who got the mail that the token stands in.

    Raises:
        NotFound: we made no such token for this purpose, or whose it was is erased. The way out
            of a mail stays: it says that no more comes.
    """
    touch_id = app.keys.read(purpose, token)
    found = None
    if touch_id is not None and touch_id < 2**63:
        since = app.clock.now() - timedelta(days=1)
        with app.store.read() as connection:
            found = preferences.find_reader(connection, touch_id, since=since)
    if found is None or (found.is_erased and purpose is not Purpose.UNSUBSCRIBE):
        raise NotFound("this link is not ours, or not whole")
    return found


def act(
    app: App,
    whose: PageReader,
    kind: ActKind,
    *,
    choices: Choices | None = None,
    reason: OptOutReason | None = None,
    told: str = "",
    host: str = "",
) -> PageReader:
    """Keep what somebody does, durably; how things stand then.

    What changes nothing is not kept again. The links of a test, and of who is erased, do nothing.
    Of `host`, the address that it came from, a yes keeps a keyed hash.

    Raises:
        NotPossible: no person does so much in a day. An opt-out is never too much.
    """
    now = app.clock.now()
    done = Act(
        kind=kind,
        touch_id=whose.touch_id,
        at=now,
        choices=choices or Choices(),
        reason=reason,
        told=told,
        ip_hash=_hashed(app, host) if kind is ActKind.CONFIRM and host else "",
    )
    after = whose.after(done)
    if whose.is_test or whose.is_erased or not _is_new(done, whose, after):
        return after
    if whose.acts >= MOST_ACTS and kind is not ActKind.OPT_OUT:
        raise NotPossible("that is too much for one day", hint="try again tomorrow")
    with app.store.write(durable=True) as connection:
        preferences.add(connection, done)
    return after


def _hashed(app: App, host: str) -> str:
    """By the shop's key: it proves an address to who names one, and tells none to who does not."""
    number = app.keys.current
    text, key = b"consent\0" + host.encode(), app.keys.keys[number][:64]
    return f"{number}:{hashlib.blake2b(text, key=key, digest_size=20).hexdigest()}"


def _is_new(done: Act, whose: PageReader, after: PageReader) -> bool:
    """Whether something follows from an act.

    An opt-out is kept beside whatever else stops mail: a dead address may come to life again.
    """
    match done.kind:
        case ActKind.OPT_OUT:
            return not whose.has_opted_out
        case ActKind.UNDO:
            return whose.is_opted_out_here
        case ActKind.REASON:
            return True
        case _:  # the reader does not know which birthday is stored
            return after != whose or done.choices.birthday is not None


def topics(app: App, whose: PageReader, code: str) -> dict[str, str]:
    """The shop's topics, each named in a language, or the nearest that it has."""
    shop = app.shop_or_default
    return {
        topic: names[choose(code, names, shop.fallback, whose.country) or next(iter(names))]
        for topic, names in shop.topics.items()
    }


def take_in(app: App) -> int:
    """Let everything follow that was done on the pages; how many acts that were."""
    with app.store.read() as connection:
        if not preferences.has_waiting(connection):
            return 0
    with app.store.write() as connection:
        return preferences.take_in(connection, app.clock.now())
