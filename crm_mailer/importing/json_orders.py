"""The shape of the orders that a program of the shop's own sends, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pydantic

from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.importing.told import WRONG, Fault, Outcome, Told
from crm_mailer.model.order import OrderState
from crm_mailer.model.sentence import Sentence

#: Orders in one request.
MOST_ORDERS = 500
#: Items of one order.
MOST_ITEMS = 500

_Text = Annotated[str, pydantic.StringConstraints(max_length=300)]
_LongText = Annotated[str, pydantic.StringConstraints(max_length=2_000)]
_Moment = Annotated[str, pydantic.StringConstraints(min_length=8, max_length=40)]
_Name = Annotated[str, pydantic.StringConstraints(min_length=1, max_length=100)]
_Id = _Name | Annotated[int, pydantic.Field(ge=0, lt=10**18)]
#: An amount as text, or a JSON number, of which the exact digits were kept.
_Amount = (
    Annotated[str, pydantic.StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,4})?$")]
    | Annotated[int, pydantic.Field(ge=0, lt=10**12)]
)


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)


class JsonCustomer(_Strict):
    """Who bought. One of email, id, phone or name must be there."""

    id: _Id | None = None
    email: _Text | None = None
    name: _Text | None = None
    given_name: _Text | None = None
    family_name: _Text | None = None
    patronymic: _Text | None = None
    phone: _Text | None = None
    language: Annotated[str, pydantic.StringConstraints(max_length=20)] | None = None
    gender: Annotated[str, pydantic.StringConstraints(max_length=20)] | None = None
    birthday: Annotated[str, pydantic.StringConstraints(max_length=10)] | None = None
    country: Annotated[str, pydantic.StringConstraints(max_length=80)] | None = None
    region: _Text | None = None
    city: _Text | None = None
    postcode: Annotated[str, pydantic.StringConstraints(max_length=30)] | None = None
    street: _Text | None = None
    accepts_marketing: bool | None = None


class JsonItem(_Strict):
    """One line of an order; `price` is of one piece."""

    sku: _Text | None = None
    title: _Text | None = None
    category: _Text | None = None
    quantity: Annotated[int, pydantic.Field(ge=0, le=1_000_000)] = 1
    price: _Amount | None = None


class JsonOrder(_Strict):
    """One order."""

    number: _Id
    placed_at: _Moment
    customer: JsonCustomer
    state: OrderState | None = None
    state_times: dict[OrderState, _Moment] = pydantic.Field(default_factory=dict)
    currency: Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z]{3}$")] | None = None
    amount: _Amount | None = None
    shipping_fee: _Amount | None = None
    refunded: _Amount | None = None
    payment_method: _Name | None = None
    coupons: Annotated[list[_Name], pydantic.Field(max_length=20)] | None = None
    carrier: _Name | None = None
    tracking_number: _Name | None = None
    tracking_url: Annotated[str, pydantic.StringConstraints(max_length=500)] | None = None
    promised_ship_at: _Moment | None = None
    expected_at: _Moment | None = None
    note: _LongText | None = None
    items: Annotated[list[JsonItem], pydantic.Field(max_length=MOST_ITEMS)] = []

    @pydantic.field_validator("state", mode="before")
    @classmethod
    def _state(cls, value: Any) -> Any:
        is_known = isinstance(value, str) and value in set(OrderState)
        return OrderState(value) if is_known else value

    @pydantic.field_validator("state_times", mode="before")
    @classmethod
    def _state_times(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = set(OrderState)
        return {OrderState(key) if key in known else key: at for key, at in value.items()}

    def told(self) -> Told:
        """As the importing rules know it."""
        customer = self.customer.model_dump(exclude={"id", "name"})
        head = {
            **self.model_dump(
                exclude={"number", "customer", "state", "state_times", "coupons", "items"}
            ),
            **customer,
            "order_number": self.number,
            "state": self.state.value if self.state else None,
            "buyer_id": self.customer.id,
            "customer_name": self.customer.name,
            "coupons": ", ".join(self.coupons or ()),
            **{f"{state.value}_at": at for state, at in self.state_times.items()},
        }
        lines = [one.model_dump() for one in self.items]
        return Told(head=as_cells(head), lines=[as_cells(one) for one in lines])


#: What a field of a column map is called in the JSON.
NAMES: Mapping[str, str] = {
    "order_number": "number",
    "buyer_id": "customer.id",
    "customer_name": "customer.name",
    **{
        name: f"customer.{name}" for name in JsonCustomer.model_fields if name not in ("id", "name")
    },
    **{name: f"items.{name}" for name in JsonItem.model_fields},
    **{f"{state.value}_at": f"state_times.{state.value}" for state in OrderState},
    "placed_at": "placed_at",
}


def as_cells(values: Mapping[str, Any]) -> dict[str, str]:
    """Texts of what is told; what is not told is left out."""
    return {
        name: ("true" if value else "false") if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None and value != ""
    }


def orders_in(payload: Any) -> list[Any]:
    """The orders of a request: one, or a list.

    Raises:
        ValueError: it is neither, or too many.
    """
    orders = payload if isinstance(payload, list) else [payload]
    if not all(isinstance(one, dict) for one in orders) or not orders:
        raise ValueError(Sentence("send one order (a JSON object) or a list of them"))
    if len(orders) > MOST_ORDERS:
        raise ValueError(
            Sentence(
                "{number:,} orders are too many: send at most {most} at once",
                number=len(orders),
                most=MOST_ORDERS,
            )
        )
    return orders


def check(order: Any) -> JsonOrder | Outcome:
    """The order, or what is wrong with its shape."""
    try:
        return JsonOrder.model_validate(_without_nothing(order))
    except pydantic.ValidationError as error:
        faults = tuple(_fault(one) for one in error.errors(include_url=False)[:20])
        number = order.get("number", "") if isinstance(order, dict) else ""
        known = str(number)[:100] if isinstance(number, str | int) else ""
        return Outcome(number=known, became=WRONG, faults=tuple(dict.fromkeys(faults)))


def _without_nothing(value: Any) -> Any:
    """`null` says as little as a field that is not there."""
    if isinstance(value, dict):
        return {key: _without_nothing(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nothing(one) for one in value]
    return value


def _fault(error: Any) -> Fault:
    """One complaint of the checker, in words for whoever wrote the program that sends."""
    place = [part for part in error["loc"] if part in _PARTS or isinstance(part, int)]
    name = ".".join(map(str, place)) or str(error["loc"][0])[:100]
    kind = error["type"]
    if kind == "extra_forbidden":
        wrong = str(error["loc"][-1])[:100]
        outer = ".".join(map(str, place))
        return Fault(
            field=f"{outer}.{wrong}" if outer else wrong,
            what="this field is not known",
            hint=did_you_mean(wrong, _known_at(error["loc"])) or "see /openapi.json",
        )
    if kind == "missing":
        return Fault(field=name, what="this field is missing", hint="see /openapi.json")
    if name.startswith("state"):
        states = ", ".join(state.value for state in OrderState)
        return Fault(
            field=name,
            what="this is no state of an order, or not its time",
            hint=Sentence("one of {states}", states=states),
        )
    hint = "such as 12.50" if name.rpartition(".")[2] in _AMOUNTS else "see /openapi.json"
    return Fault(field=name, what=_words(str(error["msg"])), hint=hint)


def _words(message: str) -> str:
    return message[:1].lower() + message[1:200]


_AMOUNTS = frozenset({"amount", "shipping_fee", "refunded", "price"})
_PARTS = frozenset({*JsonOrder.model_fields, *JsonCustomer.model_fields, *JsonItem.model_fields})


def _known_at(place: Sequence[Any]) -> list[str]:
    model: type[pydantic.BaseModel] = JsonOrder
    if "customer" in place[:-1]:
        model = JsonCustomer
    elif "items" in place[:-1]:
        model = JsonItem
    return list(model.model_fields)
