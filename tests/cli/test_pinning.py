from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crm_mailer.app import App, outbox, pinned, planning, rendering
from crm_mailer.app import campaign_texts as keeping
from crm_mailer.definitions.campaign_words import read_words
from crm_mailer.model.message import Message
from crm_mailer.store import campaign_texts
from tests.conftest import NOON
from tests.planning.people import customer, order, touches
from tests.small_shop import small_shop

HOUR = timedelta(hours=1)
TOMORROW = (NOON + timedelta(days=1)).date()
SALE = f"""id: sale
name: Sale
mode: live
anchor: {{date: {TOMORROW}}}
send_at: "10:00"
steps:
  - {{id: announce, template: growth/new-arrivals, subject: {{en: First words}}}}
vars:
  headline: {{en: News}}
  intro: {{en: Hello there}}
  products: []
"""


@pytest.fixture
def shop_home(tmp_path: Path) -> Path:
    return small_shop(tmp_path / "shop", set(), {"growth/new-arrivals"}, {"en"})


@pytest.fixture
def file(shop_home: Path) -> Path:
    path = shop_home / "campaigns" / "edm" / "sale.yaml"
    path.write_text(SALE, encoding="utf-8")
    return path


def mails(app: App) -> list[Message]:
    """The mails of all touches, as they would leave."""
    found = [outbox.show(app, id_).touch for (id_,) in touches(app.store, "id")]
    made = rendering.renderer(app).render_batch(found)
    assert all(isinstance(one, Message) for one in made)
    return [one for one in made if isinstance(one, Message)]


def versions_of(app: App) -> list[keeping.Version]:
    return keeping.versions(app, "sale", None)


def test_a_planned_mail_keeps_the_words_of_its_version(app: App, file: Path) -> None:
    customer(app.store, "anna")
    planning.apply(app)
    edited = SALE.replace("First words", "Second words").replace("Hello there", "Good day")
    file.write_text(edited.replace("id: announce", "id: renamed"), encoding="utf-8")
    app.reload()

    [mail] = mails(app)

    assert mail.subject == "First words"
    assert b"Hello there" in mail.content


def test_who_is_planned_after_an_edit_gets_the_new_words(app: App, file: Path) -> None:
    customer(app.store, "anna")
    planning.apply(app)
    file.write_text(SALE.replace("First words", "Second words"), encoding="utf-8")
    app.reload()
    customer(app.store, "boris")
    planning.apply(app)

    assert [one.subject for one in mails(app)] == ["First words", "Second words"]


def test_without_the_text_of_its_version_a_mail_has_the_words_of_now(app: App, file: Path) -> None:
    customer(app.store, "anna")
    live = app.definitions.campaigns["sale"]

    assert pinned.Pinned(app)(live, "unknown") is live


def test_a_file_that_is_wrong_now_does_not_change_the_words_of_what_is_planned(
    app: App, file: Path
) -> None:
    customer(app.store, "anna")
    planning.apply(app)
    wrong = SALE.replace("First words", "Wrong words").replace("mode: live", "mode: lvie")
    file.write_text(wrong, encoding="utf-8")
    app.reload()
    planning.apply(app)
    file.write_text(SALE.replace("First words", "Second words"), encoding="utf-8")
    app.reload()
    with app.store.read() as connection:
        kept = campaign_texts.list_(connection, "sale", limit=9)

    assert len(kept) == 1
    assert [one.subject for one in mails(app)] == ["First words"]


def test_a_version_that_a_curve_made_keeps_its_words_too(app: App, file: Path) -> None:
    curves = app.home / "campaigns" / "curves.yaml"
    standing = curves.read_text(encoding="utf-8").rstrip()
    curves.write_text(f"{standing}\n  mine: {{at: [1d]}}\n", encoding="utf-8")
    text = SALE.replace(f"{{date: {TOMORROW}}}", "{order: shipped}\ncurve: mine")
    file.write_text(text, encoding="utf-8")
    app.reload()
    planning.apply(app)
    before = app.definitions.campaigns["sale"].version
    curves.write_text(f"{standing}\n  mine: {{at: [2d]}}\n", encoding="utf-8")
    app.reload()
    person = customer(app.store, "anna")
    order(app.store, person, placed_at=NOON - 2 * HOUR, shipped=NOON - HOUR)
    planning.apply(app, is_by_hand=True)
    [(version,)] = touches(app.store, "campaign_version")
    assert version not in ("", before)
    told = versions_of(app)
    file.write_text(text.replace("First words", "Second words"), encoding="utf-8")
    app.reload()

    assert [one.subject for one in mails(app)] == ["First words"]
    assert [one.version for one in told] == [version, before]
    assert [one.is_now for one in told] == [True, False]


def test_what_a_curve_makes_of_a_file_is_told_before_it_is_kept(app: App, file: Path) -> None:
    curves = app.home / "campaigns" / "curves.yaml"
    file.write_text(SALE.replace("send_at:", "curve: textbook5\nsend_at:"), encoding="utf-8")
    app.reload()
    planning.apply(app)
    edited = curves.read_text(encoding="utf-8").replace("at: [1d, 2d, 4d", "at: [3d, 4d, 5d", 1)
    curves.write_text(edited, encoding="utf-8")
    app.reload()
    told = versions_of(app)

    assert [one.number == 0 for one in told] == [True, False]
    assert [one.is_now for one in told] == [True, False]
    assert told[0].version == app.definitions.campaigns["sale"].version != told[1].version


def test_a_file_that_is_edited_while_it_is_planned_with_is_kept_as_it_was_read(
    app: App, file: Path
) -> None:
    customer(app.store, "anna")
    read = app.definitions.campaigns["sale"]
    file.write_text(SALE.replace("First words", "Second words"), encoding="utf-8")
    planning.apply(app)
    app.reload()
    planning.apply(app)
    with app.store.read() as connection:
        kept = campaign_texts.list_(connection, "sale", limit=9)

    assert [one.subject for one in mails(app)] == ["First words"]
    assert [one.version for one in kept] == [
        app.definitions.campaigns["sale"].version,
        read.version,
    ]


def test_a_text_is_kept_once(app: App, file: Path) -> None:
    planning.apply(app)

    assert keeping.keep(app) == 0
    app.reload()
    assert keeping.keep(app) == 0
    file.write_text(f"{SALE}# a comment\n", encoding="utf-8")
    app.reload()
    assert keeping.keep(app) == 1


@pytest.mark.parametrize("text", ["", "- a", "name: x", "{", "steps: 3"])
def test_a_text_that_is_no_campaign_has_no_words(text: str) -> None:
    assert read_words(text) is None
