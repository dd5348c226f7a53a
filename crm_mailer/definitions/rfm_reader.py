"""Reads campaigns/rfm.yaml: profiles that say where the marks R, F and M change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from crm_mailer.definitions.files import Fault, Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, did_you_mean
from crm_mailer.definitions.written import SLUG, Duration, Text, shown, spelled
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.score import DEFAULT_PROFILE, RfmProfile
from crm_mailer.model.sentence import Sentence

ABOVE_MEAN = "above_mean"
_CENTURY = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmProfiles:
    """The profiles by name, what their authors say of them, and the one in use."""

    use: RfmProfile = DEFAULT_PROFILE
    profiles: Mapping[str, RfmProfile] = field(
        default_factory=lambda: {DEFAULT_PROFILE.name: DEFAULT_PROFILE}
    )
    notes: Mapping[str, str] = field(default_factory=dict)


def _high(text: Any) -> Any:
    if text == ABOVE_MEAN:
        return ABOVE_MEAN
    if isinstance(text, str) and text.isdigit() and 2 <= int(text) <= 5:
        return int(text)
    raise Fault(
        "CRM107",
        Sentence("`{shown}` is no mark to be high from", shown=shown(text)),
        "write 2 to 5, or above_mean",
    )


_HIGH = WithJsonSchema({"enum": [2, 3, 4, 5, "2", "3", "4", "5", ABOVE_MEAN]})
_Four = Field(min_length=4, max_length=4)
_Days = Annotated[int, Field(ge=0, le=_CENTURY)]
_Orders = Annotated[int, Field(ge=1, le=1_000_000)]
_Usd = Annotated[Decimal, Field(gt=0, le=1_000_000_000, decimal_places=2)]
_Percent = Annotated[int, Field(ge=1, le=99)]


class ProfileShape(Strict):
    """One profile: limits as numbers, or as shares of the customers."""

    days: Annotated[list[_Days], _Four] | None = None
    orders: Annotated[list[_Orders], _Four] | None = None
    usd: Annotated[list[_Usd], _Four] | None = None
    quantiles: Annotated[list[_Percent], _Four] | None = None
    window: Duration | None = None
    high: Annotated[int | Literal["above_mean"], BeforeValidator(_high), _HIGH] = 4
    note: Text = ""


class RfmFile(Strict):
    """The shape of rfm.yaml."""

    use: str = DEFAULT_PROFILE.name
    profiles: Annotated[dict[str, ProfileShape], Field(min_length=1)]


def read_rfm(path: Path, problems: list[Problem], name: str = "") -> RfmProfiles | None:
    """What the file says; the default table without a file; None, and `problems`, when wrong."""
    if not path.exists():
        return RfmProfiles()
    try:
        node = read_yaml(path, name)
        shape = validate(node, RfmFile)
    except DefinitionError as error:
        problems.extend(error.problems)
        return None
    faults = [
        *_use_faults(node, shape),
        *(fault for name, one in shape.profiles.items() for fault in _faults(node, name, one)),
    ]
    problems.extend(faults)
    if faults:
        return None
    profiles = {name: _profile(name, one) for name, one in shape.profiles.items()}
    notes = {name: one.note.strip() for name, one in shape.profiles.items()}
    return RfmProfiles(use=profiles[shape.use], profiles=profiles, notes=notes)


def _profile(name: str, shape: ProfileShape) -> RfmProfile:
    cents = [int(limit * 100) for limit in shape.usd] if shape.usd else None
    high = 4 if shape.high == ABOVE_MEAN else int(shape.high)
    return RfmProfile(
        name=name,
        r_days=_four(shape.days) or DEFAULT_PROFILE.r_days,
        f_orders=_four(shape.orders) or DEFAULT_PROFILE.f_orders,
        m_usd_cents=_four(cents) or DEFAULT_PROFILE.m_usd_cents,
        quantiles=_four(shape.quantiles),
        window_days=shape.window.days if shape.window else None,
        is_high_by_mean=shape.high == ABOVE_MEAN,
        high=(high, high, high),
    )


def _four(limits: Sequence[int] | None) -> tuple[int, int, int, int] | None:
    if limits is None:
        return None
    first, second, third, fourth = limits
    return first, second, third, fourth


def _use_faults(node: Node, shape: RfmFile) -> Iterator[Problem]:
    if shape.use not in shape.profiles:
        message = Sentence("there is no profile `{name}`", name=shape.use)
        help_ = did_you_mean(shape.use, shape.profiles)
        yield node.problem("CRM107", message, "use", help=help_)


def _faults(node: Node, name: str, shape: ProfileShape) -> Iterator[Problem]:
    if not SLUG.fullmatch(name):
        message = Sentence(
            "`{name}`: a name has lower-case letters, digits and hyphens only", name=name
        )
        yield node.problem("CRM117", message, "profiles", name, key=True)
    limits = {"days": shape.days, "orders": shape.orders, "usd": shape.usd}
    for key, given in limits.items():
        if given is not None and shape.quantiles is not None:
            message = Sentence("`{key}` and `quantiles` both say where marks change", key=key)
            help_ = "keep one of them"
            yield node.problem("CRM107", message, "profiles", name, key, help=help_, key=True)
    yield from _sequence(node, name, "days", shape.days, is_rising=True)
    yield from _sequence(node, name, "quantiles", shape.quantiles, is_rising=True)
    yield from _sequence(node, name, "orders", shape.orders, is_rising=False)
    yield from _sequence(node, name, "usd", shape.usd, is_rising=False)
    if shape.window is not None and (shape.window.days < 1 or shape.window.seconds):
        message = Sentence("`{span}`: a window is whole days", span=spelled(shape.window))
        yield node.problem("CRM110", message, "profiles", name, "window", help="such as 730d")


def _sequence(
    node: Node, name: str, key: str, limits: Sequence[Any] | None, *, is_rising: bool
) -> Iterator[Problem]:
    """The limits stand in the order of the marks 5, 4, 3, 2."""
    for place, (before, after) in enumerate(pairwise(limits or ()), start=1):
        if after == before or (after > before) != is_rising:
            message = Sentence("`{after}` must be less than `{before}`", after=after, before=before)
            if is_rising:
                message = Sentence(
                    "`{after}` must be more than `{before}`", after=after, before=before
                )
            help_ = "the limits of the marks 5, 4, 3 and 2, in this order"
            yield node.problem("CRM107", message, "profiles", name, key, place, help=help_)
            return
