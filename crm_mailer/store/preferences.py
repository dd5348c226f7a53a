"""What customers did on the public pages: kept as it came, and taken in by whoever writes.

The public program only appends. Whoever sends takes the acts in right before its last look, in the
same transaction: so no mail leaves behind an opt-out that was kept, whether the daemon was quick or
not running at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.choices import PAUSE, Act, ActKind, Choices, OptOutReason, PageReader, Wish
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.feedback import Feedback, FeedbackKind
from crm_mailer.model.suppression import SCOPES, Scope, SuppressionReason
from crm_mailer.store import birthday_mails, feedback, suppressions, tags
from crm_mailer.store import customers as people
from crm_mailer.store import tables as t
from crm_mailer.store.prepared import Prepared
from crm_mailer.store.wishes import chosen, listed

#: Where a suppression of ours comes from; an undo lifts no other.
SOURCE = "page:touch:"
#: The tag of who answered yes to a sign-up.
CONFIRMED = "confirmed"
#: What only the customer changes once they have.
LANGUAGE, BIRTHDAY = "language", "birthday"
CHANNEL = "page"
#: Acts taken in by one transaction.
TURN = 500

_act, _customer = t.page_acts.c, t.customers.c
_WAITS = sa.text("page_acts.taken_at IS NULL")
#: As text: what was emptied by an erasure is no JSON any more, and stops nobody's mail.
_GIVEN = sa.type_coerce(_act.given, sa.Text).label("given")


def add(connection: sa.Connection, act: Act) -> None:
    """Keep what somebody did; nothing follows yet."""
    connection.execute(
        t.page_acts.insert().values(
            kind=act.kind.value,
            touch_id=act.touch_id,
            given=act.given,
            told=act.told[:500],
            at=act.at,
        )
    )


def find_reader(connection: sa.Connection, touch_id: int, *, since: datetime) -> PageReader | None:
    """Who got the mail, and how their wishes stand; None where there is no such mail.

    Args:
        connection: inside `store.read()`.
        touch_id: of a token of ours.
        since: acts from then on are counted.
    """
    touch, message = t.touches.c, t.messages.c
    # a column by name: the public program may not read the others
    confirmed = (
        sa.select(t.consents.c.customer_id)
        .where(
            t.consents.c.customer_id == _customer.id,
            t.consents.c.purpose == people.MARKETING,
            t.consents.c.basis == ConsentBasis.CONSENT.value,
        )
        .exists()
    )
    acts = (
        sa.select(sa.func.count())
        .where(_act.touch_id == touch_id, _act.at >= since)
        .scalar_subquery()
    )
    query = (
        sa.select(
            touch.campaign, message.rcpt_to, _customer.id, _customer.email, _customer.language,
            _customer.country, _customer.topics_off, _customer.wants_fewer,
            _customer.snoozed_until, _customer.birth_month, _customer.erased_at,
            confirmed.label("is_confirmed"), acts.label("acts"),
        )
        .outerjoin(t.messages, message.touch_id == touch.id)
        .outerjoin(t.customers, _customer.id == touch.customer_id)
        .where(touch.id == touch_id)
    )  # fmt: skip
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    sent_to = tuple(dict.fromkeys(filter(None, (row.rcpt_to, row.email))))
    stopping = _stopping(connection, sent_to)
    # each of them: mails may go to another one now than this mail went to
    keys = {addresses.key(one) for one in sent_to}
    is_stopped = bool(keys) and keys <= {one.address_key for one in stopping}
    stored = PageReader(
        touch_id=touch_id,
        customer_id=row.id,
        addresses=sent_to,
        language=row.language or "",
        country=row.country or "",
        campaign=row.campaign,
        is_stopped=is_stopped or row.erased_at is not None,
        is_opted_out_here=is_stopped and all(map(_is_ours, stopping)),
        has_opted_out=bool(keys)
        and keys <= {one.address_key for one in stopping if _is_opt_out(one)},
        is_erased=row.erased_at is not None,
        topics_off=chosen(row.topics_off or ""),
        wants_fewer=bool(row.wants_fewer),
        paused_until=row.snoozed_until,
        has_birthday=row.birth_month is not None,
        is_confirmed=bool(row.is_confirmed),
        acts=row.acts,
    )
    return _with_waiting(connection, stored)


def has_waiting(connection: sa.Connection) -> bool:
    """Whether there are acts that nobody has taken in."""
    return bool(_any_waiting(connection.dialect.name).rows(connection, {}))


def take_in(connection: sa.Connection, now: datetime) -> int:
    """Let follow what must from all acts that were kept; how many there were.

    Must run in a write turn. Twice has no effect: an act is marked with its effects.
    """
    taken = 0
    while has_waiting(connection):
        rows = connection.execute(
            sa.select(_act.id, _act.kind, _act.touch_id, _GIVEN, _act.told, _act.at)
            .where(_WAITS)
            .order_by(_act.id)
            .limit(TURN)
            .with_for_update()
        ).all()
        for row in rows:
            _take(connection, _read(row), now)
        connection.execute(
            sa.update(t.page_acts).where(_act.id.in_([row.id for row in rows])).values(taken_at=now)
        )
        taken += len(rows)
    return taken


def _take(connection: sa.Connection, act: Act, now: datetime) -> None:
    reader = find_owner(connection, act.touch_id)
    if reader is None or reader.customer_id is None or reader.is_erased:
        return  # a test is nobody's, and who is erased stays so
    match act.kind:
        case ActKind.OPT_OUT:
            _opt_out(connection, act, reader, reader.customer_id)
        case ActKind.UNDO:
            _lift(connection, reader)
        case ActKind.REASON:
            _note_reason(connection, act, reader, reader.customer_id)
        case ActKind.CHOOSE:
            choose(connection, act, reader.customer_id, now)
        case ActKind.CONFIRM:
            _confirm(connection, act, reader, reader.customer_id, now)


def find_owner(connection: sa.Connection, touch_id: int) -> PageReader | None:
    """Whose mail it was and where it went."""
    touch = t.touches.c
    row = connection.execute(
        sa.select(
            touch.customer_id, touch.campaign, t.messages.c.rcpt_to, _customer.email,
            _customer.erased_at,
        )
        .outerjoin(t.messages, t.messages.c.touch_id == touch.id)
        .outerjoin(t.customers, _customer.id == touch.customer_id)
        .where(touch.id == touch_id)
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    return PageReader(
        touch_id=touch_id,
        customer_id=row.customer_id,
        addresses=tuple(dict.fromkeys(filter(None, (row.rcpt_to, row.email)))),
        campaign=row.campaign,
        is_erased=row.erased_at is not None,
    )


def _opt_out(connection: sa.Connection, act: Act, reader: PageReader, customer_id: int) -> None:
    new = [
        suppressions.add(
            connection,
            address,
            SuppressionReason.UNSUBSCRIBED,
            source=f"{SOURCE}{act.touch_id}",
            evidence=act.told,
            at=act.at,
        )
        for address in reader.addresses
    ]
    if any(new):
        feedback.add(
            connection,
            Feedback(
                customer_id=customer_id,
                kind=FeedbackKind.STOP,
                channel=CHANNEL,
                at=act.at,
                campaign=reader.campaign,
            ),
        )


def _lift(connection: sa.Connection, reader: PageReader) -> None:
    keys = [addresses.key(one) for one in reader.addresses]
    connection.execute(
        sa.delete(t.suppressions).where(
            t.suppressions.c.address_key.in_(keys),
            t.suppressions.c.reason == SuppressionReason.UNSUBSCRIBED.value,
            t.suppressions.c.source.startswith(SOURCE),
        )
    )


def _note_reason(connection: sa.Connection, act: Act, reader: PageReader, customer_id: int) -> None:
    """The reason goes to the line that the opt-out wrote."""
    reason = act.reason or OptOutReason.OTHER
    line, is_spam = t.feedback.c, reason is OptOutReason.NEVER_SIGNED_UP
    last = (
        sa.select(sa.func.max(line.id))
        .where(
            line.customer_id == customer_id,
            line.channel == CHANNEL,
            line.campaign == reader.campaign,
        )
        .scalar_subquery()
    )
    kind = FeedbackKind.SPAM_REPORT if is_spam else FeedbackKind.STOP
    connection.execute(
        sa.update(t.feedback).where(line.id == last).values(reason=reason.value, kind=kind.value)
    )


def choose(connection: sa.Connection, act: Act, customer_id: int, now: datetime) -> None:
    """Let the customer have what the act chose. In a write turn."""
    told = connection.scalar(sa.select(_customer.told_by_self).where(_customer.id == customer_id))
    values = values_of(act.choices, act.at)
    own = {name for name, is_told in ((LANGUAGE, act.choices.language),
                                      (BIRTHDAY, act.choices.birthday)) if is_told}  # fmt: skip
    if own:
        values["told_by_self"] = listed(chosen(told or "") | own)
    if (born := act.choices.birthday) is not None:
        birthday_mails.follow(connection, {customer_id: (born.month, born.day)}, now=now)
    if values:
        connection.execute(
            sa.update(t.customers)
            .where(_customer.id == customer_id)
            .values(**values, changed_at=now)
        )


def values_of(choices: Choices, at: datetime) -> dict[str, Any]:
    """What stands in the customer's row once this was chosen."""
    values: dict[str, Any] = {}
    if choices.topics_off is not None:
        values["topics_off"] = listed(choices.topics_off)
    if choices.wants_fewer is not None:
        values["wants_fewer"] = choices.wants_fewer
    if choices.pause is not None:
        values["snoozed_until"] = at + PAUSE if choices.pause is Wish.BEGIN else None
    if choices.language:
        values["language"] = choices.language
    if choices.birthday is not None:
        born = choices.birthday
        values |= {"birth_month": born.month, "birth_day": born.day, "birth_year": born.year}
    return values


def _confirm(
    connection: sa.Connection, act: Act, reader: PageReader, customer_id: int, now: datetime
) -> None:
    consent = people.Consent(
        customer_id=customer_id,
        basis=ConsentBasis.CONSENT,
        given_at=act.at,
        text_version=_version_of(connection, act.touch_id),
        ip_hash=act.ip_hash,
        source=CHANNEL,
        evidence=f"yes on the page of mail {act.touch_id} ({reader.campaign}): {act.told}",
    )
    people.put_consents(connection, [consent])
    tags.add(connection, customer_id, CONFIRMED, now=now, by=CHANNEL)
    _lift(connection, reader)


def _version_of(connection: sa.Connection, touch_id: int) -> str:
    """Which version of which template asked: by it the words can be found again."""
    mail = t.messages.c
    query = sa.select(mail.template, mail.template_version).where(mail.touch_id == touch_id)
    row = connection.execute(query).one_or_none()
    return "" if row is None else f"{row.template} {row.template_version}".strip()


def _stopping(connection: sa.Connection, sent_to: Sequence[str]) -> list[Any]:
    """What stops marketing mail to these addresses."""
    if not sent_to:
        return []
    row = t.suppressions.c
    scopes = (Scope.ALL.value, SCOPES[SuppressionReason.UNSUBSCRIBED].value)
    query = sa.select(row.address_key, row.reason, row.source).where(
        row.address_key.in_([addresses.key(one) for one in sent_to]), row.scope.in_(scopes)
    )
    return list(connection.execute(query))


def _is_opt_out(row: Any) -> bool:
    return bool(row.reason == SuppressionReason.UNSUBSCRIBED.value)


def _is_ours(row: Any) -> bool:
    return _is_opt_out(row) and str(row.source).startswith(SOURCE)


def _with_waiting(connection: sa.Connection, reader: PageReader) -> PageReader:
    """The reader's wishes once all that waits is taken in."""
    rows = connection.execute(
        sa.select(_act.kind, _act.touch_id, _act.at, _GIVEN, _act.told)
        .join(t.touches, t.touches.c.id == _act.touch_id)
        .where(_WAITS, t.touches.c.customer_id == reader.customer_id)
        .order_by(_act.id)
    )
    for row in rows:
        reader = reader.after(_read(row))
    return reader


def _read(row: Any) -> Act:
    """The act in a row; of one whose choices cannot be read, without them."""
    try:
        return Act.read(row.kind, row.touch_id, row.at, json.loads(row.given), row.told)
    except (ValueError, TypeError, LookupError, AttributeError):
        return Act(kind=ActKind.CHOOSE, touch_id=row.touch_id, at=row.at)


@lru_cache(maxsize=2)
def _any_waiting(_dialect: str) -> Prepared:
    return Prepared(sa.select(_act.id).where(_WAITS).limit(1))
