from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import case_looks, cases
from crm_mailer.model.case import CaseState, Channel
from crm_mailer.store import tables as t
from tests.conftest import NOON
from tests.studio.conftest import Studio
from tests.studio.letters import letter, receive

COMPLAINT = "The mug arrived broken, it is damaged. Please send my money back."


@pytest.fixture(scope="module")
def anna(studio: Studio) -> int:
    """The case of the shop's first complaint."""
    return int(studio.json("/cases.json")["columns"][0]["cards"][0]["number"])


def complain(studio: Studio, who: str, about: str = COMPLAINT) -> int:
    """A customer complains; the case that it becomes."""
    reply = receive(studio.app, letter(who, f"about {studio.clock.forward(seconds=1)}", about))
    found = studio.json(f"/replies/{reply}.json")["file"]["case"]
    assert found, "no case came of it"
    return int(found)


def column(studio: Studio, state: str, **asked: str) -> Any:
    """One column of the board."""
    columns = studio.json("/cases.json", **asked)["columns"]
    return next(one for one in columns if one["state"] == state)


def numbers(studio: Studio, **asked: str) -> set[int]:
    """The cases on the board, whatever their state."""
    columns = studio.json("/cases.json", **asked)["columns"]
    return {card["number"] for one in columns for card in one["cards"]}


# ------------------------------------------------------------------ the board


def test_a_card_says_who_is_unhappy_about_what_and_until_when(studio: Studio, anna: int) -> None:
    card = column(studio, "new")["cards"][0]
    page = studio.get("/cases").text

    assert (card["customer"], card["order_number"], card["country"]) == (
        "Anna Petrova",
        "A-1",
        "RU",
    )
    assert (card["reason"], card["severity"], card["owner"]) == ("nad.damaged", "P2", "")
    assert card["left"] > 0
    assert "came in pieces" in card["words"]
    assert "damaged goods" in page
    assert "nobody has it" in page


@pytest.mark.parametrize(
    ("asked", "is_there"),
    [
        ({"reason": "nad.damaged"}, True),
        ({"reason": "nad"}, True),
        ({"reason": "na"}, False),
        ({"severity": "P2"}, True),
        ({"severity": "P1"}, False),
        ({"country": "ru"}, True),
        ({"country": "US"}, False),
        ({"product": "mug-1"}, True),
        ({"product": "blue"}, True),
        ({"product": "teapot"}, False),
        ({"campaign": "shipped"}, True),
        ({"campaign": "welcome"}, False),
        ({"owner": "nobody"}, True),
        ({"owner": "me"}, False),
        ({"overdue": "1"}, False),
    ],
    ids=lambda value: "-".join(map("".join, value.items())) if isinstance(value, dict) else "",
)
def test_the_board_is_narrowed(
    studio: Studio, anna: int, asked: dict[str, str], is_there: bool
) -> None:
    assert (anna in numbers(studio, **asked)) is is_there


def test_what_is_late_is_found_and_said(studio: Studio, anna: int) -> None:
    studio.clock.forward(days=30)
    late = numbers(studio, overdue="1")
    page = studio.get("/cases").text
    studio.clock.moment = NOON

    assert anna in late
    assert "overdue" in page


def test_a_list_is_read_page_by_page_and_nothing_is_missed_or_told_twice(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {complain(studio, who) for who in ("bob@outlook.com", "carmen@example.es", "fan@qq.com")}
    monkeypatch.setattr(case_looks, "ROWS", 1)
    every = column(studio, "new")["count"]
    seen, after = [], ""
    while True:
        told = studio.json("/cases/state/new.json", **({"after": after} if after else {}))["column"]
        seen += [card["number"] for card in told["cards"]]
        if not (after := told["after"]):
            break

    assert len(seen) == len(set(seen)) == every
    assert made < set(seen)


@pytest.mark.parametrize("after", ["x", "2026-11-02~", "~1", "2026-11-02T00:00:00+00:00~x", "0~0"])
def test_a_place_that_is_none_is_told(studio: Studio, after: str) -> None:
    assert studio.get(f"/cases/state/new?after={after.replace('+', '%2B')}").status == 400
    assert studio.get(f"/replies?after={after.replace('+', '%2B')}").status == 400


def test_a_state_that_there_is_not_is_told(studio: Studio) -> None:
    assert studio.get("/cases/state/odd").status == 404
    assert studio.get("/cases/99999").status == 404
    assert studio.get("/cases/x").status == 404


# ------------------------------------------------------------------ one case


def test_quoted_lines_are_folded_and_telling_words_are_marked(studio: Studio, anna: int) -> None:
    page = studio.get(f"/cases/{anna}").text
    [read] = [
        one for one in studio.json(f"/cases/{anna}.json")["letters"] if one["letter"]["reply_id"]
    ]

    assert [piece["is_quoted"] for piece in read["pieces"]] == [False, True]
    assert {"text": "in pieces", "marks": [1]} in read["pieces"][0]["runs"]
    assert re.search(r"<mark>in pieces<sup><a href=\"#why-\d+-1\"", page)
    assert re.search(r"<details class=\"quoted\">.*your parcel is on its way", page, re.S | re.I)


def test_what_the_customer_wrote_is_never_markup(studio: Studio, anna: int) -> None:
    assert "I am &lt;i&gt;very&lt;/i&gt; unhappy" in studio.get(f"/cases/{anna}").text


def test_each_act_does_what_it_says(studio: Studio) -> None:
    number = complain(
        studio, "bob@outlook.com", "Parcel arrived damaged, the handle is broken off."
    )
    here = f"/cases/{number}"
    said = [
        studio.act(f"{here}/take", on=here)["said"],
        studio.act(f"{here}/note", on=here, text="called them", turn="")["said"],
        studio.act(
            f"{here}/correct",
            on=here,
            reason="nad.quality",
            severity="P1",
            channel="phone",
            time="19:00-21:00",
            satisfaction="",
        )["said"],
        studio.act(f"{here}/offer", on=here, remedy="refund\npartial_refund", text="")["said"],
        studio.act(f"{here}/choose", on=here, remedy="partial_refund", amount="5.50 USD", text="")[
            "said"
        ],
        studio.act(f"{here}/steps", on=here, step="welcome\nlisten")["said"],
        studio.act(
            f"{here}/evidence",
            on=here,
            link="https://example.com/a.jpg",
            tracking="RB123456789CN",
            text="the photo",
        )["said"],
        studio.act(
            f"{here}/dispute",
            on=here,
            dispute="D-77",
            deadline="2026-11-20T18:00",
            arbitration="",
            liable="",
        )["said"],
        studio.act(f"{here}/assign", on=here, owner="lin")["said"],
        studio.act(f"{here}/close", on=here, how="resolved", text="refunded", satisfaction="5")[
            "said"
        ],
        studio.act(f"{here}/reopen", on=here, text="")["said"],
    ]
    case = studio.json(f"{here}.json")["file"]["case"]

    assert all(said), said
    assert (case["reason"], case["severity"], case["owner"]) == ("nad.quality", "P1", "lin")
    assert (case["remedy"], case["compensation"]["minor"]) == ("partial_refund", 550)
    assert (case["dispute_number"], case["satisfaction"]) == ("D-77", 5)
    assert case["state"] == "open"
    page = studio.get(here).text
    assert "https://example.com/a.jpg" in page
    assert page.count('class="done" title') >= 3


def test_two_cases_of_a_customer_become_one(studio: Studio) -> None:
    one, other = (
        cases.open_case(
            studio.app,
            email="dave@example.com",
            reason="order.size",
            order=order,
            text="said",
            channel=Channel.PHONE,
            by="lin",
        )
        for order in ("D-1", "")
    )
    studio.act(f"/cases/{one}/merge", on=f"/cases/{one}", into=str(other))

    assert studio.json(f"/cases/{one}.json")["file"]["case"]["merged_into_id"] == other
    assert f"goes on as case {other}" in studio.get(f"/cases/{one}").text
    assert one not in numbers(studio)


def test_who_was_not_shown_what_happened_in_between_is_refused(studio: Studio) -> None:
    number = complain(
        studio, "fan@qq.com", "Wrong item! You sent the wrong item, not what I ordered."
    )
    here = f"/cases/{number}"
    seen = str(studio.json(f"{here}.json")["seen"])
    cases.note(studio.app, number, "I am on it", by="lin", is_answer=False)
    answer = studio.post(f"{here}/close", on=here, seen=seen, how="closed", text="")
    page = studio.get(here).text

    assert answer.status == 303
    assert f"case {number} changed since you opened it: lin: note" in page
    assert studio.json(f"{here}.json")["file"]["case"]["state"] == CaseState.OPEN.value


@pytest.mark.parametrize(
    ("act", "form"),
    [
        ("take", {}),
        ("note", {"text": ""}),
        ("note", {"text": "x" * 5_000}),
        ("correct", {"reason": "no.such"}),
        ("correct", {"severity": "P9"}),
        ("correct", {"time": "soon"}),
        ("correct", {"satisfaction": "6"}),
        ("offer", {}),
        ("offer", {"remedy": "gold"}),
        ("choose", {"remedy": "partial_refund"}),
        ("choose", {"remedy": "refund", "amount": "much"}),
        ("steps", {"step": "dance"}),
        ("evidence", {}),
        ("evidence", {"link": "javascript:alert(1)"}),
        ("evidence", {"tracking": "?"}),
        ("evidence", {"photo": "data:image/jpeg;base64,!!"}),
        ("evidence", {"photo": "data:image/jpeg;base64,PHN2Zz4="}),
        ("dispute", {"deadline": "soon"}),
        ("dispute", {"arbitration": "maybe"}),
        ("merge", {"into": "x"}),
        ("merge", {"into": "99999"}),
        ("reopen", {"text": ""}),
        ("assign", {"owner": ""}),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else "-".join(f"{k}{str(v)[:8]}" for k, v in value.items())
    ),
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    studio: Studio, anna: int, act: str, form: dict[str, str]
) -> None:
    if act == "take":
        cases.assign(studio.app, anna, "somebody", by="lin")
    before = studio.json(f"/cases/{anna}.json")["file"]["case"]
    answer = studio.ask(
        f"/cases/{anna}/{act}",
        method="POST",
        body="&".join(
            [f"csrf={studio.csrf(f'/cases/{anna}')}", *(f"{k}={v}" for k, v in form.items())]
        ),
        Accept="application/json",
        Origin=studio.url,
        Content_Type="application/x-www-form-urlencoded",
    )

    assert answer.status in (400, 404), answer.text
    assert answer.json["error"]
    assert studio.json(f"/cases/{anna}.json")["file"]["case"] == before


def test_an_act_needs_the_form_of_the_page(studio: Studio, anna: int) -> None:
    assert studio.post(f"/cases/{anna}/note", csrf="", text="hello").status == 403
    assert studio.get(f"/cases/{anna}/note").status == 405


def test_a_file_of_evidence_is_saved_and_no_other_file_is_given(
    studio: Studio, anna: int, tmp_path: Any
) -> None:
    photo = tmp_path / "photo.html"
    photo.write_text("<script>alert(1)</script>")
    cases.evidence(studio.app, anna, files=[photo], by="lin")
    page = studio.get(f"/cases/{anna}").text
    path = re.search(r'href="(/cases/\d+/evidence/[^"]+)"', page)
    assert path
    answer = studio.get(path[1])

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]
    for name in ("..%2f..%2fcrm-mailer.key", "%2e%2e", ".hidden", "none.jpg"):
        assert studio.get(f"/cases/{anna}/evidence/{name}").status == 404


def test_all_of_a_case_is_saved_word_for_word(studio: Studio, anna: int) -> None:
    answer = studio.get(f"/cases/{anna}/record.html")

    assert answer.headers["content-disposition"] == f'attachment; filename="case-{anna}.html"'
    assert "The mug came in pieces! I am &lt;i&gt;very&lt;/i&gt; unhappy" in answer.text


def test_tasks_are_read_page_by_page(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    every = [row["number"] for row in studio.json("/cases/tasks.json")["rows"]]
    monkeypatch.setattr(case_looks, "ROWS", 1)
    first = studio.json("/cases/tasks.json")
    second = studio.json("/cases/tasks.json", after=first["after"]) if first["after"] else None
    seen = [row["number"] for told in (first, second) if told for row in told["rows"]]

    assert seen == every[:2]
    assert studio.get("/cases/tasks?after=x").status == 400


# ------------------------------------------------------------------ by hand, tasks, work lists


def test_what_a_customer_said_on_the_phone_becomes_a_case(studio: Studio) -> None:
    done = studio.act(
        "/cases/feedback",
        on="/cases/new",
        customer="dave@example.com",
        channel="phone",
        order="D-1",
        text="It arrived broken and I want my money back",
    )
    opened = studio.act(
        "/cases/new",
        on="/cases/new",
        customer="dave@example.com",
        reason="order.size",
        order="",
        text="too small",
        channel="chat",
    )

    assert re.fullmatch(r"/cases/\d+", done["to"])
    assert re.fullmatch(r"/cases/\d+", opened["to"])


def test_a_task_is_done(studio: Studio) -> None:
    rows = studio.json("/cases/tasks.json")["rows"]
    [question] = [row for row in rows if row["customer"] == "Bob Miller" and row["is_question"]]
    studio.act(f"/cases/tasks/{question['number']}/done", on="/cases/tasks")

    left = [row["number"] for row in studio.json("/cases/tasks.json")["rows"]]
    assert question["number"] not in left


def test_every_work_list_is_shown_and_leaves_as_excel(studio: Studio) -> None:
    for one in studio.json("/cases/work.json")["lists"]:
        page = studio.get(f"/cases/work/{one['name']}")
        assert page.status == 200
    assert studio.get("/cases/work/odd").status == 404
    book = studio.get("/cases/work.xlsx")
    assert book.body.startswith(b"PK")
    assert "attachment" in book.headers["content-disposition"]


def test_why_an_order_is_not_paid_is_noted(studio: Studio) -> None:
    with studio.app.store.write() as connection:
        connection.execute(
            sa.update(t.orders)
            .where(t.orders.c.number == "D-1")
            .values(state="placed", placed_at=NOON - timedelta(days=1))
        )
    done = studio.act(
        "/cases/work/unpaid", on="/cases/work/unpaid", order="D-1", reason="card_trouble"
    )
    rows = studio.json("/cases/work/unpaid.json")["rows"]

    assert "D-1" in done["said"]
    assert [row["text"] for row in rows if row["number"] == "D-1"] == ["card trouble"]
