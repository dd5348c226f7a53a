"""What the pages of replies show: the list, one mail, its neighbours and its case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm_mailer.app import case_looks, listening
from crm_mailer.app.case_looks import Read
from crm_mailer.app.listening import Explanation
from crm_mailer.app.wiring import App
from crm_mailer.learning import judging
from crm_mailer.model.case import CaseState
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.judgement import Judgement
from crm_mailer.store import case_board, judgements, reply_pages, threads
from crm_mailer.store.reply_pages import ListedReply, Sieve, Spot

ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPage:
    """So many replies, newest first. `after` names where the next page begins; empty for none."""

    rows: tuple[ListedReply, ...]
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyFile:
    """All about one mail. `newer` and `older` are its neighbours in the list it came from."""

    told: Explanation
    read: Read
    judgement: Judgement | None
    is_judgeable: bool
    newer: int
    older: int
    case: int | None = None
    case_state: CaseState | None = None
    case_owner: str = ""


def page(app: App, sieve: Sieve, *, after: str = "", limit: int = ROWS) -> ReplyPage:
    """A page of the list.

    Raises:
        NotPossible: `after` is no place in it.
    """
    with app.store.read() as connection:
        found = reply_pages.page(
            connection, sieve, after=_spot(after) if after else None, limit=limit + 1
        )
    rows = tuple(found[:limit])
    return ReplyPage(rows=rows, after=_written(rows[-1].spot) if len(found) > limit else "")


def reply_file(app: App, reply_id: int, sieve: Sieve) -> ReplyFile:
    """One mail, why it was understood so, and where it stands.

    Raises:
        NotFound: there is none.
    """
    told = listening.explain(app, reply_id)
    reply = told.reply
    with app.store.read() as connection:
        spot = Spot(at=reply.received_at, reply=reply.id)
        newer, older = reply_pages.neighbours(connection, sieve, spot)
        judgement = judgements.find(connection, reply_id)
        case = case_board.of_reply(connection, reply_id)
    number, state, owner = case or (None, None, "")
    return ReplyFile(
        told=told,
        read=case_looks.read(app, threads.of_reply(reply)),
        judgement=judgement,
        is_judgeable=reply.kind not in judging.UNJUDGEABLE
        and bool(reply.own_text or reply.subject),
        newer=newer,
        older=older,
        case=number,
        case_state=state,
        case_owner=owner,
    )


def languages(app: App) -> list[str]:
    """The languages in which customers wrote."""
    with app.store.read() as connection:
        return reply_pages.languages(connection)


def _written(spot: Spot) -> str:
    return f"{spot.at.isoformat()}~{spot.reply}"


def _spot(written: str) -> Spot:
    at, _sign, number = written.partition("~")
    try:
        return Spot(at=datetime.fromisoformat(at), reply=int(number))
    except ValueError:
        raise NotPossible(
            "the page after that cannot be found", hint="begin at the first one"
        ) from None
