"""Which column of a platform's export means what: maps as data, shipped ones and the shop's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from crm_mailer.definitions.files import Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, did_you_mean, raise_errors
from crm_mailer.model.errors import NotFound
from crm_mailer.model.order import OrderState
from crm_mailer.model.sentence import Sentence

SHIPPED = Path(__file__).resolve().parent / "maps"

#: One column each, or several of which the first that is not empty counts.
ORDER_FIELDS = frozenset(
    "order_number placed_at state state_at payment_state shipping_state platform buyer_id email "
    "customer_name given_name family_name patronymic gender birthday language phone country region "
    "city postcode street street_2 street_3 time_zone currency amount shipping_fee refunded "
    "payment_method promised_ship_at carrier tracking_number tracking_url expected_at note coupons "
    "accepts_marketing stars review reviewed_at".split()
) | {f"{state.value}_at" for state in OrderState}
#: Told for each line of an order. Of `line_extra` and `line_discount` all columns are added up.
LINE_FIELDS = frozenset(
    "sku title category quantity price line_total line_extra line_discount line_state "
    "products".split()
)
FIELDS = ORDER_FIELDS | LINE_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """How to read one platform's export.

    `columns`: field -> headers that mean it, best first. `states`: the platform's word, folded by
    `fold` -> state. `zone`: the zone of times that name none; "shop" is the shop's own.
    `positions`: fields by place, for a file without a header. `ignore`: patterns of rows
    that are no orders.
    """

    name: str
    platform: str
    title: str = ""
    source: str = ""
    confidence: str = "low"
    zone: str = "shop"
    dates: str = "auto"
    decimal: str = "auto"
    currency: str = ""
    quoting: str = "standard"
    default_state: OrderState | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    positions: tuple[str, ...] = ()
    states: Mapping[str, OrderState] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    path: str = ""


@lru_cache(4096)
def fold(header: str) -> str:
    """What two spellings of a header share: case, blanks, hyphens and underscores do not count."""
    return re.sub(r"[\s_\-\ufeff]+", " ", header).strip().casefold()


def read_map(path: Path) -> ColumnMap:
    """The map in one YAML file.

    Raises:
        DefinitionError: with every fault, each at its place.
    """
    node = read_yaml(path)
    shape = validate(node, _Shape)
    raise_errors([*_unknown(node, "columns", FIELDS), *_unknown(node, "states", set(OrderState))])
    _check_positions(node)
    return ColumnMap(
        **shape.model_dump(exclude={"columns", "states", "platform"}),
        platform=shape.platform or shape.name,
        columns=shape.columns,
        states={
            fold(word): OrderState(state) for state, words in shape.states.items() for word in words
        },
        path=str(path),
    )


@cache
def shipped_maps() -> tuple[ColumnMap, ...]:
    """The maps that come with the program, by name."""
    return tuple(read_map(path) for path in sorted(SHIPPED.glob("*.yaml")))


def read_maps(folder: Path | None = None) -> dict[str, ColumnMap]:
    """The shipped maps and those in the shop's `folder`, which win over shipped ones of that name.

    Raises:
        DefinitionError: one of the shop's maps is wrong.
    """
    found = {one.name: one for one in shipped_maps()}
    return {**found, **own_maps(folder)} if folder is not None else found


def own_maps(folder: Path) -> dict[str, ColumnMap]:
    """The maps in the shop's `folder` alone, by name; none where there is no such folder.

    Raises:
        DefinitionError: one of them is wrong.
    """
    paths = sorted(folder.glob("*.yaml")) if folder.is_dir() else ()
    return {one.name: one for one in map(read_map, paths)}


def choose_map(wanted: str, maps: Mapping[str, ColumnMap]) -> ColumnMap:
    """The map called `wanted`, or the one in the YAML file of that path.

    Raises:
        NotFound: there is no such map; the nearest name is suggested.
        DefinitionError: the file is wrong.
    """
    if wanted in maps:
        return maps[wanted]
    path = Path(wanted)
    if path.suffix in {".yaml", ".yml"}:
        return read_map(path)
    raise NotFound(
        Sentence("there is no column map called `{wanted}`", wanted=wanted),
        hint=did_you_mean(wanted, maps),
    )


# --------------------------------------------------------------------- the file's shape


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], pydantic.BeforeValidator(_as_list)]


class _Shape(Strict):
    name: str = pydantic.Field(min_length=1, pattern=r"^[a-z0-9_-]+$")
    platform: str = ""
    title: str = ""
    source: str = ""
    confidence: Literal["high", "medium", "low"] = "low"
    zone: str = "shop"
    dates: Literal["auto", "dmy", "mdy", "ymd"] = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    currency: str = ""
    quoting: Literal["standard", "none"] = "standard"
    default_state: OrderState | None = None
    columns: dict[str, Words]
    positions: tuple[str, ...] = ()
    states: dict[str, Words] = pydantic.Field(default_factory=dict)
    ignore: Words = ()


def _unknown(node: Node, key: str, known: Iterable[str]) -> list[Problem]:
    block = node.get(key)
    names = [str(name) for name in known]
    return [
        node.problem(
            "CRM104",
            Sentence("unknown field `{name}`", name=name)
            if key == "columns"
            else Sentence("unknown state `{name}`", name=name),
            key,
            name,
            key=True,
            help=did_you_mean(name, names),
        )
        for name in (block.entries if block is not None else ())
        if name not in names
    ]


def _check_positions(node: Node) -> None:
    block = node.get("positions")
    items = block.items if block is not None else []
    raise_errors(
        [
            node.problem(
                "CRM107",
                Sentence("unknown field `{name}`", name=item.text),
                "positions",
                place,
                help=did_you_mean(item.text, FIELDS),
            )
            for place, item in enumerate(items)
            if item.text not in FIELDS | {"-"}
        ]
    )
