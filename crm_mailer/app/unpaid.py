"""The verb by which agents note why an order is not paid."""

from __future__ import annotations

from crm_mailer.app.wiring import App
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.unpaid import UnpaidReason
from crm_mailer.store import orders, unpaid


def note(app: App, number: str, reason: UnpaidReason, *, platform: str = "") -> None:
    """Keep why the order with this number is not paid.

    Args:
        app: the shop.
        number: the order's number.
        reason: what the buyer said.
        platform: where it was placed, should two platforms have the number.

    Raises:
        NotFound: there is no such order.
        NotPossible: the order is paid or closed, or the number is that of several orders.
    """
    number = number.strip()
    with app.store.write() as connection:
        found = [
            one for one in orders.find_by_number(connection, number) if platform in ("", one[1])
        ]
        if not found:
            raise NotFound(
                Sentence("there is no order `{number}`", number=number),
                hint="`crm-mailer report worklist unpaid`",
            )
        if len(found) > 1:
            places = ", ".join(place for _id, place, _customer in found)
            raise NotPossible(
                Sentence(
                    "there are several orders `{number}`: {platforms}",
                    number=number,
                    platforms=places,
                ),
                hint="name one with --platform",
            )
        state = unpaid.note(connection, found[0][0], reason)
    if state is not None:
        is_now = Sentence(state.replace("_", " "))
        raise NotPossible(
            Sentence("order {number} is {state}", number=number, state=is_now),
            hint="a reason is noted while an order waits for its payment",
        )
