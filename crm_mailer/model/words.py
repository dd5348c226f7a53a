"""The words by which listening knows a mail: read from data files, so that a shop can add its own.

A phrase is written in plain words: `never arriv*` (a star ends a stem), `not ... received` (up to
four words between; with four dots up to twelve, over the end of a sentence), `still? waiting`
(may be missing), `(parcel|box)` (one of), `<n>` (a number).
Case, accents and the kind of apostrophe do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.reply import REASONS, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One phrase and what it is a sign of: a complaint reason, an intent, a wish."""

    code: str
    phrase: str
    #: A sure sign speaks for itself; a hint counts only together with others.
    is_sure: bool = True
    #: The shop's word that this phrase is no sign of it.
    is_exception: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """What customers say in one language."""

    language: str
    signs: tuple[Sign, ...] = ()
    #: Words that turn what follows into its opposite: "not broken".
    negators: tuple[str, ...] = ()
    #: Words that make what follows a mere case: "if it breaks".
    conditions: tuple[str, ...] = ()
    #: With what a question begins that asks about a thing, and does not say that it is so.
    openers: tuple[str, ...] = ()
    #: Frequent little words by which the language is known.
    stop_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How people ask for no more mail, in every language at once."""

    #: A subject that says nothing else.
    subjects: tuple[str, ...] = ()
    #: At least half of a short sentence among the first.
    lines: tuple[str, ...] = ()
    #: A clause that says nothing else.
    wholes: tuple[str, ...] = ()
    #: The same where no goods are spoken of: a mere call to stop.
    stops: tuple[str, ...] = ()
    #: What may stand beside a wish and changes nothing: courtesy, lack of interest.
    beside: tuple[str, ...] = ()
    #: Words of a mail about an order, of another way than mail to be told something.
    goods: tuple[str, ...] = ()
    #: Words that make a mere call to stop mean something else.
    places: tuple[str, ...] = ()
    #: A clause of its own that changes nothing: a bare no, which inside a clause denies it.
    alone: tuple[str, ...] = ()
    #: Said by people who want our mail: no wish is in a sentence that holds one.
    denials: tuple[str, ...] = ()
    #: What makes a denial a threat: "if you don't".
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BounceSign:
    """A phrase of mail servers and what it means."""

    reason: BounceReason
    phrase: str
    #: The sign is one of these servers or domains only; empty for everybody.
    hosts: tuple[str, ...] = ()
    #: Believed without a status or the command that was refused.
    is_sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything of the kind, as values. `version` is a hash of them all: equal by it alone."""

    version: str
    lexicons: tuple[Lexicon, ...] = field(default=(), compare=False)
    #: Complaint reason -> severity and meaning: those that ship and the shop's own.
    reasons: Mapping[str, tuple[Severity, str]] = field(
        default_factory=lambda: dict(REASONS), compare=False
    )
    wishes: Wishes = field(default=Wishes(), compare=False)
    #: How the subject of an automatic answer begins.
    auto_subjects: tuple[str, ...] = field(default=(), compare=False)
    #: The same where the text must say so too, or the subject says nothing else.
    auto_weak_subjects: tuple[str, ...] = field(default=(), compare=False)
    #: What its text says: away, machine, back and so on; and person, what no program says.
    auto_signs: tuple[Sign, ...] = field(default=(), compare=False)
    bounce_signs: tuple[BounceSign, ...] = field(default=(), compare=False)
