"""The description of `/orders` for whoever writes a program that sends orders (OpenAPI 3.1)."""

from __future__ import annotations

from functools import cache
from typing import Any

from crm_mailer import __version__
from crm_mailer.model.order import OrderState

_STATES = [state.value for state in OrderState]
_OUTCOMES = ["created", "changed", "unchanged", "wrong"]
_MOMENT = {
    "type": "string",
    "minLength": 8,
    "maxLength": 40,
    "description": "Such as 2026-11-02T14:30:00+03:00; without a zone, the shop's own counts.",
    "examples": ["2026-11-02T14:30:00Z"],
}
_AMOUNT = {
    "description": "In the order's currency, as a number or, exactly, as text.",
    "oneOf": [
        {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,4})?$"},
        {"type": "number", "minimum": 0, "exclusiveMaximum": 1_000_000_000_000},
    ],
    "examples": ["12.50"],
}
_ID = {
    "oneOf": [
        {"type": "string", "minLength": 1, "maxLength": 100},
        {"type": "integer", "minimum": 0, "exclusiveMaximum": 10**18},
    ]
}


def _text(most: int = 300, what: str = "") -> dict[str, Any]:
    return {"type": "string", "maxLength": most, **({"description": what} if what else {})}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    """`null` says as little as a field that is not there."""
    return {"anyOf": [schema, {"type": "null"}]}


def _object(needed: list[str], fields: dict[str, dict[str, Any]], what: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": what,
        "additionalProperties": False,
        "required": needed,
        "properties": {
            name: schema if name in needed else _maybe(schema) for name, schema in fields.items()
        },
    }


_CUSTOMER = _object(
    [],
    {
        "id": {**_ID, "description": "Your name for the customer."},
        "email": _text(),
        "name": _text(),
        "given_name": _text(),
        "family_name": _text(),
        "patronymic": _text(),
        "phone": _text(),
        "language": _text(20, "Such as en or pt-BR."),
        "gender": _text(20, "female or male; anything else counts as not told."),
        "birthday": _text(10, "1990-05-17, or --05-17 where the year is not known."),
        "country": _text(80, "A code such as DE, or the country's name."),
        "region": _text(),
        "city": _text(),
        "postcode": _text(30),
        "street": _text(),
        "accepts_marketing": {
            "type": "boolean",
            "description": "What the customer said to marketing mail; leave it out if unknown.",
        },
    },
    "Who bought. One of email, id, phone or name must tell who it is.",
)
_ITEM = _object(
    [],
    {
        "sku": _text(),
        "title": _text(),
        "category": _text(),
        "quantity": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        "price": {**_AMOUNT, "description": "Of one piece."},
    },
    "One line of an order.",
)
_ORDER = _object(
    ["number", "placed_at", "customer"],
    {
        "number": {**_ID, "description": "Unique on the platform; by it an order is known again."},
        "placed_at": _MOMENT,
        "customer": {"$ref": "#/components/schemas/Customer"},
        "state": {
            "type": "string",
            "enum": _STATES,
            "description": "Without a state and without times an order counts as paid.",
        },
        "state_times": {
            "type": "object",
            "description": "When the order reached each of its states.",
            "propertyNames": {"enum": _STATES},
            "additionalProperties": _maybe(_MOMENT),
        },
        "currency": {"type": "string", "pattern": "^[A-Za-z]{3}$", "examples": ["USD"]},
        "amount": {**_AMOUNT, "description": "The order's total; else the lines are added up."},
        "shipping_fee": _AMOUNT,
        "refunded": _AMOUNT,
        "payment_method": {"type": "string", "minLength": 1, "maxLength": 100},
        "coupons": {
            "type": "array",
            "maxItems": 20,
            "items": {"type": "string", "minLength": 1, "maxLength": 100},
        },
        "carrier": {"type": "string", "minLength": 1, "maxLength": 100},
        "tracking_number": {"type": "string", "minLength": 1, "maxLength": 100},
        "tracking_url": _text(500),
        "promised_ship_at": _MOMENT,
        "expected_at": {**_MOMENT, "description": "When the parcel should arrive."},
        "note": _text(2_000),
        "items": {
            "type": "array",
            "maxItems": 500,
            "items": {"$ref": "#/components/schemas/Item"},
        },
    },
    "One order. Sent again, only what differs is written; an older telling moves nothing back.",
)
_SCHEMAS: dict[str, Any] = {
    "Customer": _CUSTOMER,
    "Item": _ITEM,
    "Order": _ORDER,
    "Fault": {
        "type": "object",
        "required": ["field", "what", "hint"],
        "properties": {name: {"type": "string"} for name in ("field", "what", "hint")},
    },
    "Row": {
        "type": "object",
        "required": ["number", "outcome", "faults"],
        "properties": {
            "number": {"type": "string"},
            "outcome": {"type": "string", "enum": _OUTCOMES},
            "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
        },
    },
    "Result": {
        "type": "object",
        "description": "One row for each order, in the sequence in which they were sent.",
        "required": ["counts", "rows", "notes"],
        "properties": {
            "counts": {
                "type": "object",
                "propertyNames": {"enum": _OUTCOMES},
                "additionalProperties": {"type": "integer"},
            },
            "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
            "notes": {"type": "array", "items": {"type": "string"}},
        },
    },
    "Waiting": {
        "type": "object",
        "required": ["status", "request"],
        "properties": {"status": {"const": "waiting"}, "request": {"type": "string"}},
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "hint": {"type": "string"}},
    },
}


def _answer(what: str, *schemas: str) -> dict[str, Any]:
    found = [{"$ref": f"#/components/schemas/{one}"} for one in schemas]
    schema = found[0] if len(found) == 1 else {"anyOf": found}
    return {"description": what, "content": {"application/json": {"schema": schema}}}


_REFUSALS = {
    "401": _answer("The bearer token is missing or wrong.", "Error"),
    "503": _answer("The database cannot be used now; nothing was kept. Try again.", "Error"),
}
_TAKEN = _answer("What became of each order.", "Result")
_LATER = _answer("Kept, and not read yet. Ask again at the address in Location.", "Waiting")
_WRONG = _answer("None of the orders can be taken; the rows say why.", "Result", "Error")


@cache
def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crm-mailer: orders in",
            "version": __version__,
            "description": "Tell the mailer of orders as they happen. The rules are those of "
            "`crm-mailer import orders`.",
        },
        "security": [{"token": []}],
        "paths": {"/orders": {"post": _post()}, "/orders/requests/{key}": {"get": _get()}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _SCHEMAS,
        },
    }


def _post() -> dict[str, Any]:
    order = {"$ref": "#/components/schemas/Order"}
    many = {"type": "array", "minItems": 1, "maxItems": 500, "items": order}
    return {
        "operationId": "sendOrders",
        "summary": "Send one order, or up to 500.",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Your name for this request: sent again with the same name, it is "
                "not done again, and the answer is that of the first time.",
                "schema": {"type": "string", "maxLength": 200, "pattern": "^[A-Za-z0-9._:-]+$"},
            },
            {
                "name": "Prefer",
                "in": "header",
                "description": "respond-async: do not wait until the orders are read.",
                "schema": {"type": "string", "enum": ["respond-async"]},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": [order, many]}}},
        },
        "responses": {
            "200": _TAKEN,
            "202": _LATER,
            "400": _answer("The body is no JSON, or a header cannot be used.", "Error"),
            "408": _answer("The body did not come within ten seconds.", "Error"),
            "413": _answer("The body is larger than 1 MB.", "Error"),
            "415": _answer("The body is packed, or is not marked as JSON.", "Error"),
            "422": _WRONG,
            **_REFUSALS,
        },
    }


def _get() -> dict[str, Any]:
    return {
        "operationId": "getRequest",
        "summary": "Ask what became of a request.",
        "parameters": [
            {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "responses": {
            "200": _TAKEN,
            "202": _LATER,
            "404": _answer("There is no such request.", "Error"),
            "422": _WRONG,
            **_REFUSALS,
        },
    }
