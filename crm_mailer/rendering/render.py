"""Load, decide, save: a batch of claimed touches becomes messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.benefit import Given
from crm_mailer.model.campaign import Campaign, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import RenderError
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.moment import Clock
from crm_mailer.model.order import Order
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.model.touch import SkipReason, Touch, TouchKind
from crm_mailer.rendering.compose import Composer, NoLanguage, Occasion, Unsigned
from crm_mailer.rendering.dkim import Signer
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.store import agent_replies, benefits, messages
from crm_mailer.store.engine import Store

#: Gives a campaign as it was in the version that planned a mail.
Pin = Callable[[Campaign, str], Campaign]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knows for one batch."""

    kept: Mapping[int, Message]
    customers: Mapping[int, Customer]
    orders: Mapping[int, Order]
    texts: Mapping[int, str]
    answers: Mapping[int, AgentReply]
    #: What was given in the last look before this.
    grants: Mapping[int, benefits.Grant]


class StoreRenderer:
    """The Renderer port over a store. Saves nothing: `store.messages.save` is the sender's call."""

    def __init__(
        self,
        store: Store,
        library: TemplateLibrary,
        campaigns: Mapping[str, Campaign],
        shop: Shop,
        keys: KeyRing,
        clock: Clock,
        signer: Signer | None = None,
        pin: Pin | None = None,
    ) -> None:
        self._store = store
        self._campaigns = campaigns
        self._clock = clock
        self._pin = pin
        self._library = library
        self._composer = Composer(library, shop, keys, signer, is_tracked=True)
        self._known: frozenset[int] = frozenset()
        self._facts: Facts | None = None

    def look_up(self, touches: Sequence[Touch]) -> None:
        """Read at once what these touches need: for a few at a time that costs twice as much.

        The facts hold until the next call: they are for touches that are rendered at once.
        """
        self._known, self._facts = frozenset(), None
        self._facts = self._load(touches)
        self._known = frozenset(touch.id for touch in touches)

    def render_batch(self, touches: Sequence[Touch]) -> list[Message | NotRendered]:
        """One result for each touch, in the same order.

        A transactional touch whose bytes were kept gets exactly those. One customer's fault
        leaves out that customer only.
        """
        known = self._known
        facts = self._facts if all(touch.id in known for touch in touches) else None
        if facts is None:
            facts = self._load(touches)
        self._library.prepare({touch.template for touch in touches if touch.template})
        now = self._clock.now()
        looked = [self._look(touch, facts) for touch in touches]
        occasions = [one for one in looked if isinstance(one, Occasion)]
        written = self._composer.write_all(occasions, now)
        messages = iter(
            self._composer.finish((one for one in written if isinstance(one, Unsigned)), now)
        )
        done = iter(
            [
                next(messages) if isinstance(one, Unsigned) else _not_rendered(occasion, one)
                for occasion, one in zip(occasions, written, strict=True)
            ]
        )
        return [next(done) if isinstance(one, Occasion) else one for one in looked]

    def _load(self, touches: Sequence[Touch]) -> Facts:
        kept = [
            touch.id
            for touch in touches
            if touch.stream is Stream.TRANSACTIONAL or touch.kind is TouchKind.TEST
        ]
        texts = [touch.id for touch in touches if not touch.template]
        giving = [touch.id for touch in touches if self._gives(touch)]
        customers = list({one.customer_id for one in touches if one.customer_id is not None})
        orders = list({touch.order_id for touch in touches if touch.order_id is not None})
        with self._store.read() as connection:
            return Facts(
                kept=messages.find_content(connection, kept),
                customers=messages.find_customers(connection, customers),
                orders=messages.find_orders(connection, orders),
                texts=messages.find_texts(connection, texts),
                answers=agent_replies.find(connection, texts) if texts else {},
                grants=benefits.find(connection, giving) if giving else {},
            )

    def _look(self, touch: Touch, facts: Facts) -> Message | NotRendered | Occasion:
        """What the touch's mail is about, where there is something to write."""
        if touch.id in facts.kept:
            return facts.kept[touch.id]
        if touch.kind is TouchKind.CAMPAIGN and touch.campaign not in self._campaigns:
            # without its file neither its own subject nor its values are known
            return NotRendered(touch_id=touch.id, reason=SkipReason.NO_CAMPAIGN)
        customer = facts.customers.get(touch.customer_id or 0)
        if customer is None or not customer.email:
            return NotRendered(touch_id=touch.id, reason=SkipReason.NO_ADDRESS)
        return self._occasion(touch, customer, facts)

    def _occasion(self, touch: Touch, customer: Customer, facts: Facts) -> Occasion:
        campaign = self._campaign_of(touch)
        order = facts.orders.get(touch.order_id) if touch.order_id is not None else None
        # as quick as a tuple without names: each mail has one
        return tuple.__new__(
            Occasion,
            (
                touch.id,
                customer,
                order,
                touch.stream,
                touch.template,
                campaign,
                _step(campaign, touch.step, touch.arm),
                touch.place,
                touch.places,
                touch.kind is TouchKind.TEST,
                facts.texts.get(touch.id, ""),
                facts.answers.get(touch.id),
                _given(campaign, touch, facts) if facts.grants else None,
            ),
        )

    def _campaign_of(self, touch: Touch) -> Campaign | None:
        """The campaign in the words that the mail was planned with: an edit is for later ones."""
        live = self._campaigns.get(touch.campaign)
        if live is None or self._pin is None or touch.campaign_version in ("", live.version):
            return live
        return self._pin(live, touch.campaign_version)

    def _gives(self, touch: Touch) -> bool:
        campaign = self._campaigns.get(touch.campaign)
        return campaign is not None and campaign.gives_anything


def _given(campaign: Campaign | None, touch: Touch, facts: Facts) -> Given | None:
    """What was given, in the words of the shop's file as it is now."""
    grant = facts.grants.get(touch.id)
    benefit = campaign.benefit_of(touch.step) if campaign is not None else None
    if grant is None or benefit is None or benefit.id != grant.benefit:
        return None
    return Given(benefit.title, benefit.kind, grant.code, grant.valid_until)


def _not_rendered(occasion: Occasion, error: RenderError | UnsafeHeader) -> NotRendered:
    match error:
        case UnsafeHeader():
            reason = SkipReason.HEADER_GUARD
        case NoLanguage():
            reason = SkipReason.NO_LANGUAGE
        case _:
            reason = SkipReason.TEMPLATE_ERROR
    return NotRendered(touch_id=occasion.touch_id, reason=reason, detail=str(error))


def _step(campaign: Campaign | None, name: str, arm: str) -> Step | None:
    steps = campaign.steps if campaign else ()
    step = next((step for step in steps if step.id == name), None)
    return step.of_arm(arm) if step is not None and arm else step
