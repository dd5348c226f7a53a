from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign, DateAnchor, Kind, Mode, Step, Stream
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.touch import SkipReason, Touch, TouchKind, TouchState
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.render import StoreRenderer
from crm_mailer.store import messages
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import customers, order_items, orders, touches
from tests.conftest import NOON, StandingClock
from tests.rendering.conftest import Write

PEOPLE = [
    ("anna@example.com", "Anna", "en"),
    ("петр", "Пётр", "ru"),
    ("ivan@example.com", "Иван", "ru"),
    (None, "Nobody", "en"),
]
CAMPAIGN = Campaign(
    id="c",
    name="C",
    kind=Kind.EDM,
    stream=Stream.MARKETING,
    mode=Mode.LIVE,
    anchor=DateAnchor(day=NOON.date()),
    steps=(Step(id="s", template="a/b", offset=timedelta()),),
)


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as connection:
        for number, (email, name, code) in enumerate(PEOPLE, 1):
            connection.execute(customers.insert().values(
                id=number, email=email, email_key=email, given_name=name, name=name, language=code,
                country="GB", created_at=NOON, changed_at=NOON))  # fmt: skip
        connection.execute(orders.insert().values(
            id=1, platform="x", number="A-1", customer_id=1, state="shipped", placed_at=NOON,
            currency="EUR", amount_minor=1250, created_at=NOON, changed_at=NOON))  # fmt: skip
        for line, title in ((2, "Cup"), (1, "Lamp")):
            connection.execute(order_items.insert().values(
                order_id=1, line=line, title=title, quantity=1, price_minor=500))  # fmt: skip
        for number in range(1, 6):
            connection.execute(touches.insert().values(
                id=number, campaign="c", step="s", anchor=f"a{number}", customer_id=1,
                stream="marketing", template="a/b", anchored_at=NOON, due_at=NOON, state="claimed",
                planned_at=NOON, detail="Subject: Re: A-1\nOn its way."))  # fmt: skip
    return store


@pytest.fixture
def render(
    filled: Store,
    templates: Path,
    write: Write,
    shop: Shop,
    keys: KeyRing,
    clock: StandingClock,
) -> StoreRenderer:
    items = "{% for i in order.items %}{{ i.title }} {% endfor %}"
    write("a/b.en.mjml", "<mj-text>{{ greeting }}</mj-text>")
    write("a/b.ru.mjml", "<mj-text>{{ greeting }}</mj-text>")
    write("a/order.en.mjml", f"<mj-text>{{{{ order.amount }}}} {items}</mj-text>")
    return StoreRenderer(filled, TemplateLibrary(templates), {"c": CAMPAIGN}, shop, keys, clock)


def touch(number: int = 1, **changes: Any) -> Touch:
    basis = Touch(
        id=number,
        campaign="c",
        step="s",
        anchor=f"a{number}",
        customer_id=1,
        stream=Stream.MARKETING,
        state=TouchState.CLAIMED,
        template="a/b",
        due_at=NOON,
    )
    return basis._replace(**changes)


def keep(store: Store, rendered: Sequence[object], ids: set[int]) -> None:
    with store.write() as connection:
        found = [one for one in rendered if isinstance(one, Message)]
        messages.save(connection, found, NOON, keep_content=ids)


def test_a_batch_gives_one_result_for_each_touch_in_order(render: StoreRenderer) -> None:
    batch = [touch(1), touch(2, customer_id=3), touch(3, customer_id=4), touch(4, customer_id=99)]

    found = render.render_batch(batch)

    assert [one.touch_id for one in found] == [1, 2, 3, 4]
    assert [getattr(one, "language", one.__class__) for one in found] == [
        "en", "ru", NotRendered, NotRendered]  # fmt: skip
    assert isinstance(found[2], NotRendered)
    assert found[2].reason is SkipReason.NO_ADDRESS


def test_what_was_looked_up_at_once_serves_the_next_batches(
    render: StoreRenderer, filled: Store
) -> None:
    def greetings(*touches: Touch) -> list[bytes]:
        found = render.render_batch(touches)
        return [one.content for one in found if isinstance(one, Message)]

    first, second = touch(1), touch(2, customer_id=3)
    render.look_up([first, second])
    before = greetings(first) + greetings(second)
    with filled.write() as connection:
        connection.execute(sa.update(customers).values(given_name="Zoe", name="Zoe Z"))

    assert greetings(first) + greetings(second) == before
    assert b"Zoe" in greetings(touch(3))[0]  # it was not among them
    render.look_up([first])
    assert b"Zoe" in greetings(first)[0]


def test_an_order_comes_with_its_items_in_their_order(render: StoreRenderer) -> None:
    found = render.render_batch([touch(order_id=1, template="a/order")])[0]

    assert isinstance(found, Message)
    assert b"12.50 Lamp Cup" in found.content


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"template": "a/order"}, SkipReason.TEMPLATE_ERROR, "templates/a/order.en.mjml:5:10"),
        ({"template": "a/none"}, SkipReason.TEMPLATE_ERROR, "no template"),
        ({"customer_id": 2}, SkipReason.HEADER_GUARD, "address"),
    ],
)
def test_one_customers_fault_leaves_out_that_customer_only(
    render: StoreRenderer, changes: dict[str, Any], reason: SkipReason, said: str
) -> None:
    bad, good = render.render_batch([touch(1, **changes), touch(2)])

    assert isinstance(good, Message)
    assert isinstance(bad, NotRendered)
    assert bad.reason is reason
    assert said in bad.detail


def test_a_template_without_the_language_is_a_reason(
    filled: Store, templates: Path, write: Write, shop: Shop, keys: KeyRing, clock: StandingClock
) -> None:
    write("a/b.ru.mjml", "<mj-text>x</mj-text>")
    library = TemplateLibrary(templates)

    found = StoreRenderer(filled, library, {"c": CAMPAIGN}, shop, keys, clock).render_batch(
        [touch()]
    )[0]

    assert isinstance(found, NotRendered)
    assert found.reason is SkipReason.NO_LANGUAGE


def test_a_mail_waits_while_its_campaigns_file_is_gone_or_wrong(render: StoreRenderer) -> None:
    [found] = render.render_batch([touch(campaign="unheard-of")])

    assert isinstance(found, NotRendered)
    assert found.reason is SkipReason.NO_CAMPAIGN


def test_order_mail_is_repeated_byte_by_byte(
    render: StoreRenderer, filled: Store, clock: StandingClock
) -> None:
    order = touch(stream=Stream.TRANSACTIONAL)
    first = render.render_batch([order])
    keep(filled, first, {1})
    clock.forward(hours=5)

    second = render.render_batch([order])

    assert second == first


def test_marketing_is_rendered_anew_and_keeps_its_fields_only(
    render: StoreRenderer, filled: Store, clock: StandingClock
) -> None:
    first = render.render_batch([touch()])
    keep(filled, first, set())
    clock.forward(hours=5)

    second = render.render_batch([touch()])
    keep(filled, second, set())

    with filled.read() as connection:
        kept = connection.execute(sa.text("SELECT * FROM messages")).mappings().one()
    assert isinstance(second[0], Message)
    assert second[0].message_id == kept["message_id"]
    assert (kept["content"], kept["sha256"]) == (None, second[0].sha256)
    assert bytes(kept["snapshot"]) == second[0].snapshot
    assert second != first


def test_a_test_mail_says_so_and_an_agents_answer_is_its_own_text(render: StoreRenderer) -> None:
    trial, answer = render.render_batch(
        [
            touch(1, kind=TouchKind.TEST),
            touch(2, kind=TouchKind.CASE_REPLY, template="", stream=Stream.TRANSACTIONAL),
        ]
    )

    assert isinstance(trial, Message)
    assert isinstance(answer, Message)
    assert trial.subject == "[Test] Subject"
    assert answer.subject == "Re: A-1"
    assert answer.content.endswith(b"On its way.\r\n")


def test_a_thousand_touches_take_a_few_statements(render: StoreRenderer, filled: Store) -> None:
    statements: list[str] = []
    sa.event.listen(
        filled.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
    )

    render.render_batch([touch(number) for number in range(1, 1001)])

    assert len([one for one in statements if one.startswith("SELECT")]) <= 4
