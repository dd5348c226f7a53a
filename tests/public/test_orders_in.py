"""Orders from programs: the endpoint of the shop's own, Shopify and WooCommerce."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from crm_mailer.app import hooks as verbs
from crm_mailer.app import importing
from crm_mailer.public import hooks_body
from crm_mailer.store import tables
from tests.public.hook_site import SECRET, Site, site


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("orders") / "shop", digests=True) as served:
        yield served


def order(number: str, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "placed_at": "2026-10-30T10:00:00Z",
        "customer": {"email": f"{number}@example.com", "name": "Anna Müller", "country": "DE"},
        "amount": "49.90",
        "currency": "USD",
        "items": [{"sku": "A-1", "title": "Lamp", "quantity": 2, "price": "24.95"}],
        **more,
    }


def stored(shop: Site, number: str) -> Any:
    [found] = [one for one in shop.rows(tables.orders) if one.number == number]
    return found


def customer_of(shop: Site, number: str) -> Any:
    owner = stored(shop, number).customer_id
    [found] = [one for one in shop.rows(tables.customers) if one.id == owner]
    return found


def outcomes(answer: Any) -> list[str]:
    return [row["outcome"] for row in answer.json["rows"]]


# ------------------------------------------------------------------ the shop's own endpoint


def test_an_order_is_created_then_unchanged_then_changed(shop: Site) -> None:
    first, same = shop.orders(order("E-1")), shop.orders(order("E-1"))
    shipped = shop.orders(order("E-1", state="shipped", tracking_number="LX123456789CN"))

    assert [outcomes(one) for one in (first, same, shipped)] == [
        ["created"], ["unchanged"], ["changed"],
    ]  # fmt: skip
    found = stored(shop, "E-1")
    assert (found.platform, found.state, found.amount_minor) == ("erp", "shipped", 4990)
    assert (found.tracking_number, found.net_usd_cents) == ("LX123456789CN", 4990)
    assert customer_of(shop, "E-1").language == "de"


def test_a_list_is_answered_row_by_row_and_the_good_are_taken(shop: Site) -> None:
    answer = shop.orders([
        order("L-1"),
        order("L-2", placed_at="someday soon"),
        order("L-3", customer={}),
        order("L-4", amout="1.00"),
        order("L-1", state="shipped"),
    ])  # fmt: skip

    assert answer.status == 200
    assert outcomes(answer) == ["created", "wrong", "wrong", "wrong", "changed"]
    assert answer.json["counts"] == {"changed": 1, "created": 1, "wrong": 3}
    faults = [row["faults"] for row in answer.json["rows"]]
    assert faults[1][0]["field"] == "placed_at"
    assert faults[2][0]["hint"]
    assert faults[3] == [
        {"field": "amout", "what": "this field is not known", "hint": "did you mean `amount`?"}
    ]


def test_a_wrong_address_costs_only_itself(shop: Site) -> None:
    told = order("W-1", customer={"email": "no address", "name": "Bo", "id": 17})
    answer = shop.orders(told)
    [row] = answer.json["rows"]
    assert (row["outcome"], row["faults"][0]["field"]) == ("created", "customer.email")
    assert stored(shop, "W-1").buyer_id == "17"


def test_an_order_means_the_same_as_a_row_of_a_file(shop: Site, tmp_path: Any) -> None:
    shop.orders(order("S-1", customer={"email": "s@example.com"}, state="paid"))
    path = tmp_path / "orders.csv"
    path.write_text(
        "order_number,platform,placed_at,email,amount,currency,state,sku,title,quantity,price\n"
        "S-1,erp,2026-10-30T10:00:00Z,s@example.com,49.90,USD,paid,A-1,Lamp,2,24.95\n"
    )
    report = importing.import_orders(shop.app, path, map_name="generic")
    assert (report.orders_unchanged, report.orders_new) == (1, 0)


def test_a_request_with_the_same_key_is_not_done_again(shop: Site) -> None:
    first = shop.orders(order("K-1"), idempotency_key="nightly-1")
    again = shop.orders(order("K-1"), idempotency_key="nightly-1")
    other = shop.orders(order("K-2"), idempotency_key="nightly-1")

    assert (first.json, again.json) == (again.json, first.json)
    assert outcomes(again) == ["created"]
    assert (other.status, "Idempotency-Key" in other.json["error"]) == (422, True)


def test_who_does_not_wait_asks_later_what_became_of_it(shop: Site) -> None:
    answer = shop.orders(order("P-1"), prefer="respond-async", idempotency_key="p-1")
    asked = answer
    while asked.status == 202:
        asked = shop.ask("/orders/requests/p-1", None, "GET", authorization=f"Bearer {SECRET}")
    assert outcomes(asked) == ["created"]


def test_a_request_of_nobody_is_not_found(shop: Site) -> None:
    asked = shop.ask("/orders/requests/none", None, "GET", authorization=f"Bearer {SECRET}")
    assert asked.status == 404


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x", "Bearer é"],
)
def test_without_the_token_nothing_is_kept(shop: Site, authorization: str) -> None:
    before = shop.kept("erp")
    answer = shop.orders(
        order("T-1"), authorization=authorization.encode("latin-1").decode("latin-1")
    )
    asked = shop.ask("/orders/requests/x", None, "GET", authorization=authorization)
    assert (answer.status, asked.status, shop.kept("erp")) == (401, 401, before)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"{", 400, id="half"),
        pytest.param(b"\xff", 400, id="no text"),
        pytest.param(b"[" * 100_000, 400, id="deep"),
        pytest.param(b'{"amount": NaN}', 400, id="nan"),
        pytest.param(b'{"number": ' + b"9" * 5_000 + b"}", 400, id="long number"),
        pytest.param(b"null", 422, id="null"),
        pytest.param(b"[]", 422, id="no orders"),
        pytest.param(b"[1, 2]", 422, id="numbers"),
        pytest.param(b'"order"', 422, id="text"),
        pytest.param(b"{}", 422, id="empty order"),
        pytest.param(json.dumps([order("x")] * 501).encode(), 422, id="501 orders"),
        pytest.param(b" " * (1024 * 1024 + 1), 413, id="a megabyte"),
    ],
)
def test_a_bad_body_is_answered_and_not_kept(shop: Site, body: bytes, status: int) -> None:
    before = shop.kept("erp")
    answer = shop.orders(body)
    assert (answer.status, shop.kept("erp")) == (status, before)
    assert answer.json


@pytest.mark.parametrize(
    ("more", "field"),
    [
        pytest.param({"amount": "-1"}, "amount", id="negative"),
        pytest.param({"amount": "1e5"}, "amount", id="exponent"),
        pytest.param({"amount": [1]}, "amount", id="list"),
        pytest.param({"amount": True}, "amount", id="yes"),
        pytest.param({"number": ""}, "number", id="no number"),
        pytest.param({"number": {"a": 1}}, "number", id="number of an object"),
        pytest.param({"placed_at": 17}, "placed_at", id="time as a number"),
        pytest.param({"placed_at": "2026-02-31"}, "placed_at", id="no such day"),
        pytest.param({"placed_at": "1890-01-01"}, "placed_at", id="long ago"),
        pytest.param({"placed_at": "2099-01-01"}, "placed_at", id="far ahead"),
        pytest.param({"state": "flying"}, "state", id="unknown state"),
        pytest.param({"state_times": {"flying": "2026-10-30"}}, "state_times", id="its time"),
        pytest.param({"currency": "dollars"}, "currency", id="currency"),
        pytest.param({"customer": None}, "customer", id="no customer"),
        pytest.param({"customer": []}, "customer", id="customer of a list"),
        pytest.param({"customer": {"emial": "a@b.example"}}, "customer.emial", id="misspelt"),
        pytest.param({"items": [{"quantity": -1}]}, "items.0.quantity", id="less than none"),
        pytest.param({"items": [{"quantity": "2"}]}, "items.0.quantity", id="number as text"),
        pytest.param({"items": [{}] * 501}, "items", id="501 items"),
        pytest.param({"note": "x" * 2_001}, "note", id="long note"),
    ],
)
def test_a_wrong_field_is_named_with_what_to_do(
    shop: Site, more: dict[str, Any], field: str
) -> None:
    answer = shop.orders({**order(f"F-{shop.fresh()}"), **more})
    [row] = answer.json["rows"]
    assert (answer.status, row["outcome"]) == (422, "wrong")
    assert row["faults"][0]["field"] == field
    assert row["faults"][0]["hint"]


def test_a_name_that_is_a_script_is_only_a_name(shop: Site) -> None:
    name = "<script>alert(1)</script>\r\nBcc: x@example.com"
    shop.orders(order("X-1", customer={"email": "x1@example.com", "name": name}))
    kept = customer_of(shop, "X-1").name
    assert kept == "<script>alert(1)</script> Bcc: x@example.com"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"content_encoding": "gzip"}, 415, id="packed"),
        pytest.param({"content_type": "text/xml"}, 415, id="xml"),
        pytest.param({"content_type": ""}, 415, id="unmarked"),
        pytest.param({"idempotency_key": "k" * 201}, 400, id="long key"),
        pytest.param({"idempotency_key": "a/b"}, 400, id="key with a slash"),
    ],
)
def test_a_wrong_header_is_answered(shop: Site, headers: dict[str, str], status: int) -> None:
    answer = shop.orders(order("H-1"), **headers)
    assert (answer.status, bool(answer.json["error"])) == (status, True)


# ------------------------------------------------------------------ Shopify


def shopify_order(number: int, **more: Any) -> dict[str, Any]:
    """What Shopify's documentation shows for `orders/create`, shortened."""
    return {
        "id": 820982911946154500 + number,
        "name": f"#{number}",
        "created_at": "2026-10-30T11:00:00-04:00",
        "updated_at": "2026-10-30T11:00:00-04:00",
        "cancelled_at": None,
        "email": f"jon{number}@example.com",
        "contact_email": f"jon{number}@example.com",
        "buyer_accepts_marketing": True,
        "customer_locale": "fr-CA",
        "currency": "USD",
        "total_price": "398.00",
        "financial_status": "paid",
        "fulfillment_status": None,
        "payment_gateway_names": ["visa", "bogus"],
        "note": None,
        "discount_codes": [{"code": "SPRING", "amount": "10.00", "type": "fixed_amount"}],
        "total_shipping_price_set": {"shop_money": {"amount": "10.00", "currency_code": "USD"}},
        "refunds": [],
        "fulfillments": [],
        "phone": None,
        "shipping_address": {
            "first_name": "Steve", "last_name": "Shipper", "address1": "123 Shipping Street",
            "address2": None, "city": "Shippington", "zip": "40003", "province": "Kentucky",
            "country": "United States", "country_code": "US", "phone": "555-555-1234",
        },
        "customer": {
            "id": 115310627314723950 + number, "email": f"jon{number}@example.com",
            "first_name": "Jon", "last_name": "Smith", "tags": "VIP, wholesale",
            "email_marketing_consent": {
                "state": "subscribed", "opt_in_level": "single_opt_in",
                "consent_updated_at": "2026-10-01T00:00:00-04:00",
            },
        },
        "line_items": [
            {"id": 1, "sku": "SKU2006-001", "name": "IPod Nano - 8GB", "title": "IPod Nano",
             "quantity": 2, "price": "199.00", "total_discount": "0.00"},
        ],
        **more,
    }  # fmt: skip


def wait(shop: Site) -> None:
    """Until all that came was read."""
    while any(one.state == "new" for one in shop.rows(tables.hook_requests)):
        pass


def test_an_order_of_shopify_becomes_the_same_order_as_by_its_export(
    shop: Site, tmp_path: Any
) -> None:
    shop.shopify("orders/create", shopify_order(1001))
    wait(shop)

    found, buyer = stored(shop, "#1001"), customer_of(shop, "#1001")
    assert (found.platform, found.state, found.amount_minor) == ("shopify", "paid", 39_800)
    assert (found.coupons, found.shipping_minor, found.payment_method) == (
        "SPRING", 1_000, "visa, bogus",
    )  # fmt: skip
    assert (buyer.email, buyer.name, buyer.language) == ("jon1001@example.com", "Jon Smith", "fr")
    assert (buyer.city, buyer.country) == ("Shippington", "US")
    path = tmp_path / "orders_export.csv"
    path.write_text(
        "Name,Email,Financial Status,Created at,Currency,Total,Lineitem name,Lineitem quantity,"
        "Lineitem price\n#1001,jon1001@example.com,paid,2026-10-30 11:00:00 -0400,USD,398.00,"
        "IPod Nano - 8GB,2,199.00\n"
    )
    report = importing.import_orders(shop.app, path, map_name="shopify")
    assert (report.orders_new, report.customers_new) == (0, 0)


def test_a_consent_told_by_shopify_is_kept_with_its_evidence_and_tags_too(shop: Site) -> None:
    shop.shopify("orders/create", shopify_order(1002))
    wait(shop)

    buyer = customer_of(shop, "#1002")
    [consent] = [one for one in shop.rows(tables.consents) if one.customer_id == buyer.id]
    tags = {one.tag for one in shop.rows(tables.customer_tags) if one.customer_id == buyer.id}
    assert (consent.basis, "webhook shopify" in consent.evidence) == ("consent", True)
    assert tags == {"VIP", "wholesale"}


def test_payment_parcel_refund_and_cancellation_follow_the_order(shop: Site) -> None:
    parcel = {
        "id": 1, "name": "#1003.1", "status": "success", "created_at": "2026-10-31T09:00:00Z",
        "tracking_company": "DHL", "tracking_number": "JD014600003828", "email": "",
        "tracking_url": "https://dhl.example/JD014600003828", "shipment_status": None,
    }  # fmt: skip
    refund = {"created_at": "2026-10-31T20:00:00Z", "transactions": [
        {"kind": "refund", "status": "success", "amount": "99.50"},
        {"kind": "refund", "status": "failure", "amount": "1.00"},
    ]}  # fmt: skip
    states = []
    for topic, told in (
        ("orders/create", shopify_order(1003, financial_status="pending")),
        ("orders/paid", shopify_order(1003)),
        ("fulfillments/create", parcel),
        ("orders/updated", shopify_order(1003, financial_status="partially_refunded",
                                         fulfillment_status="fulfilled", fulfillments=[parcel],
                                         refunds=[refund])),
        ("orders/cancelled", shopify_order(1003, cancelled_at="2026-11-01T00:00:00Z")),
    ):  # fmt: skip
        shop.shopify(topic, told)
        wait(shop)
        states.append(stored(shop, "#1003").state)

    found = stored(shop, "#1003")
    assert states == ["placed", "paid", "shipped", "partly_refunded", "cancelled"]
    assert (found.tracking_number, found.carrier) == ("JD014600003828", "DHL")
    assert found.refunded_minor == 9_950


def test_an_older_webhook_that_comes_late_moves_nothing_back(shop: Site) -> None:
    shop.shopify("orders/updated", shopify_order(1004, fulfillment_status="fulfilled"))
    shop.shopify("orders/create", shopify_order(1004, financial_status="pending"))
    wait(shop)
    assert stored(shop, "#1004").state == "shipped"


def test_the_same_delivery_again_is_known(shop: Site) -> None:
    told = [shop.shopify("orders/create", shopify_order(1005)) for _ in range(2)]
    assert [one.json["status"] for one in told] == ["kept", "known"]


def test_a_parcel_of_an_unknown_order_waits_for_the_order(shop: Site) -> None:
    shop.shopify("fulfillments/create", {"name": "#9999.1", "status": "success"})
    wait(shop)
    assert [one for one in shop.rows(tables.orders) if one.number == "#9999"] == []


def test_a_customer_who_takes_the_consent_back_in_the_shop_gets_no_more_marketing(
    shop: Site,
) -> None:
    shop.shopify("orders/create", shopify_order(1006))
    shop.shopify(
        "customers/update",
        {"id": 115310627314723950 + 1006, "email": "jon1006@example.com", "first_name": "Jonathan",
         "email_marketing_consent": {"state": "unsubscribed"}, "tags": "",
         "default_address": {"city": "Paris", "country_code": "FR"}},
    )  # fmt: skip
    wait(shop)

    assert ("jon1006@example.com", "unsubscribed") in shop.suppressed()
    buyer = customer_of(shop, "#1006")
    assert (buyer.given_name, buyer.city) == ("Jonathan", "Paris")


def test_who_never_subscribed_is_not_suppressed(shop: Site) -> None:
    consent = {"state": "not_subscribed"}
    shop.shopify("customers/create", {"id": 5, "email": "never@example.com",
                                      "email_marketing_consent": consent})  # fmt: skip
    wait(shop)
    assert ("never@example.com", "unsubscribed") not in shop.suppressed()


@pytest.mark.parametrize("topic", ["customers/redact", "customers/data_request", "shop/redact"])
def test_a_privacy_webhook_is_a_task_for_a_person(shop: Site, topic: str) -> None:
    answer = shop.shopify(
        topic,
        {"shop_id": 954889, "shop_domain": "lamps.myshopify.com",
         "customer": {"id": 191167, "email": "john@example.com"}, "orders_to_redact": [299938]},
    )  # fmt: skip
    wait(shop)
    found = [one for one in shop.rows(tables.tasks) if topic in one.text]
    assert (answer.status, [one.kind for one in found]) == (200, ["admin"])


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({}, id="nothing"),
        pytest.param([], id="list"),
        pytest.param({"name": None, "created_at": None}, id="nulls"),
        pytest.param({"name": "#1", "created_at": "x", "customer": [], "refunds": {}}, id="types"),
        pytest.param({"name": "#2", "created_at": "2026-10-30T11:00:00Z"}, id="nobody's"),
        pytest.param({"name": ["#3"], "line_items": [None, 1, {"price": {}}]}, id="lists"),
    ],
)
def test_a_strange_payload_of_shopify_makes_no_order(shop: Site, payload: Any) -> None:
    before = shop.count(tables.orders)
    assert shop.shopify("orders/create", payload).status == 200
    wait(shop)
    assert shop.count(tables.orders) == before


# ------------------------------------------------------------------ WooCommerce


def woo_order(number: int, **more: Any) -> dict[str, Any]:
    """An order of WooCommerce's REST documentation, shortened."""
    billing = {
        "first_name": "John", "last_name": "Doe", "address_1": "969 Market", "address_2": "",
        "city": "San Francisco", "state": "CA", "postcode": "94103", "country": "US",
        "email": f"john{number}@example.com", "phone": "(555) 555-5555",
    }  # fmt: skip
    return {
        "id": number, "number": str(number), "status": "processing", "currency": "USD",
        "date_created": "2026-10-30T16:28:02", "date_created_gmt": "2026-10-30T19:28:02",
        "date_paid_gmt": "2026-10-30T19:28:08", "date_completed_gmt": None,
        "discount_total": "0.00", "shipping_total": "10.00", "total": "29.35",
        "customer_id": 0, "customer_note": "", "billing": billing,
        "shipping": {**billing, "address_1": ""}, "payment_method_title": "Direct Bank Transfer",
        "line_items": [{"id": 315, "name": "Woo Single #1", "quantity": 2, "sku": "WOO-1",
                        "total": "19.35"}],
        "coupon_lines": [{"code": "tenoff"}], "refunds": [], "meta_data": [],
        **more,
    }  # fmt: skip


def test_an_order_of_woocommerce_is_taken_and_followed(shop: Site) -> None:
    shop.woocommerce("order.created", woo_order(727))
    wait(shop)
    first = stored(shop, "727")
    parcels = [
        {
            "key": "_wc_shipment_tracking_items",
            "value": [{"tracking_provider": "usps", "tracking_number": "9400100000000000000000"}],
        }
    ]
    shop.woocommerce("order.updated", woo_order(
        727, status="completed", date_completed_gmt="2026-11-01T10:00:00", meta_data=parcels,
        refunds=[{"id": 1, "total": "-9.35"}],
    ))  # fmt: skip
    wait(shop)

    later, buyer = stored(shop, "727"), customer_of(shop, "727")
    assert (first.state, first.amount_minor, first.coupons) == ("paid", 2_935, "tenoff")
    assert (later.refunded_minor, later.carrier) == (935, "usps")
    assert "received" in {
        one.state for one in shop.rows(tables.order_events) if one.order_id == later.id
    }
    assert (buyer.name, buyer.email) == ("John Doe", "john727@example.com")


def test_the_ping_of_woocommerce_is_answered_and_not_kept(shop: Site) -> None:
    before = shop.kept("woocommerce")
    answer = shop.ask("/hooks/woocommerce", b"webhook_id=17")
    assert (answer.status, shop.kept("woocommerce")) == (200, before)


def test_an_unknown_topic_does_nothing(shop: Site) -> None:
    before = shop.count(tables.orders)
    shop.woocommerce("coupon.created", {"id": 1})
    wait(shop)
    assert shop.count(tables.orders) == before


# ------------------------------------------------------------------ without a daemon


def test_while_no_daemon_reads_the_orders_are_kept_and_the_sender_may_ask_later(
    tmp_path: Any,
) -> None:
    with site(tmp_path / "alone") as alone:
        answer = alone.orders(order("Q-1"), prefer="respond-async", idempotency_key="q-1")
        before = alone.count(tables.orders)
        verbs.digest(alone.app)
        asked = alone.ask("/orders/requests/q-1", None, "GET", authorization=f"Bearer {SECRET}")

        assert (answer.status, answer.headers["location"]) == (202, "/orders/requests/q-1")
        assert before == 0
        assert (asked.status, outcomes(asked)) == (200, ["created"])


def test_more_bodies_than_are_read_at_once_are_told_to_come_again(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site(tmp_path / "alone") as alone:
        with monkeypatch.context() as patch:
            patch.setattr(hooks_body, "TURNS", asyncio.Semaphore(0))
            refused = alone.orders(order("Q-1"), prefer="respond-async")
        again = alone.orders(order("Q-1"), prefer="respond-async")

        assert (refused.status, again.status) == (503, 202)


def test_the_address_to_ask_again_leads_there_whatever_the_key_is(tmp_path: Any) -> None:
    public_url = "https://mail.shop.example/post/"
    with site(tmp_path / "alone", public_url=public_url) as alone:
        answer = alone.orders(order("Q-1"), prefer="respond-async", idempotency_key="a b?c=1#d%2F")
        verbs.digest(alone.app)
        place = answer.headers["location"]
        asked = alone.ask(place, None, "GET", authorization=f"Bearer {SECRET}")

        assert place == "/post/orders/requests/a%20b%3Fc%3D1%23d%252F"
        assert (asked.status, outcomes(asked)) == (200, ["created"])
