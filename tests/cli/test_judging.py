from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, judging
from crm_mailer.app import cases as agents
from crm_mailer.model.case import Channel
from crm_mailer.store.tables import feedback, judgements, replies
from tests.cli.conftest import Run
from tests.listening.test_learner import judged
from tests.segmenting.people import add_buyer


@pytest.fixture
def anna(app: App) -> int:
    return add_buyer(app.store, 5, name="Anna", email="anna@example.com",
                     email_key="anna@example.com")  # fmt: skip


def say(app: App, text: str) -> int:
    logged = agents.log_feedback(app, email="anna@example.com", channel=Channel.CHAT, text=text)
    return logged.reply.id


def reply(app: App, number: int) -> Any:
    with app.store.read() as connection:
        return connection.execute(sa.select(replies).where(replies.c.id == number)).one()


def kinds(app: App) -> list[str]:
    with app.store.read() as connection:
        return list(connection.scalars(sa.select(feedback.c.kind).order_by(feedback.c.id)))


def case_list(run: Run, state: str = "all") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run("case", "list", "--state", state, "--json").stdout
    )["data"]
    return found


def test_a_reply_judged_a_complaint_opens_a_case(run: Run, app: App, anna: int) -> None:
    number = say(app, "We drank tea today, with my sister")

    done = run("inbox", "judge", str(number), "complaint", "--reason", "nad.quality", "--by", "li")

    [case] = case_list(run)
    assert (case["reason"], case["severity"], case["state"]) == ("nad.quality", "P2", "new")
    assert "see case 1" in done.output
    row = reply(app, number)
    assert (row.intent, row.reasons, row.severity) == ("complaint", ["nad.quality"], "P2")
    assert kinds(app) == ["complaint"]


def test_judging_twice_changes_nothing(run: Run, app: App, anna: int) -> None:
    number = say(app, "We drank tea today, with my sister")
    for _turn in range(2):
        done = run("inbox", "judge", str(number), "complaint", "--reason", "nad.quality")

    assert "stays" in done.output
    assert len(case_list(run)) == 1
    with app.store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(judgements)) == 1


def test_a_reply_judged_no_complaint_closes_its_case(run: Run, app: App, anna: int) -> None:
    number = say(app, "The cup arrived broken, I want my money back")

    run("inbox", "judge", str(number), "not-complaint", "--by", "li")

    assert [case["state"] for case in case_list(run)] == ["closed"]
    assert "no complaint: judged no complaint" in run("case", "show", "1").stdout
    assert reply(app, number).severity is None
    assert kinds(app) != ["complaint"]


def test_a_case_into_which_others_complained_goes_on(run: Run, app: App, anna: int) -> None:
    number = say(app, "The cup arrived broken, I want my money back")
    say(app, "Still no answer! The cup is broken!")

    run("inbox", "judge", str(number), "not-complaint")

    assert [case["state"] for case in case_list(run)] == ["new"]


def test_a_judgement_can_be_taken_back(run: Run, app: App, anna: int) -> None:
    number = say(app, "The cup arrived broken, I want my money back")
    before = reply(app, number)
    run("inbox", "judge", str(number), "not-complaint")

    done = run("inbox", "judge", str(number), "--undo")

    after = reply(app, number)
    assert done.exit_code == 0
    assert (after.intent, after.reasons, after.severity) == (
        before.intent, before.reasons, before.severity,
    )  # fmt: skip
    assert [case["state"] for case in case_list(run)] == ["open"]
    assert run("inbox", "judge", str(number), "--undo").exit_code == 2


def test_taking_back_a_complaint_closes_the_case_that_it_opened(
    run: Run, app: App, anna: int
) -> None:
    number = say(app, "We drank tea today, with my sister")
    run("inbox", "judge", str(number), "complaint")

    run("inbox", "judge", str(number), "--undo")

    assert [case["state"] for case in case_list(run)] == ["closed"]
    assert kinds(app) == ["other"]


def test_severity_can_be_said(run: Run, app: App, anna: int) -> None:
    number = say(app, "The cup arrived broken, I want my money back")

    run("inbox", "judge", str(number), "complaint", "--severity", "P1", "--reason", "safety")

    assert [(case["reason"], case["severity"]) for case in case_list(run)] == [("safety", "P1")]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("99", "complaint"), 2),
        (("1", "complaint", "--reason", "nad.qualty"), 2),
        (("1", "not-complaint", "--reason", "nad.quality"), 2),
        (("1",), 2),
        (("1", "perhaps"), 2),
        (("0", "complaint"), 2),
    ],
)
def test_a_judgement_that_cannot_be_is_one_clear_error(
    run: Run, app: App, anna: int, arguments: tuple[str, ...], code: int
) -> None:
    say(app, "We drank tea today, with my sister")

    assert run("inbox", "judge", *arguments).exit_code == code
    with app.store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(judgements)) == 0


def test_a_bounce_is_not_judged(run: Run, app: App, anna: int) -> None:
    number = say(app, "hello there")
    with app.store.write() as connection:
        connection.execute(replies.update().values(kind="bounce"))

    result = run("inbox", "judge", str(number), "complaint")

    assert result.exit_code == 2
    assert "no letter of a customer" in str(result.exception)


# ------------------------------------------------------------------ the learner


def teach(app: App, number: int) -> None:
    now = app.clock.now()
    with app.store.write() as connection:
        for one in judged(number):
            made = connection.execute(
                replies.insert()
                .values(kind="human", received_at=now, own_text=one.text, learnt_at=now)
                .returning(replies.c.id)
            ).scalar_one()
            connection.execute(
                judgements.insert().values(
                    reply_id=made, is_complaint=one.is_complaint, at=now,
                    before={"kind": "human", "intent": "other", "reasons": [], "severity": None},
                )
            )  # fmt: skip


def test_the_learner_is_off_at_199_and_on_at_200(run: Run, app: App, anna: int) -> None:
    teach(app, 199)
    early = json.loads(run("inbox", "judge", "--train", "--json").stdout)["data"]
    number = say(app, "what a letdown, honestly")
    run("inbox", "judge", str(number), "complaint")

    late = json.loads(run("inbox", "judge", "--train", "--json").stdout)["data"]

    assert (early["is_on"], early["judged"], early["trained_at"]) == (False, 199, None)
    assert (late["is_on"], late["judged"], late["complaints"]) == (True, 200, 101)
    assert late["figures"]["accuracy"] > 0.9


def test_a_mail_after_training_carries_the_learners_word(run: Run, app: App, anna: int) -> None:
    teach(app, 240)
    judging.train(app)

    number = say(app, "what a letdown, honestly")

    row = reply(app, number)
    assert row.chance > 0.9
    assert row.intent == "complaint"
    assert f"learner {row.chance:.2f}" in run("inbox", "explain", str(number)).stdout


def test_without_a_learner_no_chance_is_kept(app: App, anna: int) -> None:
    assert reply(app, say(app, "what a letdown, honestly")).chance is None


def test_it_learns_at_night_when_something_was_judged(app: App, clock: Any, anna: int) -> None:
    teach(app, 200)

    turns = [judging.train_if_due(app)]
    clock.forward(hours=1)
    turns.append(judging.train_if_due(app))
    clock.forward(days=1)
    turns.append(judging.train_if_due(app))
    judging.judge(app, 1, is_complaint=False, by="li")
    turns.append(judging.train_if_due(app))

    assert turns == [True, False, False, True]


def test_taking_judgements_back_turns_the_learner_off(app: App, anna: int) -> None:
    teach(app, 200)
    judging.train(app)

    judging.undo(app, 1, by="li")

    assert not judging.learner_view(app).is_on


def test_how_the_learner_stands_is_told_in_words(run: Run, app: App, anna: int) -> None:
    before = run("inbox", "judge")
    teach(app, 200)

    after = run("inbox", "judge", "--train")

    assert "it learns from 200 judged replies" in before.output
    assert "On mails that it was not trained on" in after.stdout
