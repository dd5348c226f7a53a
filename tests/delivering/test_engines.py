from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from crm_mailer.delivering import Pace, SmtpTransport, deliver
from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import outbox, pauses, suppressions
from crm_mailer.store import touches as store_touches
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, plan, states
from tests.servers.smtp_faults import ACCEPT_DROP, DROP, fault_server, reply


def test_every_fate_is_written_the_same_on_each_engine(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 5, clock.now(), stream=Stream.TRANSACTIONAL)
    answers = iter([None, reply("451 4.3.0 busy"), reply("550 5.1.1 unknown"), DROP, None])
    dots = iter([None, ACCEPT_DROP])
    with fault_server(
        {"RCPT": lambda: next(answers, None), "DOT": lambda: next(dots, None)}
    ) as server:

        def send() -> dict[str, int]:
            way = SmtpTransport(account(server.port, connections=1))
            report = deliver(store, PlainRenderer(), way, clock=clock, owner="tester",
                             journal_folder=tmp_path, pace=Pace(batch=3, cycle=2))  # fmt: skip
            return report.outcomes

        first = send()
        clock.forward(minutes=11)
        second = send()

    assert first == {"accepted": 1, "deferred": 2, "refused": 1, "unknown": 1}
    assert second == {"accepted": 3}
    assert states(store) == {"accepted": 4, "refused": 1}
    with store.read() as connection:
        assert outbox.audit(connection, clock.now()).is_sound
        assert len(suppressions.find(connection, "customer3@example.com")) == 1
        kept = connection.execute(sa.select(touches.c.attempts).order_by(touches.c.id))
        assert list(kept.scalars()) == [1, 2, 1, 2, 2]


def test_the_switches_over_the_outbox_work_on_each_engine(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 3, clock.now())
    with store.write() as connection:
        connection.execute(sa.update(touches).where(touches.c.id == 1).values(state="held"))
        connection.execute(
            sa.update(touches)
            .where(touches.c.id == 2)
            .values(state="skipped", reason="template_error", next_at=None)
        )
        held = store_touches.list_held(connection, "spring")
        released = store_touches.let_go(connection, held)
        retried = outbox.retry(connection, clock.now(), campaign="spring")
        unsent = store_touches.list_unsent(connection, "spring")
        cancelled = store_touches.end(connection, unsent, SkipReason.CANCELLED, clock.now())
        pauses.pause(connection, pauses.ALL, now=clock.now())
        pauses.resume(connection, pauses.ALL)
        lines = outbox.list_(connection, outbox.Wanted(campaign="spring"), limit=50)

    assert (released, retried, cancelled) == (1, 1, 3)
    assert [(line.id, line.state, line.reason) for line in lines] == [
        (number, "skipped", "cancelled") for number in (3, 2, 1)
    ]
