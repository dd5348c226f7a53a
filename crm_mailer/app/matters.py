"""What is to be answered, loaded: the letter of a case or a task, its order and its thread."""

from __future__ import annotations

from dataclasses import dataclass

from crm_mailer.learning import answers, disputes
from crm_mailer.model.case import UNDER_WAY, Channel
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.order import Order
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.standing import Standing
from crm_mailer.model.task import TaskKind
from crm_mailer.store import agent_replies, messages
from crm_mailer.store import cases as store_cases
from crm_mailer.store.agent_replies import Letter, Thread
from crm_mailer.store.engine import Connection

#: A task whose letter tells nothing finer.
CODE_OF_TASK: dict[str, str] = {
    TaskKind.CONFIRMED: "confirm",
    TaskKind.CHANGE_ORDER: "ask.change_order",
    TaskKind.REVIEW: "review",
}
SERIOUS = Sentence(
    "serious (P1): have somebody else read it, or call the customer, before it leaves"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """What is to be answered, whose it is, and what is known of it. `key` names the letter."""

    key: str
    codes: tuple[str, ...]
    customer: Customer
    standing: Standing
    letter: Letter | None
    thread: Thread
    order: Order | None
    facts: disputes.Facts
    answered: int
    notes: tuple[str, ...] = ()
    asks: str = ""
    case_id: int | None = None
    task_id: int | None = None


def of_case(connection: Connection, case_id: int) -> Matter:
    """What a case's last letter asks for.

    Raises:
        NotFound: there is no such case.
        NotPossible: it is over.
    """
    case = store_cases.get(connection, case_id)
    if case.merged_into_id is not None:
        raise NotPossible(
            Sentence(
                "case {case_id} was merged into case {into}",
                case_id=case_id,
                into=case.merged_into_id,
            ),
            hint=Sentence(
                "answer there: `crm-mailer case reply {case_id}`",
                case_id=case.merged_into_id,
            ),
        )
    if case.state not in UNDER_WAY:
        state = case.state.replace("_", " ")
        raise NotPossible(
            Sentence("case {case_id} is {state}", case_id=case_id, state=Sentence(state)),
            hint=Sentence("`crm-mailer case reopen {case_id}` takes it up again", case_id=case_id),
        )
    letter = agent_replies.find_letter(connection, case_id)
    later = [code for code in (letter.reasons if letter else ()) if code != case.reason]
    notes = [SERIOUS] if case.severity is Severity.P1 else []
    if case.channel is not Channel.EMAIL:
        kind = case.channel.replace("_", " ")
        notes.append(
            Sentence(
                "they told it by another way ({channel}): answer there if you can",
                channel=Sentence(kind),
            )
        )
    return _matter(
        connection,
        f"case:{case_id}",
        case.customer_id,
        case.order_id,
        letter,
        codes=(case.reason, *later),
        notes=tuple(notes),
        asks=case.asks,
        case_id=case_id,
    )


def of_task(connection: Connection, task_id: int) -> Matter:
    """What the letter behind a task asks for.

    Raises:
        NotFound: there is no such task.
        NotPossible: it is done, or nobody knows whose letter it is.
    """
    task = agent_replies.get_task(connection, task_id)
    if task.is_done:
        raise NotPossible(Sentence("task {task_id} is done already", task_id=task_id))
    if task.customer_id is None:
        raise NotPossible(
            Sentence("task {task_id} does not know whose letter it is", task_id=task_id),
            hint="find the customer, then log the words: `crm-mailer customer feedback`",
        )
    what, _colon, number = task.key.partition(":")
    letter = agent_replies.get_letter(connection, int(number)) if what == "reply" else None
    codes = letter.reasons if letter else ()
    if letter is not None and letter.intent == "praise":
        codes = ("praise", *codes)
    return _matter(
        connection,
        f"task:{task_id}",
        task.customer_id,
        task.order_id,
        letter,
        codes=(*codes, CODE_OF_TASK.get(task.kind, answers.ANY_QUESTION)),
        task_id=task_id,
    )


def _matter(
    connection: Connection,
    matter: str,
    customer_id: int,
    order_id: int | None,
    letter: Letter | None,
    *,
    codes: tuple[str, ...],
    notes: tuple[str, ...] = (),
    asks: str = "",
    case_id: int | None = None,
    task_id: int | None = None,
) -> Matter:
    order, told = _order(connection, customer_id, order_id)
    key = f"{matter}:letter:{letter.id if letter else 0}"
    return Matter(
        key=key,
        codes=codes,
        customer=messages.find_customers(connection, [customer_id])[customer_id],
        standing=agent_replies.find_standing(connection, customer_id),
        letter=letter,
        thread=agent_replies.find_thread(connection, letter),
        order=order,
        facts=store_cases.order_facts(connection, order.id if order else None),
        answered=agent_replies.count(connection, key),
        notes=(*notes, *told),
        asks=asks,
        case_id=case_id,
        task_id=task_id,
    )


def _order(
    connection: Connection, customer_id: int, order_id: int | None
) -> tuple[Order | None, tuple[str, ...]]:
    """The order in question, or the one that must be meant, and what is to be said of that."""
    if order_id is not None:
        return messages.find_orders(connection, [order_id])[order_id], ()
    ids = agent_replies.list_order_ids(connection, customer_id)
    known = messages.find_orders(connection, ids)
    found = answers.likely_order([known[one] for one in ids])
    if found is not None:
        return found, (
            Sentence(
                "the letter names no order; {number} must be meant: check it", number=found.number
            ),
        )
    if known:
        return None, (Sentence("the letter names no order, and the customer has several"),)
    return None, (Sentence("no order of this customer is known"),)
