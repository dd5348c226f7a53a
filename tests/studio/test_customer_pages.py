from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import curves
from crm_mailer.model.curve import Signal
from crm_mailer.store import browsing, signals
from crm_mailer.store import tables as t
from crm_mailer.store.browsing import Wanted
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.segmenting.people import add_buyer, add_customer
from tests.studio.conftest import NARROW, Studio

SIDES = ["", "/segments", "/memory", "/next", "/next?campaign=welcome", "/privacy"]


def number(studio: Studio, address: str) -> int:
    with studio.app.store.read() as connection:
        query = sa.select(t.customers.c.id).where(t.customers.c.email_key == address)
        return int(connection.scalar(query) or 0)


@pytest.fixture(scope="module")
def anna(studio: Studio) -> int:
    return number(studio, "anna@gmail.com")


@pytest.fixture
def bob(studio: Studio) -> str:
    return f"/customers/{number(studio, 'bob@outlook.com')}"


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_page_is_shown(studio: Studio, anna: int, side: str, language: str) -> None:
    path = f"/customers/{anna}{side}"
    answer = studio.get(f"{path}{'&' if '?' in path else '?'}ui={language}")
    assert answer.status == 200
    assert "Anna Petrova" in answer.text
    assert "style=" not in answer.text
    studio.get("/?ui=en")


@pytest.mark.parametrize("side", ["", "/segments", "/memory", "/next", "/privacy"])
@pytest.mark.parametrize("who", ["999999", "x", "-1", "9" * 30])
def test_who_is_not_there_is_not_found(studio: Studio, side: str, who: str) -> None:
    assert studio.get(f"/customers/{who}{side}").status == 404
    assert studio.get(f"/customers/{who}{side}.json").status == 404


def test_names_are_no_markup(studio: Studio) -> None:
    dave = number(studio, "dave@example.com")
    for path in ("/customers", f"/customers/{dave}", f"/customers/{dave}/privacy"):
        page = studio.get(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;" in page


# ------------------------------------------------------------------ finding


@pytest.mark.parametrize(
    "text",
    ["anna@gmail.com", "ANNA@gmail.com", "Anna", "anna", "Petrova", "A-1", "#A-2", "b1", "anna@",
     "nna Petr"],
)  # fmt: skip
def test_a_customer_is_found_by_what_one_knows(studio: Studio, text: str) -> None:
    with studio.app.store.write() as connection:
        connection.execute(
            sa.update(t.customers)
            .where(t.customers.c.email_key == "anna@gmail.com")
            .values(family_name="Petrova")
        )
    found = [one["email"] for one in studio.json("/customers.json", q=text)["customers"]]
    assert found == ["anna@gmail.com"]


def test_a_number_finds_its_customer(studio: Studio, anna: int) -> None:
    assert studio.json("/customers.json", q=str(anna))["customers"][0]["id"] == anna


@pytest.mark.parametrize("text", ["%", "_", "nobody at all", "'; DROP TABLE customers", "\\", "🦄"])
def test_what_fits_nobody_finds_nobody(studio: Studio, text: str) -> None:
    assert studio.json("/customers.json", q=text)["customers"] == []


def test_customers_are_narrowed_down(studio: Studio) -> None:
    def found(**asked: str) -> set[str]:
        return {one["name"] for one in studio.json("/customers.json", **asked)["customers"]}

    assert found(country="CN") == {"范小姐"}
    assert found(country="cn", language="en") == {"范小姐"}
    assert found(language="ru") == {"Anna Petrova"}
    assert found(segment="new-customers", country="US") == {"Bob Miller"}
    assert found(group="no such group") == found()
    assert studio.get("/customers?segment=nobody").status == 404


@pytest.mark.parametrize(
    "wanted",
    [Wanted(), Wanted(segment="s"), Wanted(country="RU"), Wanted(country="RU", segment="s"),
     Wanted(language="ru"), Wanted(group="new")],
    ids=["all", "segment", "country", "country and segment", "language", "group"],
)  # fmt: skip
def test_leafing_shows_everybody_once(
    store: Store, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "WINDOW", 7)
    for day in range(40):
        id_ = add_customer(store, country="RU" if day % 2 else "US", language="ru")
        with store.write() as connection:
            if day % 3:
                connection.execute(sa.insert(t.memberships).values(
                    segment="s", customer_id=id_, since=NOON))  # fmt: skip
            if day % 4:
                last = NOON - timedelta(days=day // 8)
                connection.execute(sa.insert(t.scores).values(
                    customer_id=id_, first_order_at=last, last_order_at=last, order_count=1,
                    spent_usd_cents=1, days_since_last=1, r=5, f=1, m=1, total=7, profile="p",
                    scored_on=NOON.date()))  # fmt: skip
    with store.write() as connection:
        connection.execute(sa.update(t.customers).where(t.customers.c.id == 3).values(
            erased_at=NOON))  # fmt: skip
    seen: list[int] = []
    after, pages = "", 0
    with store.read() as connection:
        while pages < 100:
            leaf = browsing.leaf(connection, wanted, after=after, limit=5)
            assert len(leaf.entries) <= 5
            seen += [one.id for one in leaf.entries]
            after, pages = leaf.after, pages + 1
            if not after:
                break
        fits = {
            one for one in range(1, 41)
            if one != 3
            and (not wanted.country or (one - 1) % 2)
            and (not wanted.segment or (one - 1) % 3)
            and (not wanted.group or (one - 1) % 4)
        }  # fmt: skip
    assert sorted(seen) == sorted(fits)


@pytest.mark.parametrize("after", ["x", "n", "n0", "1.2.3", "-5.1", "9" * 40, "0.0", "'"])
def test_a_place_that_was_made_up_is_no_trouble(store: Store, after: str) -> None:
    add_buyer(store, 3)
    with store.read() as connection:
        for wanted in (Wanted(), Wanted(segment="s"), Wanted(language="en")):
            browsing.leaf(connection, wanted, after=after, limit=5)


# ------------------------------------------------------------------ one timeline


def test_everything_is_on_one_line_of_time(studio: Studio, anna: int) -> None:
    told = studio.json(f"/customers/{anna}.json")
    kinds = {code for code, _words, _number in told["kinds"]}
    assert {"order", "mail", "reply", "case", "segment", "consent", "customer"} <= kinds
    times = [one["at"] for one in told["moments"]]
    assert times == sorted(times, reverse=True)
    links = {one["href"].split("/")[1] for one in told["moments"] if one["href"]}
    assert links == {"outbox", "replies", "cases"}


def test_one_kind_can_be_looked_at_alone(studio: Studio, anna: int) -> None:
    told = studio.json(f"/customers/{anna}.json", kind="order")
    assert {one["kind"] for one in told["moments"]} == {"order"}
    assert studio.json(f"/customers/{anna}.json", kind="nonsense")["kind"] == ""


def test_what_was_not_sent_says_why(studio: Studio, anna: int) -> None:
    with studio.app.store.write() as connection:
        connection.execute(sa.insert(t.touches).values(
            campaign="c", step="s", anchor="a", customer_id=anna, stream="marketing", template="x",
            anchored_at=NOON, due_at=NOON, planned_at=NOON, settled_at=NOON, state="skipped",
            reason="cap"))  # fmt: skip
    told = studio.json(f"/customers/{anna}.json", kind="mail")
    assert any("as many marketing mails lately" in one["text"] for one in told["moments"])


def test_opens_and_clicks_are_on_it(studio: Studio, anna: int) -> None:
    with studio.app.store.write() as connection:
        touch = connection.scalar(sa.select(t.touches.c.id).where(
            t.touches.c.customer_id == anna, t.touches.c.state == "accepted").limit(1))  # fmt: skip
        signals.add(
            connection, int(touch or 0), Signal.CLICK, NOON, now=NOON, detail="https://x.example"
        )
    told = studio.json(f"/customers/{anna}.json", kind="signal")
    assert "click" in told["moments"][0]["text"]
    assert told["moments"][0]["href"] == f"/outbox/{touch}"


def test_a_long_story_is_paged(studio: Studio, anna: int) -> None:
    with studio.app.store.write() as connection:
        connection.execute(sa.insert(t.customer_notes), [
            {"customer_id": anna, "at": NOON - timedelta(minutes=one), "text": f"note {one}"}
            for one in range(120)])  # fmt: skip
    first = studio.json(f"/customers/{anna}.json", kind="note")
    second = studio.json(f"/customers/{anna}.json", kind="note", skip="50")
    assert (len(first["moments"]), first["older"], second["older"]) == (50, 70, 20)
    assert "note 50" in second["moments"][0]["text"]
    assert studio.get(f"/customers/{anna}?skip=-5").status == 200
    assert studio.get(f"/customers/{anna}?skip=999999999999").status == 200


def test_each_trait_says_where_it_comes_from(studio: Studio, anna: int) -> None:
    told = {one["name"]: one for one in studio.json(f"/customers/{anna}.json")["traits"]}
    assert told["country"]["origin"] == "from shop"
    assert told["time zone"]["value"] if "time zone" in told else True
    assert told["address kind"]["origin"] == "read from the mail address"


def test_a_phone_is_masked(studio: Studio, anna: int) -> None:
    with studio.app.store.write() as connection:
        connection.execute(
            sa.update(t.customers).where(t.customers.c.id == anna).values(phone="+79125550123")
        )
    for path in (f"/customers/{anna}", f"/customers/{anna}.json"):
        said = studio.get(path).text
        assert "7912555" not in said
        assert "***123" in said


# ------------------------------------------------------------------ acts


def test_a_customer_is_flagged_and_the_flag_taken_off(studio: Studio, bob: str) -> None:
    studio.act(f"{bob}/flag", on=bob, kind="fraud", reason="charged back", evidence="mail 4")
    assert studio.json(f"{bob}.json")["head"]["is_flagged"]
    assert "BLACKLIST" in studio.get(bob).text
    studio.act(f"{bob}/unflag", on=bob, why="it was the bank")
    told = studio.json(f"{bob}.json", kind="flag")
    assert not told["head"]["is_flagged"]
    assert len(told["moments"]) == 2


def test_marketing_is_stopped_and_goes_on(studio: Studio, bob: str) -> None:
    studio.act(f"{bob}/suppress", on=bob, why="asked by phone")
    assert studio.json(f"{bob}.json")["head"]["suppressed"][0][0] == "by_hand"
    studio.act(f"{bob}/unsuppress", on=bob, why="asked again")
    assert studio.json(f"{bob}.json")["head"]["suppressed"] == []


def test_notes_and_tags_are_written(studio: Studio, bob: str) -> None:
    studio.act(f"{bob}/note", on=bob, text="<b>likes</b> blue mugs")
    studio.act(f"{bob}/tag", on=bob, tag="wholesale", pinned="1")
    page = studio.get(bob).text
    assert "&lt;b&gt;likes" in page
    assert "wholesale" in page
    studio.act(f"{bob}/untag", on=bob, tag="wholesale")
    assert studio.json(f"{bob}.json")["story"]["tags"] == []


@pytest.mark.parametrize(
    ("act", "form"),
    [("flag", {"kind": "fraud"}), ("flag", {"kind": "nonsense", "reason": "x"}),
     ("unflag", {"why": "x"}), ("note", {"text": " "}), ("tag", {"tag": ""}),
     ("suppress", {}), ("unsuppress", {}), ("erase", {"typed": "yes"})],
    ids=["no reason", "no such kind", "no flag", "no text", "no tag", "no why", "no why again",
         "not typed"],
)  # fmt: skip
def test_what_cannot_be_done_is_said(
    studio: Studio, bob: str, act: str, form: dict[str, str]
) -> None:
    answer = studio.post(f"{bob}/{act}", on=bob, **form)
    assert answer.status == 303
    assert 'class="said trouble"' in studio.get(bob).text


# ------------------------------------------------------------------ memory, next, privacy


def test_the_memory_curve_has_its_mails_and_signals(studio: Studio, anna: int) -> None:
    begin = NOON - timedelta(days=30)
    with studio.app.store.write() as connection:
        for place, day in enumerate((1, 5, 15)):
            touch = connection.scalar(
                sa.insert(t.touches).values(
                    campaign="memory", step=f"m{place}", anchor="order:1", customer_id=anna,
                    stream="marketing", template="x", anchored_at=begin, planned_at=begin,
                    due_at=begin + timedelta(days=day), settled_at=begin + timedelta(days=day),
                    state="accepted").returning(t.touches.c.id))  # fmt: skip
            if place == 1:
                signals.add(
                    connection, int(touch or 0), Signal.CLICK, begin + timedelta(days=6), now=NOON
                )
        connection.execute(sa.insert(t.curve_states).values(
            customer_id=anna, campaign="memory", anchor="order:1", anchored_at=begin, retention=0.4,
            first_half_life=3.0, half_life=9.0, next_half_life=9.0, last_at=begin, step="m3",
            due_at=NOON + timedelta(days=4), wanted_at=NOON))  # fmt: skip
    view = curves.memory(studio.app, str(anna))
    assert len(view.courses[0].touches) == 3

    page = studio.get(f"/customers/{anna}/memory").text

    assert page.count('class="sign mail"') == 3
    assert page.count('class="sign good"') >= 1
    assert page.count('class="sign next"') == 1
    assert page.count("<polyline") == 1
    assert "<tbody><tr>" in page


def test_why_not_is_answered_in_sentences(studio: Studio, anna: int) -> None:
    told = studio.json(f"/customers/{anna}/next.json", campaign="welcome")
    assert "a case of this customer is open" in told["answer"]["waits"]
    assert studio.get(f"/customers/{anna}/next?campaign=nonsense").status == 404


def test_each_part_of_a_rule_says_whether_it_holds(studio: Studio, anna: int) -> None:
    found = studio.json(f"/customers/{anna}/segments.json")["segments"]
    unhappy = next(one for one in found if one["segment"] == "unhappy")
    assert unhappy["holds"]
    assert any(part["holds"] for part in unhappy["findings"])
    assert found[0]["holds"]
    assert not found[-1]["holds"]


def test_everything_is_handed_out_as_a_zip(studio: Studio, anna: int) -> None:
    answer = studio.get(f"/customers/{anna}/export.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.body)) as file:
        told = json.loads(file.read("data.json"))
    assert told["tables"]["customers"][0]["email"] == "anna@gmail.com"
    assert told["tables"]["replies"]


def test_who_types_the_address_erases_a_customer(studio: Studio) -> None:
    carmen = f"/customers/{number(studio, 'carmen@example.es')}"
    page = studio.get(f"{carmen}/privacy")
    assert "carmen@example.es" in page.text
    assert "Not counted here: faults that may name a person" in page.text

    studio.act(f"{carmen}/erase", on=f"{carmen}/privacy", typed="Carmen@Example.es ")

    page = studio.get(carmen)
    assert page.status == 200
    assert "carmen" not in page.text.lower()
    assert "erased" in page.text
    assert studio.json("/customers.json", q="Carmen")["customers"] == []
    assert "carmen" not in json.dumps(studio.json("/customers.json")).lower()


def test_a_customer_is_flagged_on_a_phone(studio: Studio, page: Any) -> None:
    page.set_viewport_size(NARROW)
    fan = f"{studio.url}/customers/{number(studio, 'fan@qq.com')}"
    page.goto(fan)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("summary:has-text('Put on the blacklist')")
    page.select_option("select[name=kind]", "bad_review")
    page.fill("input[name=reason]", "asks for money")
    page.click("button:has-text('Put on the blacklist')")
    page.wait_for_selector(".said")
    assert "BLACKLIST" in page.inner_text("main")
