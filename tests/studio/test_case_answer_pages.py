from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.app import cases, outbox
from crm_mailer.store import tables as t
from tests.studio.conftest import Studio
from tests.studio.letters import letter, receive
from tests.studio.shop import EVIL


def complain(studio: Studio, who: str = "anna@gmail.com") -> tuple[int, int]:
    """A customer complains by mail; the case and the letter."""
    subject = f"broken {studio.clock.forward(seconds=1):%S%f}"
    reply = receive(studio.app, letter(who, subject, "The mug is broken! It arrived damaged."))
    return int(studio.json(f"/replies/{reply}.json")["file"]["case"]), reply


def test_the_suggestion_is_in_the_customers_words_and_says_why(studio: Studio) -> None:
    case, _reply = complain(studio)
    told = studio.json(f"/cases/{case}/reply.json")
    page = studio.get(f"/cases/{case}/reply").text

    assert told["draft"]["template"] == "replies/clash-not-arrived"
    assert told["draft"]["to"] == "anna@gmail.com"
    assert told["draft"]["subject"].startswith("Re: broken")
    assert not told["look"]["is_edited"]
    assert "as suggested" in page
    assert "by our facts: ask first" in page


def test_another_suggestion_and_another_language_are_shown(studio: Studio) -> None:
    case, _reply = complain(studio)
    here = f"/cases/{case}/reply.json"
    russian = studio.json(here, template="replies/nad-damaged", language="ru")["draft"]
    other = studio.json(here, template="replies/other")["draft"]

    assert russian["language"] == "ru"
    assert "Здравствуйте" in russian["text"] or "Анна" in russian["text"] or russian["text"]
    assert other["template"] == "replies/other"
    assert studio.get(f"/cases/{case}/reply?template=replies/none").status == 404


def test_words_are_kept_until_they_are_thrown_away(studio: Studio) -> None:
    case, _reply = complain(studio)
    here = f"/cases/{case}/reply"
    draft = studio.json(f"{here}.json")["draft"]
    studio.act(
        f"{here}/send", on=here, what="keep", template=draft["template"],
        language=draft["language"], subject="Re: yours", text="Dear Anna,\r\nI am sorry <b>so</b>.",
    )  # fmt: skip
    kept = studio.json(f"{here}.json")
    mail = studio.get(f"{here}/mail.html")
    studio.act(f"{here}/discard", on=here)

    assert kept["draft"]["text"].startswith("Dear Anna,\nI am sorry")
    assert (kept["look"]["is_edited"], kept["draft"]["subject"]) == (True, "Re: yours")
    assert "I am sorry &lt;b&gt;so&lt;/b&gt;." in mail.text
    assert "sandbox" in mail.headers["content-security-policy"]
    assert studio.json(f"{here}.json")["draft"]["text"] == draft["text"]


def test_an_answer_leaves_once_below_the_letter(studio: Studio) -> None:
    case, reply = complain(studio)
    here = f"/cases/{case}/reply"
    told = studio.json(f"{here}.json")
    form = {
        "template": told["draft"]["template"], "language": told["draft"]["language"],
        "subject": told["draft"]["subject"], "text": "Dear Anna, a new mug is on its way.",
        "what": "send",
    }  # fmt: skip
    done = studio.act(f"{here}/send", on=here, seen=str(told["seen"]), **form)
    with studio.app.store.read() as connection:
        row = connection.execute(
            sa.select(t.agent_replies).where(t.agent_replies.c.reply_id == reply)
        ).one()
    is_kept = studio.json(f"{here}.json")["look"]["is_kept"]
    again = studio.post(f"{here}/send", on=here, **form)
    twice = studio.json(f"{here}.json")["draft"]["answered"]

    assert done["to"] == f"/cases/{case}"
    assert f"mail {row.touch_id}" in done["said"]
    assert not is_kept
    assert row.in_reply_to.startswith("<")
    assert outbox.show(studio.app, row.touch_id).touch.state.value == "planned"
    page = studio.get(f"/cases/{case}").text
    assert "a new mug is on its way" in page
    assert f'href="/outbox/{row.touch_id}"' in page
    assert studio.json(f"/cases/{case}.json")["file"]["case"]["state"] == "waiting_customer"
    assert (again.status, twice) == (303, 1)
    assert "answered already" in studio.get(here).text


def test_blanks_must_be_filled_in_before_it_leaves(studio: Studio) -> None:
    case, _reply = complain(studio)
    here = f"/cases/{case}/reply"
    draft = studio.json(f"{here}.json")["draft"]
    form = {
        "template": draft["template"], "language": draft["language"], "subject": "Re: yours",
        "text": "We ship it on [[new ship date]], [[who]].",
    }  # fmt: skip
    refused = studio.post(f"{here}/send", on=here, what="send", **form)
    page = studio.get(here).text
    done = studio.act(
        f"{here}/send", on=here, what="send",
        **{**form, "blank:new ship date": "12 May", "blank:who": "Anna"},
    )  # fmt: skip

    assert refused.status == 303
    assert "fill in before it leaves: new ship date, who" in page
    assert 'name="blank:new ship date"' in page
    assert "in the outbox" in done["said"]
    assert "We ship it on 12 May, Anna." in studio.get(f"/cases/{case}").text


def test_what_the_customer_adds_meanwhile_is_read_first_and_words_are_not_lost(
    studio: Studio,
) -> None:
    case, _reply = complain(studio, "fan@qq.com")
    here = f"/cases/{case}/reply"
    told = studio.json(f"{here}.json")
    cases.note(studio.app, case, "wait, the parcel was found", by="mei", is_answer=False)
    answer = studio.post(
        f"{here}/send", on=here, seen=str(told["seen"]), what="send",
        template=told["draft"]["template"], language=told["draft"]["language"],
        subject="Re: yours", text="My careful words.",
    )  # fmt: skip
    page = studio.get(here).text

    assert answer.status == 303
    assert "changed since you opened it: mei: note" in page
    assert "My careful words." in page
    assert studio.json(f"/cases/{case}.json")["file"]["case"]["state"] != "waiting_customer"


def test_a_question_is_answered_and_its_task_is_done(studio: Studio) -> None:
    rows = studio.json("/cases/tasks.json")["rows"]
    [task] = [row["number"] for row in rows if row["customer"] == "Bob Miller"]
    here = f"/cases/tasks/{task}/reply"
    draft = studio.json(f"{here}.json")["draft"]
    studio.act(
        f"{here}/send", on=here, what="send", template=draft["template"],
        language=draft["language"], subject=draft["subject"], text="Tomorrow, Bob.",
    )  # fmt: skip

    left = [row["number"] for row in studio.json("/cases/tasks.json")["rows"]]
    assert task not in left
    assert studio.get(here).status == 400


def test_a_subject_brings_no_header_along_and_a_book_is_refused(studio: Studio) -> None:
    case, _reply = complain(studio, "dave@example.com")
    here = f"/cases/{case}/reply"
    draft = studio.json(f"{here}.json")["draft"]
    form = {"template": draft["template"], "language": draft["language"]}
    studio.act(
        f"{here}/send", on=here, what="keep", subject="Re: x\r\nBcc: all@example.net",
        text="Subject: other\nhello", **form,
    )  # fmt: skip
    kept = studio.json(f"{here}.json")["draft"]
    empty = studio.post(f"{here}/send", on=here, what="keep", subject=" ", text="hello", **form)
    book = studio.post(
        f"{here}/send", on=here, what="keep", subject="x", text="y" * 100_001, **form
    )

    assert kept["subject"] == "Re: x Bcc: all@example.net"
    assert kept["text"].startswith("Subject: other")
    assert (empty.status, book.status) == (303, 303)
    assert studio.json(f"{here}.json")["draft"]["text"] == kept["text"]
    assert EVIL not in studio.get(here).text
