"""What customers do and choose on the public pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

#: How long a pause is.
PAUSE = timedelta(days=30)
#: A year in which every day of the calendar is.
LEAP_YEAR = 2000


class ActKind(StrEnum):
    """What somebody did on a page."""

    #: No more marketing mail.
    OPT_OUT = "opt_out"
    #: It was a mistake: as before.
    UNDO = "undo"
    #: Why, in one word.
    REASON = "reason"
    CHOOSE = "choose"
    #: Yes, write to me.
    CONFIRM = "confirm"


class OptOutReason(StrEnum):
    """Why somebody wants no more; in the codes of complaints where these have one."""

    TOO_MANY = "mail.too_many"
    NOT_INTERESTED = "not_interested"
    #: Never asked for it: as good as a spam report.
    NEVER_SIGNED_UP = "mail.not_mine"
    OTHER = "other"


class Wish(StrEnum):
    """What is wished of a pause."""

    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Birthday:
    """A day of the year; the year may be unknown."""

    month: int
    day: int
    year: int | None = None

    def is_real(self, today: date) -> bool:
        """Whether there is such a day, and somebody alive may be born on it."""
        try:
            born = date(self.year or LEAP_YEAR, self.month, self.day)
        except (ValueError, OverflowError):
            return False
        return self.year is None or (today.year - 120 <= self.year and born < today)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a customer changes; None: it stays as it is."""

    topics_off: frozenset[str] | None = None
    wants_fewer: bool | None = None
    pause: Wish | None = None
    language: str | None = None
    birthday: Birthday | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is changed."""
        return self == Choices()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing done on a page."""

    kind: ActKind
    touch_id: int
    at: datetime
    choices: Choices = Choices()
    reason: OptOutReason | None = None
    #: How: one click or the page, from which network and with which program.
    told: str = ""
    #: The keyed hash of the address that it came from.
    ip_hash: str = ""

    @property
    def given(self) -> dict[str, Any]:
        """What was chosen, as it is kept."""
        chosen, born = self.choices, self.choices.birthday
        found: dict[str, Any] = {
            "topics_off": None if chosen.topics_off is None else sorted(chosen.topics_off),
            "wants_fewer": chosen.wants_fewer,
            "pause": chosen.pause,
            "language": chosen.language,
            "birthday": None if born is None else [born.month, born.day, born.year],
            "reason": self.reason,
            "ip_hash": self.ip_hash or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def read(
        cls, kind: str, touch_id: int, at: datetime, given: Mapping[str, Any], told: str
    ) -> Act:
        """The act as it was kept."""
        topics, born = given.get("topics_off"), given.get("birthday")
        pause, reason = given.get("pause"), given.get("reason")
        return cls(
            kind=ActKind(kind),
            touch_id=touch_id,
            at=at,
            choices=Choices(
                topics_off=None if topics is None else frozenset(topics),
                wants_fewer=given.get("wants_fewer"),
                pause=Wish(pause) if pause else None,
                language=given.get("language"),
                birthday=Birthday(month=born[0], day=born[1], year=born[2]) if born else None,
            ),
            reason=OptOutReason(reason) if reason else None,
            ip_hash=str(given.get("ip_hash") or ""),
            told=told,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReader:
    """Who has the link of a mail, and how their wishes stand, acts not taken in yet included."""

    touch_id: int
    #: None: the mail was a test, which is nobody's.
    customer_id: int | None
    #: Where the mail went, and where mails go now.
    addresses: tuple[str, ...]
    language: str = ""
    country: str = ""
    campaign: str = ""
    #: No marketing mail goes there, for whatever reason; and whether it was said on a page of ours.
    is_stopped: bool = False
    is_opted_out_here: bool = False
    #: An opt-out is kept for every address, whatever else stops mail.
    has_opted_out: bool = False
    #: Their data were taken away: nothing of them is shown or kept any more.
    is_erased: bool = False
    topics_off: frozenset[str] = frozenset()
    wants_fewer: bool = False
    paused_until: datetime | None = None
    has_birthday: bool = False
    is_confirmed: bool = False
    #: Acts of this mail's links lately.
    acts: int = 0

    @property
    def is_test(self) -> bool:
        """Whether the mail was nobody's."""
        return self.customer_id is None

    def after(self, act: Act) -> PageReader:
        """How things stand once the act is taken in."""
        match act.kind:
            case ActKind.OPT_OUT:
                return replace(
                    self,
                    is_stopped=True,
                    has_opted_out=True,
                    is_opted_out_here=self.is_opted_out_here or not self.is_stopped,
                )
            case ActKind.UNDO:
                return self._undone()
            case ActKind.CHOOSE:
                return self._choosing(act.choices, act.at)
            case ActKind.CONFIRM:
                return replace(self._undone(), is_confirmed=True)
            case _:
                return self

    def _undone(self) -> PageReader:
        """Without what was said on a page of ours; what else was said is looked up again."""
        return replace(
            self,
            is_stopped=self.is_stopped and not self.is_opted_out_here,
            is_opted_out_here=False,
            has_opted_out=False,
        )

    def _choosing(self, chosen: Choices, at: datetime) -> PageReader:
        until = self.paused_until
        if chosen.pause is not None:
            until = at + PAUSE if chosen.pause is Wish.BEGIN else None
        return replace(
            self,
            topics_off=self.topics_off if chosen.topics_off is None else chosen.topics_off,
            wants_fewer=self.wants_fewer if chosen.wants_fewer is None else chosen.wants_fewer,
            paused_until=until,
            language=chosen.language or self.language,
            has_birthday=self.has_birthday or chosen.birthday is not None,
        )


def masked_address(address: str) -> str:
    """An address as somebody may see it who has a link only: `m•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}" if domain else ""
