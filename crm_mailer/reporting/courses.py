"""How a course on an adaptive memory curve stands, in sentences: paused, done, stopped, or next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.model.curve import Ending, Signal
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason
from crm_mailer.store.course_stories import CourseRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseFate:
    """A course: what started it, how it stands, and what would wake it or begin another."""

    campaign: str
    anchor: str
    #: What started it, in words.
    event: str
    #: "done", "paused", "stopped", "converted"; empty while it goes on.
    ended: str
    ended_at: datetime | None
    #: How it stands first.
    told: tuple[Sentence, ...]


def told(
    course: CourseRow, steps: Sequence[str], *, starts: str, now: datetime, place: ZoneInfo
) -> tuple[Sentence, ...]:
    """How the course stands, then what would wake it or begin a new one.

    Args:
        course: as it is kept.
        steps: the campaign's steps in their order, by their ids; none where its file is gone.
        starts: the event that begins a course; empty where nothing does so again.
        now: the clock.
        place: the zone in which times are told.
    """
    if not course.ended:
        return (_going_on(course, steps, now, place),)
    found = [_ended(course, place)]
    if course.ended == Ending.PAUSED:
        if course.place < len(steps):
            found.append(Sentence("its next mail would be {step}", step=steps[course.place]))
        if course.listens_until is not None and course.listens_until > now:
            until = _time(course.listens_until, place)
            found.append(
                Sentence("a click, an opened mail or a reply until {time} wakes it", time=until)
            )
    if starts:
        found.append(Sentence("a new event begins a new course: {event}", event=starts))
    return tuple(found)


def _going_on(course: CourseRow, steps: Sequence[str], now: datetime, place: ZoneInfo) -> Sentence:
    if course.step and course.next_at is not None and course.next_at > now:
        return Sentence(
            "it goes on: its next mail, {step}, is planned for {time}",
            step=course.step,
            time=_time(course.next_at, place),
        )
    if course.step:
        return Sentence(
            "it goes on: what follows {step} is decided when that mail has left", step=course.step
        )
    if course.place < len(steps):
        return Sentence(
            "it goes on: the next `crm-mailer apply`, or the daemon, plans {step}",
            step=steps[course.place],
        )
    return Sentence("it goes on: the next `crm-mailer apply`, or the daemon, decides what follows")


def _ended(course: CourseRow, place: ZoneInfo) -> Sentence:
    assert course.ended_at is not None
    time = _time(course.ended_at, place)
    match course.ended:
        case Ending.PAUSED if course.misses <= 1:
            return Sentence("paused on {time} after a miss: it writes no more",
                            time=time)  # fmt: skip
        case Ending.PAUSED:
            return Sentence(
                "paused on {time} after {misses} misses in a row: it writes no more",
                time=time,
                misses=f"{course.misses:g}",
            )
        case Ending.CONVERTED:
            return Sentence("ended well on {time}: the customer bought", time=time)
        case Ending.STOPPED:
            return Sentence("stopped on {time}: {why}", time=time, why=_why(course.why))
        case _:
            return Sentence("done since {time}: all its mails have left", time=time)


def _why(code: str) -> Sentence:
    if code == Signal.STOP:
        return Sentence("the customer complained")
    known = code in set(SkipReason)
    return Sentence(SKIP_SENTENCES[SkipReason(code)] if known else "not known")


def _time(at: datetime, place: ZoneInfo) -> str:
    return f"{at.astimezone(place):%Y-%m-%d %H:%M}"
