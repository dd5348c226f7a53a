"""The outbox: every mail that left or would leave, as it looked, and the switches over it."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, campaign_modes, mail_looks, pausing
from crm_mailer.app.mail_looks import Sieve, Source
from crm_mailer.model.touch import TouchState
from crm_mailer.rendering import headers
from crm_mailer.store import outbox_pages
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.studio.server import application
from tests.conftest import NOON
from tests.store.ledger import mail
from tests.studio.conftest import Studio, open_shop, served


@pytest.fixture
def fresh(shop_template: Path, tmp_path: Path) -> Iterator[Studio]:
    """A served shop that a test may change."""
    with (
        open_shop(shop_template, tmp_path / "shop") as app,
        served(application(app)) as port,
    ):
        yield Studio(app=app, port=port)


def numbers(one: Studio, **asked: str) -> list[int]:
    return [line["id"] for line in one.json("/outbox.json", **asked)["lines"]]


# ------------------------------------------------------------------ the list


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"state": "held"}, [10, 8, 7, 6]),
        ({"campaign": "shipped"}, [4, 3, 2, 1]),
        ({"campaign": "welcome", "state": "skipped"}, [9, 5]),
        ({"campaign": "unknown"}, []),
        ({"provider": "gmail"}, [5, 1]),
        ({"provider": "gmail", "state": "accepted"}, [1]),
        ({"provider": "no provider"}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ({"q": "bob@outlook.com"}, [6, 2]),
        ({"q": "BOB@outlook.com"}, [6, 2]),
        ({"customer": "2", "state": "held"}, [6]),
        ({"q": "на пути"}, []),
        ({"q": "в пути"}, [1]),
        ({"q": "order"}, [4, 2]),
        ({"q": "ORDER", "campaign": "shipped"}, [4, 2]),
        ({"q": "100%"}, []),
        ({"day": f"{NOON:%Y-%m-%d}"}, [4, 3, 2, 1]),
        ({"day": f"{NOON:%Y-%m-%d}", "provider": "outlook"}, [2]),
        ({"day": "2026-10-01"}, []),
        ({"after": "4"}, [3, 2, 1]),
        ({"after": "nonsense"}, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
    ],
    ids=lambda value: "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict)
    else None,
)  # fmt: skip
def test_the_list_is_narrowed(studio: Studio, asked: dict[str, str], found: list[int]) -> None:
    told = numbers(studio, **asked)

    # a day's mails stand in the order in which they were handed over
    assert (sorted(told, reverse=True) if "day" in asked else told) == found


def test_a_mail_is_found_by_its_message_id(studio: Studio) -> None:
    message_id = studio.json("/outbox/3.json")["record"]["message_id"]

    assert numbers(studio, q=message_id) == [3]
    assert numbers(studio, q=message_id.strip("<>"), state="held") == [3]


def test_the_tabs_count_every_mail_once(studio: Studio) -> None:
    told = studio.json("/outbox.json")

    assert {tab["state"]: tab["number"] for tab in told["tabs"] if tab["state"]} == {
        "held": 4, "accepted": 4, "skipped": 2,
    }  # fmt: skip
    assert told["total"] == 10


def walked(store: Store, sieve: Sieve, *, limit: int) -> list[int]:
    """All mails, page by page; a page never has more than it may."""
    found: list[int] = []
    after = None
    with store.read() as connection:
        for _ in range(100):
            page = outbox_pages.page(connection, sieve, after=after, limit=limit)
            assert len(page.lines) <= limit
            found += [line.id for line in page.lines]
            after = page.after
            if after is None:
                return found
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize(
    "sieve",
    [
        Sieve(),
        Sieve(state=TouchState.ACCEPTED),
        Sieve(campaign="spring"),
        Sieve(campaign="spring", state=TouchState.PLANNED),
        Sieve(provider="outlook"),
        Sieve(provider="outlook", campaign="spring"),
        Sieve(since=NOON, until=NOON.replace(hour=23)),
        Sieve(since=NOON, until=NOON.replace(hour=23), provider="outlook"),
        Sieve(subject="hello"),
    ],
    ids=["all", "state", "campaign", "both", "provider", "provider of a campaign", "day",
         "day and provider", "subject"],
)  # fmt: skip
def test_page_after_page_has_every_mail_once(
    store: Store, sieve: Sieve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        campaign = ("spring", "autumn")[number % 2]
        provider = ("gmail", "outlook", "other")[number % 3]
        state = ("accepted", "planned")[number % 4 == 3]
        outcomes = ["accepted"] if state == "accepted" else []
        mail(store, state, *outcomes, campaign=campaign, provider=provider)
    whole = walked(store, sieve, limit=100)

    assert whole == sorted(whole, reverse=True)
    assert walked(store, sieve, limit=1) == whole
    assert walked(store, sieve, limit=3) == whole
    monkeypatch.setattr(outbox_pages, "FAR", 2)
    assert walked(store, sieve, limit=3) == whole, "a stretch that has none is passed over"


# ------------------------------------------------------------------ one mail


def test_a_mail_is_shown_as_it_left(studio: Studio) -> None:
    told = studio.json("/outbox/2.json")

    assert told["source"]["is_exact"] is True
    assert dict(told["headers"])["Subject"] == "Your order B-1 is on its way"
    assert "B-1" in told["text"]
    assert all(check["is_well"] for check in told["checks"] if "DKIM" not in check["text"])
    assert [event["what"] for event in told["life"]][-2:] == ["made", "attempt 1"]


def test_its_bytes_are_the_very_ones(studio: Studio) -> None:
    answer = studio.get("/outbox/2/mail.eml")
    [file] = studio.app.outbox_folder.glob("*-00000002.eml")

    assert answer.body == file.read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="mail-2.eml"'
    parsed = email.message_from_bytes(answer.body, policy=email.policy.default)
    assert parsed["To"].addresses[0].addr_spec == "bob@outlook.com"


def test_a_file_of_the_sandbox_that_was_changed_is_not_believed(fresh: Studio) -> None:
    [file] = fresh.app.outbox_folder.glob("*-00000002.eml")
    file.write_bytes(b"Subject: forged\r\n\r\nSend money.")

    told = fresh.json("/outbox/2.json")
    assert dict(told["headers"])["Subject"] == "Your order B-1 is on its way"
    assert told["source"]["kind"] == "kept"


def test_a_held_mail_is_shown_as_it_would_look(studio: Studio) -> None:
    told = studio.json("/outbox/6.json")

    assert told["source"]["kind"] == "ahead"
    assert "Bob" in told["text"]
    assert told["may"] == {"cancel": True, "release": True, "settle": False}


def test_a_mail_that_was_never_made_says_why(studio: Studio) -> None:
    told = studio.json("/outbox/5.json")

    assert told["source"]["kind"] == "none"
    assert told["reason"]
    assert "case" in told["reason"]


def test_what_came_of_a_mail_is_part_of_its_life(studio: Studio) -> None:
    life = studio.json("/outbox/1.json")["life"]

    [wrote] = [event for event in life if event["what"] == "the customer wrote"]
    assert (wrote["word"], wrote["link"]) == ("complaint", "/replies/1")


def test_the_frame_of_a_mail_can_do_nothing(studio: Studio, page: Any) -> None:
    policy = studio.get("/outbox/2/mail.html").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")
    page.goto(f"{studio.url}/outbox/2")
    frame = page.frame_locator("iframe.letter")
    assert "B-1" in frame.locator("body").inner_text()


def test_a_template_that_is_broken_breaks_no_page(fresh: Studio) -> None:
    for path in (fresh.app.home / "templates" / "care").glob("welcome.*.mjml"):
        path.write_text("<mjml><mj-body>{{ nothing.there }}</mj-body></mjml>", "utf-8")
    fresh.app.reload()
    told = fresh.json("/outbox/6.json")

    assert told["source"]["kind"] == "none"
    assert told["why"]


@pytest.mark.parametrize(
    ("content", "html", "text"),
    [
        (b"", "", ""),
        (b"\xff\xfe", "", "\ufffd\ufffd"),
        (b"Content-Type: text/plain; charset=martian\r\n\r\nhi", "", "hi"),
        (b"Content-Type: text/html\r\n\r\n<b>x", "<b>x", ""),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", "", ""),
    ],
    ids=["nothing", "no mail", "unknown charset", "html alone", "cut off"],
)
def test_whatever_is_wrong_with_a_mail_something_is_shown(
    content: bytes, html: str, text: str
) -> None:
    parts = mail_looks.parts(content)

    assert (parts.html.strip(), parts.text.strip()) == (html, text)


# ------------------------------------------------------------------ what is done


def state_of(app: App, number: int) -> str:
    with app.store.read() as connection:
        query = sa.select(t.touches.c.state).where(t.touches.c.id == number)
        return str(connection.scalar(query))


def test_held_mails_are_released(fresh: Studio) -> None:
    done = fresh.act("/outbox/release", on="/outbox/6", campaign="welcome")

    assert done["said"] == "4 mails may leave"
    assert numbers(fresh, state="held") == []
    assert numbers(fresh, state="planned") == [10, 8, 7, 6]


def test_a_release_leads_to_no_other_site(fresh: Studio) -> None:
    to = "https://evil.example/"
    answer = fresh.post("/outbox/release", on="/outbox/6", campaign="welcome", to=to)

    assert answer.headers["location"] == "/outbox?campaign=welcome"


def test_many_held_mails_leave_only_for_whoever_types_their_number(
    fresh: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaign_modes, "ASK_ABOVE", 3)
    held = "/outbox?state=held&campaign=welcome"
    for typed in ("", "3", "welcome"):
        fresh.post("/outbox/release", on=held, campaign="welcome", typed=typed)
        assert state_of(fresh.app, 8) == "held"
    pages = [fresh.get(page).text for page in (held, "/outbox/6")]
    done = fresh.act("/outbox/release", on=held, campaign="welcome", typed=" 4 ")

    assert "type 4" in pages[0], "the hint of the last refusal"
    assert all('name="typed"' in page and "<code>4</code>" in page for page in pages)
    assert done["said"] == "4 mails may leave"


def test_one_mail_is_ended(fresh: Studio) -> None:
    fresh.act("/outbox/7/cancel", on="/outbox/7")
    answer = fresh.post("/outbox/7/cancel", on="/outbox/7")

    assert answer.headers["location"] == "/outbox/7"
    assert "cannot be ended any more" in fresh.get("/outbox/7").text
    assert [state_of(fresh.app, number) for number in (7, 8)] == ["skipped", "held"]


def test_a_campaigns_mails_end_only_for_whoever_types_its_name(fresh: Studio) -> None:
    fresh.post("/outbox/cancel", on="/outbox/stops", campaign="welcome", typed="welcom")
    assert state_of(fresh.app, 8) == "held"

    done = fresh.act("/outbox/cancel", on="/outbox/stops", campaign="welcome", typed="welcome")
    assert done["said"] == "4 mails ended"


@pytest.mark.parametrize(
    ("verdict", "state", "said"),
    [("sent", "accepted", "mail 2 counts as sent"),
     ("not-sent", "deferred", "mail 2 leaves once more")],
)  # fmt: skip
def test_a_doubt_is_settled_by_whoever_knows(
    fresh: Studio, verdict: str, state: str, said: str
) -> None:
    with fresh.app.store.write() as connection:
        connection.execute(
            t.touches.update().where(t.touches.c.id == 2).values(state="in_doubt", settled_at=None)
        )
        connection.execute(
            t.deliveries.update().where(t.deliveries.c.touch_id == 2).values(outcome="unknown")
        )
    assert "it may have arrived" in fresh.get("/outbox/2").text
    done = fresh.act("/outbox/2/settle", on="/outbox/2", verdict=verdict)

    assert done["said"] == said
    assert state_of(fresh.app, 2) == state
    [evidence] = fresh.json("/outbox/2.json")["record"]["evidence"]
    assert evidence["text"].startswith("by ")


def test_a_settled_mail_is_in_no_doubt(fresh: Studio) -> None:
    answer = fresh.post("/outbox/2/settle", on="/outbox/2", verdict="not-sent")

    assert answer.status == 303
    assert "not in doubt" in fresh.get("/outbox/2").text
    assert state_of(fresh.app, 2) == "accepted"


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("", "say what is meant"),
        ("planet:mars", "say what is meant"),
        ("lane:", "say what is meant"),
        ("lane:mars", "there is no lane"),
        ("campaign:mars", "there is no campaign"),
        ("account:mars", "there is no account"),
    ],
)
def test_nothing_is_stopped_that_is_not_there(fresh: Studio, scope: str, words: str) -> None:
    fresh.post("/outbox/stop", on="/outbox/stops", scope=scope)

    assert words in fresh.get("/outbox/stops").text
    assert [one.scope for one in pausing.list_pauses(fresh.app)] == ["lane:mailru"]


def test_what_is_stopped_twice_keeps_its_first_reason(fresh: Studio) -> None:
    first = fresh.act("/outbox/stop", on="/outbox/stops", scope="campaign:welcome", reason="one")
    again = fresh.act("/outbox/stop", on="/outbox/stops", scope="campaign:welcome", reason="two")
    gone = [fresh.act("/outbox/go-on", on="/outbox/stops", scope="campaign:welcome")["said"]
            for _ in range(2)]  # fmt: skip

    assert first["said"].startswith("campaign welcome is stopped")
    assert again["said"] == "campaign welcome was stopped already"
    assert gone == ["campaign welcome goes on", "campaign welcome was not stopped"]


def test_a_deferred_mail_is_tried_at_once(fresh: Studio) -> None:
    with fresh.app.store.write() as connection:
        connection.execute(
            t.touches.update()
            .where(t.touches.c.id == 2)
            .values(state="deferred", next_at=NOON.replace(day=9), expires_at=None)
        )

    assert fresh.act("/outbox/retry", on="/outbox?state=deferred")["said"] == "1 mail is due now"


def test_every_source_has_its_words(studio: Studio) -> None:
    from crm_mailer.studio.outbox_pages import _source

    assert len({_source(mail_looks.Shown(source=one)) for one in Source}) == len(Source)


def test_a_long_name_in_another_script_has_no_blank_within() -> None:
    name = "Александра Константиновна Преображенская-Воскресенская"
    head = headers.block([("To", headers.Mailbox(name, "anna@example.com"))])

    told = mail_looks.parts(head + b"\r\nHello\r\n")

    assert told.headers == (("To", f"{name} <anna@example.com>"),)
