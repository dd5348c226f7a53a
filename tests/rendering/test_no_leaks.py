"""What is kept from mail to mail never brings one customer's facts into another's mail."""

from __future__ import annotations

import base64
import quopri
import random
import re
import string
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_mailer.definitions import library as definitions
from crm_mailer.model.customer import Customer
from crm_mailer.model.order import Order
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import samples
from crm_mailer.rendering.compose import Composer, Occasion, Unsigned
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.store.bundled import bundled
from tests.conftest import NOON

LIBRARY = TemplateLibrary(bundled("templates"))
FOUND = definitions.load(bundled("campaigns"), LIBRARY.names)
KEYS = KeyRing({1: b"k" * 32}, 1)
MAILS = ("shipped", "birthday")
CODES = ("en", "ru", "es")
#: A word that stands for one customer, and is nobody else's.
MARK = re.compile(r"Zq[a-z]{8}")


def mark(number: int) -> str:
    return "Zq" + "".join(random.Random(number).choices(string.ascii_lowercase, k=8))


def occasion(number: int, name: str, code: str, *, is_bare: bool) -> Occasion:
    """A mail in which every fact that can be told bears the customer's mark."""
    own, campaign = mark(number), FOUND.campaigns[name]
    person = samples.minimal_customer(code) if is_bare else samples.sample_customer(code)
    customer: Customer = person._replace(
        id=number, email=f"{own}@example.com", given_name=own, patronymic="", name=own,
        family_name=own, city=own,
    )  # fmt: skip
    order = samples.sample_order(customer, NOON)
    return Occasion(
        touch_id=number,
        customer=customer,
        order=_marked(samples.minimal_order(order) if is_bare else order, own),
        stream=campaign.stream,
        template=campaign.steps[0].template,
        campaign=campaign,
        step=campaign.steps[0],
    )


def _marked(order: Order, own: str) -> Order:
    tracking = f"{own}CN" if order.tracking_number else ""
    return replace(order, number=own, tracking_number=tracking)


def everything(mail: Unsigned) -> str:
    """All that the mail says, decoded: the standard library would take minutes for all of them."""
    told = [mail.head]
    for part in "".join(mail.body).encode("ascii").split(b"\r\n--="):
        head, _blank, body = part.partition(b"\r\n\r\n")
        is_base64 = b"base64" in head
        told.append(base64.b64decode(body) if is_base64 else quopri.decodestring(body))
    return b"\n".join(told).decode("utf-8", "replace")


@pytest.fixture(scope="module")
def composer() -> Composer:
    LIBRARY.prepare([FOUND.campaigns[name].steps[0].template for name in MAILS])
    return Composer(LIBRARY, FOUND.shop, KEYS)


def test_a_thousand_customers_get_a_thousand_right_mails(composer: Composer) -> None:
    chance = random.Random(7)
    asked = [
        occasion(number, chance.choice(MAILS), chance.choice(CODES), is_bare=chance.random() < 0.3)
        for number in range(1, 1_001)
    ]

    written = composer.write_all(asked, NOON)

    ids = set()
    for number, (one, mail) in enumerate(zip(asked, written, strict=True), start=1):
        assert isinstance(mail, Unsigned)
        told = everything(mail)
        assert set(MARK.findall(told)) == {mark(number)}
        assert f"<{one.customer.email}>" in told or f"To: {one.customer.email}" in told
        ids.add(mail.letter.message_id)
    assert len(ids) == 1_000


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(MAILS), st.sampled_from(CODES),
                          st.booleans()), min_size=1, max_size=6))  # fmt: skip
def test_a_mail_is_the_same_whatever_was_written_before(
    composer: Composer, wanted: list[tuple[int, str, str, bool]]
) -> None:
    asked = [occasion(n, name, code, is_bare=bare) for n, name, code, bare in wanted]
    fresh = Composer(LIBRARY, FOUND.shop, KEYS)

    together = composer.write_all(asked, NOON)

    for one, mail in zip(reversed(asked), reversed(together), strict=True):
        alone = fresh.write(one, NOON)
        assert isinstance(mail, Unsigned)
        assert (alone.head, list(alone.body)) == (mail.head, list(mail.body))
