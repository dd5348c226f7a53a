"""What campaign files said before, and what was changed: kept whenever a file is planned with."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from crm_mailer.app import names
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import campaign_texts
from crm_mailer.store.engine import Connection

#: So many versions are listed.
LISTED = 50
#: Lines shown around a change.
AROUND = 3
#: What is compared within a line that was changed.
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One text of a campaign's file; number 0 is the file as it is now, where that is not kept."""

    number: int
    version: str
    mode: str
    digest: str
    at: datetime | None
    by: str
    #: How many mails were planned by this version of the campaign, whatever its mode was.
    mails: int
    is_now: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a difference: `kind` is "same", "gone", "new" or "gap".

    `parts` are pieces of the line, and whether each is what changed in it.
    """

    kind: str
    parts: tuple[tuple[str, bool], ...]
    #: Line numbers in the older and in the newer text; 0: it is not in that one.
    older: int = 0
    newer: int = 0


def digest(text: str) -> str:
    """By what a text is known again."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep(app: App, *, by: str = "", only: str = "") -> int:
    """Keep the texts from which campaigns were made, where they or their versions are new.

    A version is new with another curve or another day of a festival, too, though the file says what
    it said. What a file says by now belongs to another version: it is kept when it is read.

    Args:
        app: the shop.
        by: who changed them; empty for somebody at the file.
        only: this campaign's; empty for all.

    Returns:
        How many were kept.
    """
    found = app.definitions
    files = [
        _Made(campaign=one, text=text, digest=digest(text))
        for one in found.campaigns.values()
        if only in ("", one.id) and (text := found.texts.get(one.path)) is not None
    ]
    with app.store.read() as connection:
        fresh = _new(connection, files)
    if not fresh:
        return 0
    with app.store.write() as connection:
        fresh = _new(connection, fresh)  # another process may have been quicker
        for one in fresh:
            campaign_texts.add(
                connection,
                one.campaign.id,
                version=one.campaign.version,
                mode=one.campaign.mode.value,
                digest=one.digest,
                text=one.text,
                now=app.clock.now(),
                by=by,
            )
    return len(fresh)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A campaign, and the text from which it was made."""

    campaign: Campaign
    text: str
    digest: str


def _new(connection: Connection, files: Sequence[_Made]) -> list[_Made]:
    """Those that differ from what was kept last of their campaign."""
    known = campaign_texts.latest(connection)
    return [
        one for one in files if known.get(one.campaign.id) != (one.campaign.version, one.digest)
    ]


def text_of(app: App, campaign: Campaign) -> str | None:
    """What the campaign's file says now; None where it cannot be read."""
    try:
        return (app.home / campaign.path).read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


def versions(app: App, campaign: str, mails: dict[str, int] | None) -> list[Version]:
    """The campaign's texts, the newest first; versions of which only the name is known last.

    Args:
        app: the shop.
        campaign: its id.
        mails: version -> mails planned by it; None where they are being counted.

    Raises:
        NotFound: there is no such campaign.
    """
    found = names.campaign(app, campaign)
    text = text_of(app, found)
    counted = mails or {}
    with app.store.read() as connection:
        kept = campaign_texts.list_(connection, campaign, limit=LISTED)
    own = digest(text) if text is not None else ""
    listed = [
        Version(
            number=one.number,
            version=one.version,
            mode=one.mode,
            digest=one.digest,
            at=one.at,
            by=one.by,
            mails=counted.get(one.version, 0),
            is_now=place == 0 and (one.version, one.digest) == (found.version, own),
        )
        for place, one in enumerate(kept)
    ]
    if own and not (listed and listed[0].is_now):
        listed.insert(0, _present(found, own, counted))
    told = {one.version for one in listed}
    return [*listed, *(_bare(one, counted[one]) for one in sorted(counted) if one not in told)]


def _present(campaign: Campaign, own: str, counted: dict[str, int]) -> Version:
    """The file as it is, before anything was planned with it."""
    return Version(
        number=0,
        version=campaign.version,
        mode=campaign.mode.value,
        digest=own,
        at=None,
        by="",
        mails=counted.get(campaign.version, 0),
        is_now=True,
    )


def _bare(version: str, mails: int) -> Version:
    """One that mails were planned by before texts were kept."""
    return Version(
        number=-1, version=version, mode="", digest="", at=None, by="", mails=mails, is_now=False
    )


def text(app: App, campaign: str, number: int) -> str:
    """A kept text; 0 is the file as it is now.

    Raises:
        NotFound: there is none by this number.
    """
    found: str | None
    if number == 0:
        found = text_of(app, names.campaign(app, campaign))
    else:
        with app.store.read() as connection:
            found = campaign_texts.find(connection, campaign, number)
    if found is None:
        raise NotFound(
            Sentence("there is no text {number} of `{campaign}`", number=number, campaign=campaign)
        )
    return found


# ------------------------------------------------------------------ differences


def difference(older: str, newer: str) -> list[Line]:
    """What was changed, with a few lines around each change; nothing where all is the same."""
    then, now = older.splitlines(), newer.splitlines()
    groups = difflib.SequenceMatcher(a=then, b=now, autojunk=False).get_grouped_opcodes(AROUND)
    found: list[Line] = []
    for place, group in enumerate(groups):
        if place:
            found.append(Line(kind="gap", parts=()))
        for kind, a, b, c, d in group:
            if kind == "equal":
                found += _same(then[a:b], a, c)
            else:
                found += _changed(then[a:b], now[c:d], a, c)
    return found


def _same(lines: Sequence[str], a: int, c: int) -> Iterator[Line]:
    for place, line in enumerate(lines, 1):
        yield Line(kind="same", parts=((line, False),), older=a + place, newer=c + place)


def _changed(then: Sequence[str], now: Sequence[str], a: int, c: int) -> Iterator[Line]:
    pairs = [_marked(one, other) for one, other in zip_longest(then, now)]
    for place, (gone, _new) in enumerate(pairs, 1):
        if gone is not None:
            yield Line(kind="gone", parts=gone, older=a + place)
    for place, (_gone, new) in enumerate(pairs, 1):
        if new is not None:
            yield Line(kind="new", parts=new, newer=c + place)


_Parts = tuple[tuple[str, bool], ...]


def _marked(then: str | None, now: str | None) -> tuple[_Parts | None, _Parts | None]:
    """Two lines that stand for each other, with the words marked that differ."""
    if then is None or now is None:
        return (
            None if then is None else ((then, False),),
            None if now is None else ((now, False),),
        )
    words, others = _WORDS.findall(then), _WORDS.findall(now)
    matcher = difflib.SequenceMatcher(a=words, b=others, autojunk=False)
    if matcher.ratio() < 0.4:  # another line altogether
        return ((then, False),), ((now, False),)
    gone: list[tuple[str, bool]] = []
    new: list[tuple[str, bool]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if b > a:
            gone.append(("".join(words[a:b]), kind != "equal"))
        if d > c:
            new.append(("".join(others[c:d]), kind != "equal"))
    return tuple(gone), tuple(new)
