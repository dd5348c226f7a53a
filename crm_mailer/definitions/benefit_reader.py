"""Reads campaigns/benefits.yaml: what the shop gives, from which codes, within which limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from crm_mailer.definitions.files import Fault, Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.definitions.written import Duration, Language, Slug
from crm_mailer.model.benefit import (
    LEAST_CHANCE,
    PLACE,
    Benefit,
    BenefitKind,
    CodeSource,
    OnEmpty,
    Proof,
    pattern_chance,
)
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.sentence import Sentence

#: A code is typed by people; most shops take no longer one.
LONGEST_CODE = 40
POOL = "pool"
#: How an order may show it, as a file may say it: that a person says so is never written.
Shown = Literal["code", "note", "free_shipping"]


def _code(text: Any) -> Any:
    """One code: a word without blanks, commas or the like, as exports divide codes by them."""
    if not isinstance(text, str) or not text.strip():
        raise Fault("CRM190", "a code is a word such as WELCOME10")
    code = text.strip()
    if len(code) > LONGEST_CODE:
        raise Fault(
            "CRM190",
            Sentence("the code is longer than {most} characters", most=LONGEST_CODE),
        )
    if any(letter.isspace() or letter in ",;|" for letter in code):
        raise Fault(
            "CRM190",
            Sentence("`{code}` is no code: no blanks, commas, semicolons or bars", code=code),
        )
    return code


def _pattern(text: Any) -> Any:
    """A code with places for chance."""
    pattern = _code(text)
    rest = PLACE.sub("", pattern)
    if "{" in rest or "}" in rest or not PLACE.search(pattern):
        raise Fault(
            "CRM190",
            Sentence("`{code}` has no place for chance", code=pattern),
            "such as BDAY-{8}",
        )
    chance = pattern_chance(pattern)
    if chance < LEAST_CHANCE:
        message = Sentence(
            "`{code}` leaves {chance} letters to chance: such codes can be guessed",
            code=pattern,
            chance=chance,
        )
        raise Fault(
            "CRM190",
            message,
            Sentence("at least {least}, such as BDAY-{{8}}", least=LEAST_CHANCE),
        )
    if len(rest) + chance > LONGEST_CODE:
        raise Fault(
            "CRM190",
            Sentence("the codes would be longer than {most} characters", most=LONGEST_CODE),
        )
    return pattern


class PatternShape(Strict):
    """`codes: {pattern: "BDAY-{8}"}`."""

    pattern: Annotated[str, BeforeValidator(_pattern)]


class LimitShape(Strict):
    """`limit: {total: 500, per_customer: 1, per: 365d}`."""

    total: Annotated[int, Field(ge=1)] | None = None
    per_customer: Annotated[int, Field(ge=1, le=1000)] | None = None
    per: Duration | None = None


def _codes(written: Any) -> Any:
    """`pool`, or a block with a pattern."""
    if written is not None and written != POOL and not isinstance(written, dict):
        raise Fault("CRM190", "`codes` is pool or {pattern: ...}", 'such as {pattern: "BDAY-{8}"}')
    return {"pattern": "P{8}"} if written == POOL else written


class BenefitShape(Strict):
    """One benefit."""

    id: Slug
    kind: BenefitKind
    title: Annotated[dict[Language, Annotated[str, Field(min_length=1, max_length=200)]],
                     Field(min_length=1)]  # fmt: skip
    code: Annotated[str, BeforeValidator(_code)] | None = None
    codes: Annotated[PatternShape | None, BeforeValidator(_codes)] = None
    valid_for: Duration = timedelta(days=30)
    limit: LimitShape = LimitShape()
    approval: Literal["none", "required"] = "none"
    on_empty: OnEmpty = OnEmpty.SKIP
    redeemed_by: Annotated[tuple[Shown, ...], Field(min_length=1)] | None = None
    #: USD that one use costs the shop.
    cost: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] | None = None


class BenefitsFile(Strict):
    """The shape of benefits.yaml."""

    benefits: list[BenefitShape] = Field(default_factory=list)


def read_benefits(path: Path, problems: list[Problem], shown: str = "") -> dict[str, Benefit]:
    """The benefits by id; none where the file is missing. One that is wrong is left out."""
    if not path.exists():
        return {}
    try:
        node = read_yaml(path, shown)
        if node.is_null or not node.entries:
            return {}
        shape = validate(node, BenefitsFile)
    except DefinitionError as error:
        problems.extend(error.problems)
        return {}
    found: dict[str, Benefit] = {}
    codes: dict[str, str] = {}
    for number, one in enumerate(shape.benefits):
        faults = list(_faults(node, number, one, found, codes))
        problems.extend(faults)
        if not any(fault.is_error for fault in faults):
            found[one.id] = _benefit(node, number, one, shown or str(path))
    return found


def _benefit(node: Node, number: int, shape: BenefitShape, path: str) -> Benefit:
    source = _source(node, number, shape)
    pattern = shape.codes.pattern if source is CodeSource.PATTERN and shape.codes else ""
    return Benefit(
        id=shape.id,
        kind=shape.kind,
        title=dict(shape.title),
        source=source,
        code=shape.code or pattern,
        valid_for=shape.valid_for,
        total=shape.limit.total,
        per_customer=shape.limit.per_customer,
        per=shape.limit.per,
        needs_approval=shape.approval == "required",
        on_empty=shape.on_empty,
        proofs=_proofs(shape, source),
        cost_cents=None if shape.cost is None else round(shape.cost * 100),
        path=path,
    )


def _source(node: Node, number: int, shape: BenefitShape) -> CodeSource:
    if shape.code is not None:
        return CodeSource.SHARED
    written = node.get("benefits", number, "codes")
    if written is None or written.is_null:
        return CodeSource.NONE
    return CodeSource.POOL if written.kind == "text" else CodeSource.PATTERN


def _proofs(shape: BenefitShape, source: CodeSource) -> frozenset[Proof]:
    """What is said, else what fits: a code by its column, free shipping without one by its cost."""
    if shape.redeemed_by is not None:
        return frozenset(Proof(one) for one in shape.redeemed_by)
    if source is not CodeSource.NONE:
        return frozenset({Proof.CODE})
    is_shipping = shape.kind is BenefitKind.FREE_SHIPPING
    return frozenset({Proof.FREE_SHIPPING}) if is_shipping else frozenset()


def _faults(
    node: Node,
    number: int,
    shape: BenefitShape,
    before: Mapping[str, Benefit],
    codes: dict[str, str],
) -> Iterator[Problem]:
    """What is wrong with one benefit that its shape cannot tell; its code joins `codes`."""
    here = ("benefits", number)
    if shape.id in before:
        yield node.problem(
            "CRM118", Sentence("two benefits have the id `{id}`", id=shape.id), *here, "id"
        )
    if shape.code is not None and shape.codes is not None:
        message = "`code` is one for all, `codes` are one for each: only one of them"
        yield node.problem("CRM190", message, *here, "codes", help="take one out")
    if shape.code is not None:
        other = codes.setdefault(shape.code.upper(), shape.id)
        if other != shape.id:
            message = Sentence(
                "the benefit `{other}` has the code `{code}` already", other=other, code=shape.code
            )
            help_ = "an order that names it could not be told apart"
            yield node.problem("CRM190", message, *here, "code", help=help_)
    if shape.limit.per is not None and shape.limit.per_customer is None:
        message = "`per` says how long `per_customer` counts, which is missing"
        help_ = "such as {per_customer: 1, per: 365d}"
        yield node.problem("CRM190", message, *here, "limit", "per", help=help_)
    if not shape.valid_for:
        yield node.problem("CRM190", "`valid_for` is no time at all", *here, "valid_for")
    yield from _proof_faults(node, here, shape, _source(node, number, shape))


def _proof_faults(
    node: Node, here: tuple[str, int], shape: BenefitShape, source: CodeSource
) -> Iterator[Problem]:
    proofs = _proofs(shape, source)
    is_shipping = shape.kind is BenefitKind.FREE_SHIPPING
    if Proof.FREE_SHIPPING in proofs and not is_shipping:
        message = Sentence("free shipping does not show that a coupon was used")
        if shape.kind is BenefitKind.GIFT:
            message = Sentence("free shipping does not show that a gift was used")
        yield node.problem("CRM190", message, *here, "redeemed_by")
    if source is CodeSource.NONE and proofs & {Proof.CODE, Proof.NOTE}:
        message = Sentence("there is no code that an order could show")
        help_ = "write `code:` or `codes:`"
        yield node.problem("CRM190", message, *here, "redeemed_by", help=help_)
    if not proofs:
        yield node.problem(
            "CRM190",
            "no order can show that it was used",
            *here,
            help="`crm-mailer benefit redeem` writes it down by hand; or give it a code",
            severity=Severity.WARNING,
        )
