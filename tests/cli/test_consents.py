"""Consent by hand: what a customer said, with its proof, decides who may be written to."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, consents, people_counts
from crm_mailer.model.errors import NotPossible
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.conftest import NOON, StandingClock
from tests.planning.people import add, customer, order

ANNA = "anna@example.com"


@pytest.fixture
def by_country(app: App) -> App:
    """The shop keeps the laws of countries, as new shops do; Anna of Canada bought long ago."""
    path = app.home / "campaigns" / "shop.yaml"
    path.write_text(path.read_text().replace("rules: recorded", "rules: by_country"))
    app.reload()
    person = customer(app.store, "anna", country="CA")
    order(app.store, person, placed_at=NOON - timedelta(days=800))
    return app


def test_a_customer_whose_time_is_over_is_explained(by_country: App, run: Run) -> None:
    explained = run("customer", "explain", ANNA).output
    refused = run("customer", "why-not", ANNA, "autumn-new-arrivals").output

    for told in (explained, refused):
        assert "marketing mail was lawful until 2026-08-" in told
        assert "CA: who bought may be written to for 730 days after that" in told
    assert "there is no lawful basis for marketing mail" in refused


def test_a_yes_with_an_end_holds_until_then(by_country: App, run: Run) -> None:
    done = run("customer", "consent", ANNA, "--yes", "--proof", "form 12", "--text", "v3",
               "--on", "2026-11-02", "--until", "2099-12-31", "--by", "lin")  # fmt: skip

    assert done.output.splitlines()[-2:] == [
        "marketing mail is lawful until 2099-12-31",
        "the customer said yes on 2026-11-02, until 2099-12-31",
    ]
    with by_country.store.read() as connection:
        kept = connection.execute(sa.select(t.consents)).one()
    assert (kept.source, kept.evidence, kept.text_version) == ("by lin", "form 12", "v3")
    assert isinstance(by_country.clock, StandingClock)
    by_country.clock.forward(days=366 * 74)
    assert consents.told(by_country, ANNA)[0] == "marketing mail was lawful until 2099-12-31"


def test_the_last_word_counts_and_none_counts_without_a_proof(by_country: App) -> None:
    early, late = ((NOON + timedelta(days=days)).date() for days in (-9, 9))
    for is_yes in (True, False, True):
        said = consents.note(by_country, ANNA, is_yes=is_yes, proof="letter", by="lin")
        assert said[0] == f"marketing mail is {'' if is_yes else 'not '}lawful"
    with pytest.raises(NotPossible, match="needs a proof"):
        consents.note(by_country, ANNA, is_yes=False, proof=" ", by="lin")
    with pytest.raises(NotPossible, match="something later is known"):
        consents.note(by_country, ANNA, is_yes=False, proof="letter", on=early, by="lin")
    with pytest.raises(NotPossible, match="has not come yet"):
        consents.note(by_country, ANNA, is_yes=False, proof="letter", on=late, by="lin")
    with pytest.raises(NotPossible, match="before it begins"):
        consents.note(by_country, ANNA, is_yes=True, proof="x", until=early, by="lin")


def test_a_yes_of_a_file_does_not_stand_in_the_way_of_a_person(by_country: App) -> None:
    yesterday = (NOON - timedelta(days=1)).date()
    add(by_country.store, t.consents, customer_id=1, purpose="marketing", basis="consent",
        source="shopify", given_at=NOON)  # fmt: skip

    for is_yes, word in ((True, "yes"), (False, "no")):
        said = consents.note(by_country, ANNA, is_yes=is_yes, proof="x", on=yesterday, by="lin")
        assert said[1] == f"the customer said {word} on {yesterday}"


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Shanghai"])
def test_a_day_at_the_end_of_the_calendar_is_refused(by_country: App, zone: str) -> None:
    path = by_country.home / "campaigns" / "shop.yaml"
    lines = [one for one in path.read_text().splitlines() if not one.startswith("time_zone:")]
    path.write_text("\n".join([*lines, f"time_zone: {zone}", ""]))
    by_country.reload()
    assert str(by_country.zone) == zone

    with pytest.raises(NotPossible, match="9999-12-31 is no day of 1970 to 9998"):
        consents.note(by_country, ANNA, is_yes=True, proof="x", until=date.max, by="lin")
    with pytest.raises(NotPossible, match="0001-01-01 is no day of 1970 to 9998"):
        consents.note(by_country, ANNA, is_yes=True, proof="x", on=date.min, by="lin")


def test_persons_are_counted_by_country_and_year(
    app: App, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOON.isoformat())
    for number in range(3):
        person = customer(app.store, f"c{number}", country="CN",
                          created_at=NOON - timedelta(days=700))  # fmt: skip
        if number == 0:
            order(app.store, person, placed_at=NOON - timedelta(days=1))
        if number == 1:
            add(app.store, t.touches, campaign="x", step="s", anchor="a", customer_id=person,
                stream="marketing", template="t", state="accepted", settled_at=NOON, due_at=NOON,
                anchored_at=NOON, planned_at=NOON, provider="other")  # fmt: skip
    customer(app.store, "anna", country="DE")
    customer(app.store, "gone", country="DE", erased_at=NOON)

    told = json.loads(run("privacy", "inventory", "--countries", "--json").stdout)["data"]

    counts = [(o["country"], o["held"], o["fresh"], o["worked_on"]) for o in told["countries"]]
    assert (told["year"], counts) == (2026, [("CN", 3, 0, 2), ("DE", 1, 1, 1)])
    assert people_counts.by_country(app, 2023)[1][0].worked_on == 0


@pytest.mark.parametrize(
    ("persons", "word"),
    [(99_999, "below"), (100_000, "contract"), (999_999, "contract"), (1_000_000, "assessment")],
)
def test_chinas_numbers(persons: int, word: str) -> None:
    assert word in people_counts.china(persons)
