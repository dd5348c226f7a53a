from __future__ import annotations

from types import SimpleNamespace

from crm_mailer.model.customer import ConsentBasis
from crm_mailer.reporting import customer_timeline
from tests.conftest import NOON


def test_why_mail_is_lawful_is_told_in_words() -> None:
    row = SimpleNamespace(
        purpose="marketing", basis=ConsentBasis.SOFT_OPT_IN.value, source="orders", evidence="",
        given_at=NOON,
    )  # fmt: skip

    [moment] = customer_timeline._consents([row])

    assert moment.text == "consent for marketing: soft opt in, orders"
