"""Which table holds what about persons, how long, and what erasing a person makes of it.

The one place that says so: the export, the erasure, the inventory and the test that walks all
tables go by it. A table that is not here fails that test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What erasing does with the rows of a person."""

    DELETE = "deleted"
    #: The row stays for the figures, without the person.
    BLANK = "emptied"


class Kept(StrEnum):
    """How long rows stay by themselves."""

    CUSTOMER = "as long as the customer"
    BOOKS = "as long as the books must be kept"
    LEDGER = "for good, since no mail may go out twice"
    PROOF = "as long as it proves why mail goes or does not go"
    WORK = "as long as the shop keeps its correspondence"
    SHORT = "some weeks, then only its figures"


#: Column -> which of the person's things it may name. `mentions` looks for the person in the text.
Links = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A table with rows about persons.

    `links`: how a person's rows are found, any of them. `blank`: columns that are emptied,
    references among them; `harmless`: columns of text that name nobody.
    """

    table: str
    holds: str
    kept: Kept
    fate: Fate
    links: Links
    blank: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()

    @property
    def is_searched(self) -> bool:
        """Whether no index finds a person's rows: each row is read."""
        return "mentions" in self.links.values()


_CUSTOMER = {"customer_id": "customers"}
_TOUCH = {"touch_id": "touches"}
_CASE = {"case_id": "cases"}


def _deleted(table: str, holds: str, kept: Kept = Kept.CUSTOMER, **links: str) -> Place:
    return Place(table=table, holds=holds, kept=kept, fate=Fate.DELETE, links=links or _CUSTOMER)


def _emptied(table: str, holds: str, kept: Kept, links: Links, blank: str, harmless: str) -> Place:
    return Place(
        table=table,
        holds=holds,
        kept=kept,
        fate=Fate.BLANK,
        links=links,
        blank=tuple(blank.split()),
        harmless=tuple(harmless.split()),
    )


#: In the order in which erasing goes: what names others comes before what is named.
PLACES: tuple[Place, ...] = (
    _deleted("customer_identities", "names on platforms"),
    _deleted("customer_tags", "what people noted"),
    _deleted("customer_notes", "what people noted"),
    _deleted("customer_flags", "why a buyer is on the blacklist"),
    _deleted("customer_values", "what is concluded from orders"),
    _deleted("scores", "what is concluded from orders"),
    _deleted("score_changes", "what is concluded from orders"),
    _deleted("memberships", "what is concluded from orders"),
    _deleted("send_hours", "what is concluded from orders"),
    _deleted("curve_states", "what is concluded from answers"),
    _deleted("consents", "why mail is lawful", Kept.PROOF),
    _deleted("suppressions", "who wants no mail", Kept.PROOF, address_key="addresses"),
    _deleted("web_events", "opens and clicks as they came", Kept.SHORT, touch_id="touches"),
    _deleted("lost_mails", "mails that a restored database does not know", Kept.SHORT),
    _deleted("alerts", "faults that may name a person", Kept.SHORT, message="mentions",
             hint="mentions"),
    _deleted("facts", "what is remembered from one round to the next", Kept.SHORT,
             value="mentions"),
    _emptied("signals", "opens and clicks", Kept.LEDGER, _CUSTOMER, "detail", "kind"),
    _emptied("links", "links that one mail alone has", Kept.LEDGER, _TOUCH, "target", ""),
    _emptied("page_acts", "what was chosen on the public pages", Kept.PROOF, _TOUCH,
             "given told", "kind"),
    _emptied("hook_requests", "orders and events as other programs sent them", Kept.SHORT,
             {"body": "mentions", "error": "mentions", "answer": "mentions"}, "body error answer",
             "source kind topic key digest state"),
    _emptied("webhook_messages", "what other programs were told", Kept.SHORT,
             {"payload": "mentions", "error": "mentions"}, "payload error",
             "endpoint event_id event state"),
    _emptied("studio_log", "who did what in the studio", Kept.PROOF,
             {"said": "mentions", "path": "mentions"}, "path said", "who what address"),
    _emptied("import_runs", "which files were imported", Kept.BOOKS, {"file_name": "mentions"},
             "file_name", "kind digest mapping counts"),
    _emptied("refusals", "addresses that a server refused", Kept.LEDGER,
             {**_TOUCH, "recipient": "addresses"}, "recipient", "kind reason"),
    _emptied("bounces", "mails that came back", Kept.LEDGER,
             {**_TOUCH, "recipient": "addresses", "inbound_id": "inbound"},
             "recipient diagnostic message_id reason",
             "kind action status remote_host"),
    _emptied("spam_reports", "reports of spam", Kept.LEDGER,
             {**_TOUCH, **_CUSTOMER, "recipient": "addresses"}, "recipient customer_id",
             "feedback_type"),
    _emptied("deliveries", "what servers said to a mail", Kept.LEDGER, _TOUCH, "text",
             "outcome phase status blame host"),
    _emptied("evidence", "what was learnt of a mail in doubt", Kept.LEDGER, _TOUCH, "text",
             "kind verdict"),
    _emptied("messages", "mails as they left", Kept.WORK,
             {**_TOUCH, "rcpt_to": "addresses"}, "rcpt_to subject snapshot content",
             "message_id mail_from language template template_version sha256"),
    _emptied("agent_replies", "what agents wrote", Kept.WORK, {**_TOUCH, **_CASE,
             "reply_id": "replies", "task_id": "tasks"}, "subject text in_reply_to references",
             "template language by"),
    _emptied("judgements", "what agents thought of a reply", Kept.WORK, {"reply_id": "replies"},
             "", "reason severity by before"),
    _emptied("feedback", "what customers said", Kept.WORK,
             {**_CUSTOMER, "reply_id": "replies", "review_id": "reviews"}, "text customer_id",
             "channel kind reason campaign product"),
    _emptied("tasks", "what agents have to do", Kept.WORK,
             {"id": "tasks"}, "text customer_id", "kind key state"),
    _emptied("case_events", "what was done about a complaint", Kept.WORK, _CASE, "text ref",
             "kind by"),
    _emptied("cases", "complaints", Kept.WORK, _CUSTOMER,
             "best_channel best_time dispute_number",
             "channel state reason severity asks owner arbitration remedy compensation_currency"),
    _emptied("replies", "what customers wrote", Kept.WORK,
             {"id": "replies"},
             "message_id sender subject own_text full_text evidence",
             "channel kind language intent severity asks reasons rung"),
    _emptied("inbound", "mails as they came", Kept.WORK, {"id": "inbound"},
             "raw raw_path error", "digest state"),
    _emptied("reviews", "what customers said", Kept.WORK, _CUSTOMER, "comment customer_id",
             "platform product source"),
    _emptied("benefit_uses", "codes that were used", Kept.BOOKS, {"grant_id": "grants"}, "",
             "key benefit use proof"),
    _emptied("benefit_grants", "coupons and gifts", Kept.BOOKS, _CUSTOMER,
             "code code_key proofs why", "benefit occasion campaign state decided_by redeemed_by"),
    _emptied("benefit_codes", "coupons and gifts", Kept.BOOKS, {"grant_id": "grants"}, "grant_id",
             "benefit code code_key"),
    _emptied("touches", "which mails were planned, and their fate", Kept.LEDGER, _CUSTOMER,
             "detail",
             "kind campaign step anchor stream provider template campaign_version arm state reason "
             "owner boot_id"),
    _emptied("orders", "orders", Kept.BOOKS, _CUSTOMER,
             "customer_id buyer_id tracking_number tracking_url note coupons",
             "platform number state currency payment_method unpaid_reason carrier"),
    _emptied("customers", "names, addresses, birthdays", Kept.CUSTOMER, {"id": "customers"},
             "email email_key address_kind name given_name family_name patronymic phone gender "
             "is_gender_guessed birth_year birth_month birth_day age_band language country region "
             "city postcode street time_zone occupation personality buying_behaviour shopping_age "
             "source_platform is_flagged flag_reason snoozed_until topics_off wants_fewer "
             "told_by_self", ""),
)  # fmt: skip

#: Rows that are a person's by way of another row of theirs and name nobody by themselves.
OF_OTHERS: dict[str, str] = {
    "benefit_touches": "which mail tells of which coupon: numbers only",
    "case_escalations": "when a clock of a case ran out",
    "order_events": "when an order reached a state",
    "order_items": "what was bought",
    "inbound_places": "where a mail lies on the server",
}
#: Tables that are about no customer.
IMPERSONAL: dict[str, str] = {
    "alert_tellings": "which alerts were told",
    "archives": "which months are in files",
    "campaign_texts": "what marketers wrote",
    "country_hours": "when customers of a country answer, counted",
    "erasures": "who was erased, as keyed hashes",
    "hook_events": "which events were seen",
    "hook_refusals": "requests that were turned away, counted",
    "learners": "weights of words; trained anew without the erased",
    "leases": "which process works",
    "mailboxes": "the shop's own mailboxes",
    "paces": "how fast mails go",
    "pauses": "what is paused",
    "plan_runs": "figures of planning",
    "segment_sizes": "figures of segments",
    "shop_ratings": "ratings of the shop, anonymous",
    "studio_figures": "figures that pages show",
    "studio_sessions": "who of the shop's people is logged in",
    "studio_users": "the shop's own people",
    "tallies": "what breakers count",
    "web_figures": "opens and clicks, counted",
    "webhook_endpoints": "programs that are told",
    "witnesses": "which folders send",
}
