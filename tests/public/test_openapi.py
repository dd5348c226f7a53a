"""The description of `/orders` is true: whatever fits it is answered as it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from crm_mailer.importing import json_orders
from crm_mailer.public import openapi
from tests.public.hook_site import SECRET, Site, site

jsonschema = pytest.importorskip("jsonschema")
schemathesis = pytest.importorskip("schemathesis")
building = pytest.importorskip("schemathesis.pytest._test_builder")
feedback = pytest.importorskip("schemathesis.generation.feedback")
#: Enough to meet each field; the same ones every time.
FEW = settings(
    max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
SCHEMA = schemathesis.openapi.from_dict(openapi.document())
OPERATIONS = {one.ok().label: one.ok() for one in SCHEMA.get_all_operations()}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("described") / "shop", digests=True) as served:
        yield served


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_as_described(label: str, shop: Site) -> None:
    @FEW
    def ask(case: Any) -> None:
        case.call_and_validate(
            base_url=f"http://127.0.0.1:{shop.port}",
            headers={"Authorization": f"Bearer {SECRET}"},
            checks=CHECKS,
        )

    # not by `parametrize()` of the schema, which makes up all questions while tests are collected:
    # seconds, in each process that runs tests
    building.build_operation_test(
        config=SCHEMA.config,
        operation=OPERATIONS[label],
        test_func=ask,
        given_kwargs={},
        feedback=feedback.FeedbackSources(),
    )()


def test_the_description_is_served_and_sound(shop: Site) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    served = shop.ask("/openapi.json", None, "GET")
    validator.validate(served.json)
    assert served.status == 200
    assert served.json == openapi.document()


@pytest.mark.parametrize(
    "model",
    [json_orders.JsonOrder, json_orders.JsonCustomer, json_orders.JsonItem],
    ids=lambda one: one.__name__,
)
def test_the_fields_described_are_those_that_are_read(model: Any) -> None:
    described = openapi.document()["components"]["schemas"][model.__name__.removeprefix("Json")]
    needed = {name for name, one in model.model_fields.items() if one.is_required()}
    assert set(described["properties"]) == set(model.model_fields)
    assert set(described["required"]) == needed


@pytest.mark.parametrize(
    "told",
    [
        {"number": "1", "placed_at": "2026-10-30T10:00:00Z", "customer": {"email": "a@b.example"}},
        {"number": 1, "placed_at": "2026-10-30", "customer": {"id": 7}, "amount": 12.5},
        {"number": "1", "placed_at": "2026-10-30", "customer": {"id": None}, "note": None},
        {"number": "1", "placed_at": "2026-10-30", "customer": {}, "amount": "12.50",
         "state": "shipped", "state_times": {"paid": "2026-10-30T10:00:00Z"}},
        {"number": "1", "placed_at": "x", "customer": {}},
        {"number": "1", "placed_at": "2026-10-30", "customer": {}, "amount": "a lot"},
        {"number": "1", "placed_at": "2026-10-30", "customer": {}, "state": "flying"},
        {"number": "1", "placed_at": "2026-10-30", "customer": {}, "colour": "red"},
        {"number": "1", "placed_at": "2026-10-30"},
        {"number": True, "placed_at": "2026-10-30", "customer": {}},
    ],
    ids=["least", "numbers", "nulls", "states", "no time", "no amount", "no state", "unknown",
         "no customer", "no number"],
)  # fmt: skip
def test_description_and_reader_agree_on_what_is_well_formed(told: dict[str, Any]) -> None:
    document = openapi.document()
    schema = {"$ref": "#/components/schemas/Order", "components": document["components"]}
    fits = jsonschema.Draft202012Validator(schema).is_valid(told)
    # the server keeps numbers with a point as their exact text
    exact = {key: str(one) if isinstance(one, float) else one for key, one in told.items()}
    assert isinstance(json_orders.check(exact), json_orders.JsonOrder) == fits
