from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import Result

from crm_mailer.app import App
from crm_mailer.learning import open_case
from crm_mailer.store import customers
from crm_mailer.store.tables import customer_identities, orders, reviews
from crm_mailer.store.tables import customers as customers_table
from tests.cli.conftest import Run
from tests.segmenting.people import NOW, add_buyer, add_customer, add_order


@pytest.fixture(autouse=True)
def _clock_that_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts as new or as lost must not hang on the day of the run."""
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOW.isoformat())


@pytest.fixture
def anna(app: App) -> int:
    return add_buyer(app.store, 5, name="Анна Петрова", email="anna@example.com",
                     email_key="anna@example.com", phone="+7 912 555 01 23")  # fmt: skip


def shown(run: Run, who: str = "anna@example.com") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("customer", "show", who, "--json").stdout)["data"]
    return found


def test_the_story_is_told_on_one_page(run: Run, anna: int) -> None:
    run("segment", "run")

    page = run("customer", "show", "ANNA@example.com").stdout

    assert "Анна Петрова" in page
    assert "R 5: last paid order" in page
    assert "came into new-customers" in page


def test_phones_are_masked_everywhere(run: Run, anna: int) -> None:
    assert json.loads(run("customer", "list", "--json").stdout)["data"][0]["phone"] == "***123"
    assert "555" not in run("customer", "show", str(anna)).stdout


def test_a_list_can_be_narrowed(run: Run, app: App, anna: int) -> None:
    add_customer(app.store, name="Boris")
    run("customer", "tag", str(anna), "wholesale")

    by_tag = json.loads(run("customer", "list", "--tag", "wholesale", "--json").stdout)["data"]
    by_name = json.loads(run("customer", "list", "Bor", "--json").stdout)["data"]

    assert [one["id"] for one in by_tag] == [anna]
    assert [one["name"] for one in by_name] == ["Boris"]


def test_a_percent_sign_is_no_wildcard(run: Run, anna: int) -> None:
    assert json.loads(run("customer", "list", "%", "--json").stdout)["data"] == []


def test_a_tag_that_names_a_personality_counts_as_one(run: Run, anna: int) -> None:
    result = run("customer", "tag", "anna@example.com", "silent")

    assert "personality: silent" in result.output
    assert shown(run)["classes"]["personality"] == "silent"
    run("customer", "tag", "anna@example.com", "silent", "--remove")
    assert "personality" not in shown(run)["classes"]


def test_a_pinned_tag_is_kept_as_such(run: Run, anna: int) -> None:
    run("customer", "tag", "anna@example.com", "cautious", "--pin", "--by", "li")

    tag = shown(run)["tags"][0]

    assert (tag["tag"], tag["is_pinned"], tag["set_by"]) == ("cautious", True, "li")


def test_a_flagged_buyer_stands_out(run: Run, anna: int) -> None:
    run("customer", "flag", "add", "anna@example.com", "bad reviews on purpose")

    assert "BLACKLIST" in run("customer", "show", "anna@example.com").stdout
    assert "BLACKLIST" in run("customer", "list").stdout
    run("customer", "flag", "remove", "anna@example.com", "it was her sister")
    assert not shown(run)["is_flagged"]


def test_a_flag_has_kind_evidence_and_case(run: Run, app: App, anna: int) -> None:
    case = opened(app, anna)
    flagged(run, "wants money for stars", "--kind", "blackmail", "--evidence",
            "https://example.com/1.png", "--case", str(case), "--by", "li")  # fmt: skip

    [line] = json.loads(run("customer", "flag", "list", "--json").stdout)["data"]

    flag = line["flag"]
    assert (flag["kind"], flag["reason"], flag["by"]) == (
        "blackmail",
        "wants money for stars",
        "li",
    )
    assert (flag["evidence"], flag["case_id"]) == ("https://example.com/1.png", case)
    assert "blackmail: wants money for stars" in run("customer", "show", "anna@example.com").stdout


def test_the_same_flag_twice_is_one_flag(run: Run, anna: int) -> None:
    flagged(run, "fraud")

    again = flagged(run, "fraud")

    assert "stands already" in again.output
    assert len(json.loads(run("customer", "flag", "list", "--json").stdout)["data"]) == 1


def test_a_flag_that_was_taken_off_stays_as_history(run: Run, anna: int) -> None:
    flagged(run, "fraud", "--kind", "fraud")
    flagged(run, "one star on purpose", "--kind", "bad_review")
    run("customer", "flag", "remove", "anna@example.com", "a mistake", "--by", "li")

    standing = json.loads(run("customer", "flag", "list", "--json").stdout)["data"]
    history = json.loads(run("customer", "flag", "list", "--all", "--json").stdout)["data"]

    assert standing == []
    assert [one["flag"]["removed_why"] for one in history] == ["a mistake", "a mistake"]
    assert shown(run)["flag_reason"] == ""


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("add", "anna@example.com", "  "), "a flag needs a reason"),
        (("add", "anna@example.com", "x", "--case", "99"), "there is no case 99"),
        (("remove", "anna@example.com", "why"), "is on no blacklist"),
        (("add", "nobody@example.com", "x"), "there is no customer"),
    ],
)
def test_a_flag_that_cannot_be_is_one_clear_error(
    run: Run, anna: int, arguments: tuple[str, ...], what: str
) -> None:
    result = run("customer", "flag", *arguments)

    assert result.exit_code == 2
    assert what in str(result.exception)


def test_a_case_of_another_customer_is_no_evidence(run: Run, app: App, anna: int) -> None:
    case = opened(app, add_customer(app.store, name="Boris"))

    result = flagged(run, "fraud", "--case", str(case))

    assert "another customer" in str(result.exception)


def test_the_blacklist_goes_with_a_customer_who_turns_out_to_be_another(
    run: Run, app: App, anna: int
) -> None:
    flagged(run, "fraud")
    other = add_customer(app.store, name="Anna P.")

    with app.store.write() as connection:
        customers.merge(connection, anna, other, now=app.clock.now())

    story = json.loads(run("customer", "show", str(other), "--json").stdout)["data"]
    assert (story["is_flagged"], story["flag_reason"]) == (True, "fraud")


def flagged(run: Run, reason: str, *options: str) -> Result:
    return run("customer", "flag", "add", "anna@example.com", reason, *options)


def opened(app: App, customer: int) -> int:
    return open_case(app.store, customer_id=customer, reason="other", now=app.clock.now())


# ------------------------------------------------------------------ reviews by hand


def test_a_bad_review_told_by_hand_opens_a_case(run: Run, app: App, anna: int) -> None:
    order = add_order(app.store, anna)
    with app.store.read() as connection:
        number = connection.scalar(sa.select(orders.c.number).where(orders.c.id == order))

    done = run(
        "customer",
        "review",
        "anna@example.com",
        "broke at once",
        "--stars",
        "1",
        "--order",
        str(number),
    )

    [case] = json.loads(run("case", "list", "--json").stdout)["data"]
    assert "1 star logged" in done.output
    assert case["order_number"] == number
    with app.store.read() as connection:
        row = connection.execute(sa.select(reviews)).one()
    assert (row.order_id, row.source, row.comment) == (order, "hand", "broke at once")


def test_the_same_review_told_twice_is_one(run: Run, anna: int) -> None:
    run("customer", "review", "anna@example.com", "lovely", "--stars", "5")

    again = run("customer", "review", "anna@example.com", "lovely", "--stars", "5")

    assert "is known" in again.output
    assert len(json.loads(run("case", "tasks", "--json").stdout)["data"]) == 1


@pytest.mark.parametrize("option", [("--stars", "6"), ("--stars", "0"), ()])
def test_stars_are_one_to_five(run: Run, anna: int, option: tuple[str, ...]) -> None:
    assert run("customer", "review", "anna@example.com", "x", *option).exit_code == 2


def test_a_birthday_may_lack_its_year(run: Run, anna: int) -> None:
    run("customer", "set", "anna@example.com", "--birthday", "02-29", "--language", "ru")

    story = shown(run)

    assert (story["birthday"], story["language"]) == ("02-29", "ru")


@pytest.mark.parametrize(
    ("again", "birthday"),
    [
        (("--birthday", "05-17"), "1990-05-17"),
        (("--birthday", "05-18"), "1990-05-18"),
        (("--birthday", "1991-05-18"), "1991-05-18"),
        (("--birthday", "02-29"), "02-29"),  # 1990 was no leap year
        (("--birthday", "05-18", "--no-birth-year"), "05-18"),
        (("--no-birth-year",), "05-17"),
        (("--language", "ru"), "1990-05-17"),
    ],
)
def test_a_year_of_birth_is_kept_until_another_is_told(
    run: Run, anna: int, again: tuple[str, ...], birthday: str
) -> None:
    run("customer", "set", "anna@example.com", "--birthday", "1990-05-17")

    assert run("customer", "set", "anna@example.com", *again).exit_code == 0

    assert shown(run)["birthday"] == birthday


def test_a_year_is_not_told_and_forgotten_at_once(run: Run, anna: int) -> None:
    told = ("--birthday", "1990-05-17", "--no-birth-year")

    assert run("customer", "set", "anna@example.com", *told).exit_code == 2


def test_nobody_is_born_in_the_future_or_very_long_ago(run: Run, anna: int) -> None:
    for day in ("2060-05-17", "1802-05-17"):
        result = run("customer", "set", "anna@example.com", "--birthday", day)

        assert result.exit_code != 0
        assert "nobody alive was born on this day" in str(result.exception)
    assert not shown(run)["birthday"]


def test_another_country_moves_the_clock_unless_the_zone_is_told(
    run: Run, app: App, anna: int
) -> None:
    def zone_after(*options: str) -> str:
        assert run("customer", "set", "anna@example.com", *options).exit_code == 0
        with app.store.read() as connection:
            return customers.get(connection, anna).time_zone

    assert zone_after("--country", "LK") == "Asia/Colombo"
    assert zone_after("--country", "AL") == "Europe/Tirane"
    told = ("--country", "US", "--time-zone", "Pacific/Honolulu")
    assert zone_after(*told) == "Pacific/Honolulu"
    assert zone_after("--country", "US", "--name", "Anna") == "Pacific/Honolulu"


def test_the_province_of_the_country_of_before_does_not_set_the_clock(
    run: Run, app: App, anna: int
) -> None:
    with app.store.write() as connection:
        connection.execute(customers_table.update().values(country="US", region="WA"))

    assert run("customer", "set", "anna@example.com", "--country", "AU").exit_code == 0

    with app.store.read() as connection:
        assert customers.get(connection, anna).time_zone == "Australia/Sydney"


@pytest.mark.parametrize(
    "option",
    [
        ("--birthday", "02-30"),
        ("--birthday", "2026-02-29"),
        ("--country", "Russia"),
        ("--email", "no address"),
        ("--time-zone", "Mars/Base"),
        (),
    ],
)
def test_what_cannot_be_is_not_saved(run: Run, anna: int, option: tuple[str, ...]) -> None:
    result = run("customer", "set", "anna@example.com", *option)

    assert result.exit_code == 2


def test_two_customers_cannot_share_an_address(run: Run, app: App, anna: int) -> None:
    other = add_customer(app.store)

    result = run("customer", "set", str(other), "--email", "ANNA@example.com")

    assert result.exit_code == 2
    assert "belongs to customer" in str(result.exception)


@pytest.mark.parametrize("who", ["nobody@example.com", "999", "9" * 30, "²"])
def test_an_unknown_customer_is_one_clear_error(run: Run, anna: int, who: str) -> None:
    result = run("customer", "show", who)

    assert result.exit_code == 2
    assert "there is no customer" in str(result.exception)


def test_every_segment_is_explained_for_one_customer(run: Run, anna: int) -> None:
    run("segment", "run")

    page = run("customer", "explain", "anna@example.com").stdout

    assert "is in new-customers" in page
    assert "is not in champions" in page


def test_a_customer_is_suppressed_by_hand_and_mailed_again(run: Run, app: App, anna: int) -> None:
    stopped = run("customer", "suppress", "anna@example.com", "asked for it on the phone")
    held = shown(run)["suppressed"]
    again = run("customer", "unsuppress", "anna@example.com", "wants the newsletter again")

    assert (stopped.exit_code, again.exit_code) == (0, 0)
    assert "by_hand" in held[0]
    assert shown(run)["suppressed"] == []
    assert run("customer", "unsuppress", "anna@example.com", "once more").exit_code == 2


def test_a_customer_without_an_address_cannot_be_suppressed(run: Run, app: App) -> None:
    number = add_customer(app.store, name="Boris", email=None, email_key=None)

    assert run("customer", "suppress", str(number), "no reason").exit_code == 2


def test_a_customer_is_found_by_the_name_on_a_platform(run: Run, app: App, anna: int) -> None:
    with app.store.write() as connection:
        connection.execute(
            sa.insert(customer_identities).values(
                customer_id=anna, platform="aliexpress", buyer_id="ru123"
            )
        )

    assert shown(run, "ru123")["id"] == anna
