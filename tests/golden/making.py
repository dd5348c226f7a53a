"""A dozen mails whose bytes are kept: made from what ships, with a fixed shop, keys and moment.

Whoever changes a template or the renderer on purpose renews them, and looks at what changed:

    python -m tests.golden.making
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from crm_mailer.definitions import library as definitions
from crm_mailer.definitions.library import Definitions
from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.campaign import Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.message import Message
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import samples
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.dkim import Signer
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.preview import take_stand
from crm_mailer.store.bundled import bundled

FOLDER = Path(__file__).parent / "mails"
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
KEYS = KeyRing({1: bytes(range(32))}, 1)
SHOP = Shop(
    name="Lotus Shop",
    url="https://lotus-shop.example",
    public_url="https://mail.lotus-shop.example",
    postal_address="18 Lakeside Road, Hangzhou 310000, China",
    sender="hello@news.lotus-shop.example",
    orders_sender="orders@mail.lotus-shop.example",
    reply_to="care@lotus-shop.example",
    bounce_domain="bounce.lotus-shop.example",
    static_url="https://static.lotus-shop.example",
    languages=("en", "ru", "es"),
    fallback=("en",),
    time_zone="Asia/Shanghai",
    country="CN",
    agent="Lin",
    subject_prefix={"CN": "(AD) "},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """One mail: a step of a shipped campaign, for a reader."""

    campaign: str
    language: str
    reader: Callable[[str], Customer] = samples.sample_customer
    step: int = 0
    is_bare: bool = False
    is_test: bool = False


MAILS = {
    "order-en": Golden(campaign="shipped", language="en"),
    "order-ru-patronymic": Golden(campaign="shipped", language="ru"),
    "order-ar-right-to-left": Golden(campaign="shipped", language="ar"),
    "order-es-nothing-known": Golden(
        campaign="shipped", language="es", reader=samples.minimal_customer, is_bare=True
    ),
    "order-zh": Golden(campaign="payment-reminder", language="zh"),
    "order-en-hostile": Golden(
        campaign="payment-reminder", language="en", reader=samples.hostile_customer
    ),
    "marketing-de": Golden(campaign="review-request", language="de"),
    "marketing-en-birthday": Golden(campaign="birthday", language="en"),
    "marketing-ru-win-back": Golden(campaign="win-back", language="ru"),
    "marketing-fr-long-names": Golden(
        campaign="autumn-new-arrivals", language="fr", reader=samples.long_customer
    ),
    "marketing-es-third-of-its-curve": Golden(campaign="post-purchase-care", language="es", step=2),
    "marketing-pt-test": Golden(campaign="birthday", language="pt", is_test=True),
}
LETTER = "letter-ru-of-an-agent"


@cache
def _shipped() -> tuple[TemplateLibrary, Definitions]:
    library = TemplateLibrary(bundled("templates"))
    return library, definitions.load(bundled("campaigns"), library.names)


def made(name: str, signer: Signer | None = None) -> Message:
    """The mail of this name."""
    library, found = _shipped()
    composer = Composer(library, SHOP, KEYS, signer)
    number = [*MAILS, LETTER].index(name) + 1
    if name == LETTER:
        [message] = composer.finish([composer.write(_letter(number), NOW)], NOW)
        return message
    golden = MAILS[name]
    campaign = found.campaigns[golden.campaign]
    reader = golden.reader(golden.language)
    order = samples.sample_order(reader, NOW)
    stand = take_stand(
        None,
        library,
        campaign,
        campaign.steps[golden.step],
        reader,
        samples.minimal_order(order) if golden.is_bare else None,
        SHOP,
        NOW,
    )
    occasion = stand.occasion._replace(touch_id=number, is_test=golden.is_test)
    return composer.compose(occasion, NOW).message


def _letter(number: int) -> Occasion:
    customer = samples.sample_customer("ru")
    answer = AgentReply(
        key="case:7:1",
        customer_id=7,
        subject="Re: Где моя посылка?",
        text="Здравствуйте, Анна Сергеевна!\n\nПосылка в пути, трек-номер LP00123456789CN.\n\nЛин",
        in_reply_to="<q1@example.com>",
        references="<q0@example.com> <q1@example.com>",
        language="ru",
    )
    return Occasion(
        touch_id=number,
        customer=customer,
        order=None,
        stream=Stream.TRANSACTIONAL,
        template="",
        answer=answer,
    )


def renew() -> None:
    """Write all of them anew."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.eml"):
        old.unlink()
    for name in (*MAILS, LETTER):
        (FOLDER / f"{name}.eml").write_bytes(made(name).content)


if __name__ == "__main__":
    renew()
