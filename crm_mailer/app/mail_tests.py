"""Verbs of trying a mail out: the very bytes that a campaign would send, to one's own address."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_mailer.app import delivering, outbox, rendering
from crm_mailer.app.rendering import Chosen
from crm_mailer.app.wiring import App
from crm_mailer.delivering.report import DeliverReport
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.message import Message
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.suppression import Scope
from crm_mailer.model.touch import TEST_CAMPAIGN, TouchState
from crm_mailer.rendering.compose import Composer
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.headers import address as wire_address
from crm_mailer.rendering.preview import Stand, composed_or_refused
from crm_mailer.store import mail_tests, messages, suppressions

#: More at once would be a campaign.
MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMail:
    """A test in the outbox."""

    __test__ = False

    number: int
    to: str
    subject: str
    language: str
    #: The state that the round left it in.
    outcome: str = TouchState.PLANNED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The tests, and how the round went that sent them."""

    mails: tuple[TestMail, ...]
    report: DeliverReport


def send(
    app: App,
    campaign: str,
    to: Sequence[str],
    *,
    step: str = "",
    customer: str = "",
    language: str = "",
    order: str = "",
    arm: str = "",
    is_suppressed_too: bool = False,
) -> Sent:
    """Put tests of one mail into the outbox, and send them at once.

    They leave by the account and in the lane of the campaign's own mails, signed like them; their
    subject says that they are tests. Quiet hours, caps and pauses of the campaign do not hold them.

    Args:
        app: the shop.
        campaign: its id.
        to: who gets them.
        step: as for `rendering.preview`, like the arguments behind it.
        customer: whose facts it shows; empty makes one up.
        language: another language than the customer's own.
        order: the order it is about.
        arm: the arm of its test.
        is_suppressed_too: send it to an address that is suppressed, too.

    Raises:
        NotFound: there is no such campaign, step, arm, customer or order.
        NotPossible: an address is none, or is suppressed; or there are too many.
        RenderError: the template is wrong or fails for this customer.
    """
    _look_at_addresses(app, to, is_suppressed_too=is_suppressed_too)
    chosen = rendering.choose(app, campaign, step=step, customer=customer, order=order, arm=arm)
    stand = rendering.stand(app, chosen, language)
    signer = rendering.signer(app)
    composer = Composer(app.templates, app.shop, app.keys, signer, is_tracked=True)
    # before the turn begins: it compiles, and says what is wrong
    composed_or_refused(composer, stand.occasion, app.clock.now())
    mails = tuple(_put(app, composer, stand, chosen, address) for address in to)
    report = delivering.send(app, campaign=TEST_CAMPAIGN, is_by_hand=True)
    return Sent(mails=tuple(_settled(app, mail) for mail in mails), report=report)


def _settled(app: App, mail: TestMail) -> TestMail:
    return replace(mail, outcome=outbox.show(app, mail.number).touch.state.value)


def _look_at_addresses(app: App, to: Sequence[str], *, is_suppressed_too: bool) -> None:
    if len(to) > MOST:
        raise NotPossible(
            Sentence("{number} addresses: a test goes to at most {most}", number=len(to), most=MOST)
        )
    for address in to:
        try:
            wire_address(address)
        except UnsafeHeader as error:
            raise NotPossible(
                Sentence("`{address}` cannot be mailed: {why}", address=address, why=error)
            ) from error
    with app.store.read() as connection:
        found = {address: suppressions.find(connection, address) for address in to}
    for address, rows in found.items():
        if not rows or is_suppressed_too:
            continue
        why = rows[0].reason.value.replace("_", " ")
        raise NotPossible(
            Sentence(
                "{address} is suppressed ({why}: no mail at all)",
                address=address,
                why=Sentence(why),
            )
            if rows[0].scope is Scope.ALL
            else Sentence(
                "{address} is suppressed ({why}: no marketing mail)",
                address=address,
                why=Sentence(why),
            ),
            hint="another address, or --even-suppressed if it is your own",
        )


def _put(app: App, composer: Composer, stand: Stand, chosen: Chosen, address: str) -> TestMail:
    now = app.clock.now()
    with app.store.write() as connection:
        number = mail_tests.add(
            connection,
            step=f"{chosen.campaign.id}/{chosen.step.id}",
            key=f"test:{now:%Y%m%dT%H%M%S}:{secrets.token_hex(6)}",
            email=address,
            stream=chosen.campaign.stream,
            now=now,
        )
        message = _message(composer, stand, number, address, app)
        messages.save(connection, [message], now, [number])
    return TestMail(number=number, to=address, subject=message.subject, language=message.language)


def _message(composer: Composer, stand: Stand, number: int, address: str, app: App) -> Message:
    occasion = stand.occasion._replace(
        touch_id=number,
        customer=stand.occasion.customer._replace(email=address),
        is_test=True,
    )
    return composed_or_refused(composer, occasion, app.clock.now()).message
