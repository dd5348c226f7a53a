"""What people write wrong: each ends in one clear message, an exit code, and nothing half done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flows.bad_world import NOW, World, copy_of, make_shop

Spoil = Callable[[World], str | None]

SHIPPED = "campaigns/lifecycle/shipped.yaml"
TEMPLATE = "templates/during_sale/shipped.en.mjml"
HEADER = "order_number,placed_at,email,amount\n"
GOOD = HEADER + "B1,2026-11-01,x@example.com,3\n"


@pytest.fixture(scope="module")
def good_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRM_MAILER_CLOCK", NOW)
        yield make_shop(tmp_path_factory.mktemp("good") / "shop")


@pytest.fixture
def world(good_shop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop like the good one; wide lines, so that no message is broken."""
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOW)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)
    return copy_of(good_shop, tmp_path / "shop")


def nothing(_world: World) -> None:
    """All is well in the shop."""


def edit(name: str, old: str, new: str) -> Spoil:
    return lambda world: world.edit(name, old, new)


def write(name: str, content: str | bytes) -> Spoil:
    return lambda world: world.write(name, content)


def export(content: str | bytes, name: str = "export.csv") -> Spoil:
    return lambda world: world.file(name, content)


def gone(name: str) -> Spoil:
    return lambda world: (world.home / name).unlink()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("chek", "Did you mean 'check'?"),
        ("case evidnce", "Did you mean 'evidence'?"),
        ("status --jsno", "Did you mean '--json'?"),
        ("preview", "crm-mailer preview [OPTIONS] [CAMPAIGN]"),
        ("plan --on tomorrow", "`tomorrow` is no day such as 2026-11-20"),
        ("outbox list --state sent", "'accepted'"),
        ("outbox list --limit 0", "not in the range"),
        ("case show none", "'none' is not a valid number"),
        ("case list --state shut", "'resolved'"),
        ("customer feedback anna@example.com hello --channel fax", "'phone'"),
        ("customer feedback anna@example.com hello --channel phone --rating 6", "1<=x<=5"),
        ("customer set anna@example.com --birthday 02-30", "02-28"),
        ("customer set anna@example.com --country Russia", "write it like RU"),
        ("customer set anna@example.com --time-zone Mars", "Europe/Moscow"),
        ("customer set anna@example.com --email nonsense", "anna@example.com"),
        ("customer set anna@example.com", "say what to set"),
        ("import orders x.csv --encoding klingon", "there is no encoding `klingon`"),
        ("init campaigns/shop.yaml", "is a file"),
    ],
)
def test_wrong_usage_leaves_with_2_and_says_how(world: World, line: str, says: str) -> None:
    before = world.rows()

    said = world.run(line.replace("campaigns/", f"{world.home}/campaigns/"))

    assert (said.code, len(said.errors)) == (2, 1)
    assert says in said.err
    assert "--help` says more" in said.err
    assert world.rows() == before


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("plan shiped", "did you mean `shipped`?"),
        ("apply shiped", "did you mean `shipped`?"),
        ("preview shiped", "did you mean `shipped`?"),
        ("preview shipped --step on-its-wai", "did you mean `on-its-way`?"),
        ("preview shipped --customer ana@example.com", "did you mean anna@example.com?"),
        ("preview shipped --order A9", "without --order"),
        ("campaign show shiped", "did you mean `shipped`?"),
        ("campaign release shiped", "did you mean `shipped`?"),
        ("send --campaign shiped", "did you mean `shipped`?"),
        ("outbox list --campaign shiped", "did you mean `shipped`?"),
        ("outbox cancel shiped --yes", "did you mean `shipped`?"),
        ("outbox retry shiped", "did you mean `shipped`?"),
        ("outbox show 99", "crm-mailer outbox list"),
        ("curve show textbok5", "did you mean `textbook5`?"),
        ("segment show vipp", "did you mean `vip`?"),
        ("segment count vipp", "did you mean `vip`?"),
        ("segment explain vip --customer 99", "crm-mailer customer list"),
        ("customer list --segment vipp", "did you mean `vip`?"),
        ("customer show ana@example.com", "did you mean anna@example.com?"),
        ("customer explain nobody@example.org", "crm-mailer customer list"),
        ("customer tag ana@example.com proud", "did you mean anna@example.com?"),
        ("customer note ana@example.com hello", "did you mean anna@example.com?"),
        ("customer flag add ana@example.com fraud", "did you mean anna@example.com?"),
        ("customer flag remove ana@example.com mistake", "did you mean anna@example.com?"),
        ("customer set anna@example.com --email boris@example.com", "cannot share an address"),
        ("customer feedback ana@example.com hello --channel chat", "did you mean anna"),
        ("customer feedback anna@example.com hello --channel chat --order Z", "customer show"),
        ("rfm --customer ana@example.com", "did you mean anna@example.com?"),
        ("case show 99", "crm-mailer case list"),
        ("case note 99 hello", "crm-mailer case list"),
        ("case assign 99 lin", "crm-mailer case list"),
        ("case close 99", "crm-mailer case list"),
        ("case done 99", "crm-mailer case tasks"),
        ("case open --customer ana@example.com --reason other", "did you mean anna@example.com?"),
        ("case open --customer anna@example.com --reason nad.damagd", "did you mean nad.damaged?"),
        ("inbox show 99", "crm-mailer inbox list"),
        ("inbox retry 99", "crm-mailer inbox quarantine"),
        ("check --explain CRM13", "CRM13"),
        ("import orders FILE --map aliexpres", "did you mean `aliexpress`?"),
    ],
)
def test_a_name_that_is_not_there_leaves_with_2_and_offers_the_nearest(
    world: World, line: str, says: str
) -> None:
    before = world.rows()

    said = world.run(line.replace("FILE", world.file("export.csv", GOOD)))

    assert (said.code, len(said.errors)) == (2, 1)
    assert says in said.err
    assert world.rows() == before


@pytest.mark.parametrize(
    ("spoil", "place", "says"),
    [
        (edit(SHIPPED, "stream:", "strem:"), "shipped.yaml:6:1", "did you mean `stream`?"),
        (edit(SHIPPED, "order: shipped", "order: shiped"), ":8:17", "did you mean `shipped`?"),
        (edit(SHIPPED, "mode: live", "mode: liv"), "shipped.yaml:7:7", "did you mean `live`?"),
        (edit(SHIPPED, "after: 0m", "after: soon"), "shipped.yaml:14:12", "write 30m, 12h"),
        (edit(SHIPPED, "name: The", "name: 1\nname: The"), "shipped.yaml:5:1", "line 4"),
        (edit(SHIPPED, "steps:", "steps:\n\t- x"), "shipped.yaml:12:1", "not with tabs"),
        (edit(SHIPPED, "e/shipped", "e/shippd"), ":13:15", "did you mean `during_sale/shipped`?"),
        (write(SHIPPED, b"id: caf\xe9"), "shipped.yaml", "save the file with the encoding UTF-8"),
        (edit("campaigns/lifecycle/win-back.yaml", "cooling", "coolng"), ":8:19", "`cooling`?"),
        (edit("campaigns/lifecycle/payment-reminder.yaml", "curve: p", "curve: px"), ":9:8",
         "did you mean `payment`?"),
        (edit("campaigns/shop.yaml", "Asia/Shanghai", "Asia/Shangai"), "shop.yaml:27:12",
         "is no time zone"),
        (write("campaigns/segments/x.yaml", "id: x\nname: X\nrule: {contry: RU}\n"),
         "segments/x.yaml:3:8", "did you mean `country`?"),
        (write("campaigns/segments/x.yaml", "id: x\nname: X\nrule: {segment: x}\n"),
         "segments/x.yaml:3:1", "in a ring"),
        (edit("campaigns/curves.yaml", "[1d, 3d, 7d, 14d]", "[1d, 7d, 3d]"), "curves.yaml:",
         "if gaps were meant"),
        (edit(TEMPLATE, "{{ greeting }}", "{{ customer.nme }}"), "shipped.en.mjml:",
         "did you mean `name`?"),
        (edit(TEMPLATE, "</mj-body>", ""), "shipped.en.mjml:", "is not closed"),
        (edit(TEMPLATE, "{{ greeting }}", "{{ greeting }"), "shipped.en.mjml:",
         "a tag is `{{ field }}`"),
        (write(TEMPLATE, ""), "shipped.en.mjml:1:1", "mj-title is the subject"),
        (gone("templates/layout/head.mjml"), "shipped.en.mjml:", "does not exist"),
        (write("maps/own.yaml", "name: own\ncolums: {}\n"), "maps/own.yaml:2:1", "`columns`?"),
        (write("rates.csv", "date,currency,usd\n2024-01-01,GBP,much\n"), "rates.csv:2:1", "1.08"),
        (write("words/en.yaml", "complaint: ["), "words/en.yaml:1:13", "error[CRM101]"),
    ],
)  # fmt: skip
def test_check_names_the_place_and_the_remedy_and_leaves_with_1(
    world: World, spoil: Spoil, place: str, says: str
) -> None:
    spoil(world)

    said = world.run("check")

    assert said.code == 1
    assert place in said.out
    assert says in said.out
    assert "usable:" in said.err


@pytest.mark.parametrize(
    ("line", "code", "spoil", "place", "says"),
    [
        ("plan shipped", 78, edit(SHIPPED, "stream:", "strem:"), "shipped.yaml:6:1", "`stream`?"),
        ("apply shipped", 78, edit(SHIPPED, "stream:", "strem:"), "shipped.yaml:6:1", "`stream`?"),
        ("preview shipped", 78, edit(SHIPPED, "stream:", "strem:"), "shipped.yaml:6:1", "`stream`"),
        ("campaign show shipped", 78, edit(SHIPPED, "kind:", "kin:"), ":5:1", "`kind`?"),
        ("plan", 78, edit("campaigns/shop.yaml", "languages:", "languges:"), "shop.yaml", "check"),
        ("send", 78, edit("campaigns/shop.yaml", "languages:", "languges:"), "shop.yaml", "check"),
        ("segment run", 78, edit("campaigns/shop.yaml", "time_zone: A", "time_zone: Ax"),
         "shop.yaml:27:12", "is no time zone"),
        ("import orders FILE", 78, edit("campaigns/shop.yaml", "name: L", "nme: L"),
         "shop.yaml:4:1", "did you mean `name`?"),
        ("import customers FILE", 78, edit("campaigns/shop.yaml", "name: L", "nme: L"),
         "shop.yaml:4:1", "did you mean `name`?"),
        ("preview welcome", 78, edit("campaigns/shop.yaml", "name: L", "nme: L"),
         "shop.yaml:4:1", "did you mean `name`?"),
        ("curve show textbook5", 78, write("campaigns/curves.yaml", "curves: ["), "curves.yaml:1",
         "not YAML"),
        ("segment show vip", 78, write("campaigns/segments/vip.yaml", "rule: ["), "vip.yaml:1",
         "not YAML"),
        ("preview shipped", 65, edit(TEMPLATE, "{{ greeting }}", "{{ customer.nme }}"),
         "shipped.en.mjml:13:20", "`crm-mailer check` knows more"),
        ("preview shipped", 65, edit(TEMPLATE, "</mj-body>", ""), "shipped.en.mjml:",
         "is not closed"),
        ("import orders FILE", 78, write("maps/own.yaml", "name: own\ncolums: {}\n"),
         "own.yaml:2:1", "did you mean `columns`?"),
        ("import orders FILE", 78, write("rates.csv", "date,currency,usd\n2024-01-01,GBP,much\n"),
         "rates.csv:2:1", "one unit of the currency"),
        ("customer feedback anna@example.com hello --channel chat", 78,
         write("words/en.yaml", "complaint: ["), "words/en.yaml:1:13", "check"),
    ],
)  # fmt: skip
def test_a_wrong_definition_stops_what_needs_it_and_nothing_else_happens(
    world: World, line: str, code: int, spoil: Spoil, place: str, says: str
) -> None:
    spoil(world)
    before = world.rows()

    said = world.run(line.replace("FILE", world.file("export.csv", GOOD)))

    assert said.code == code
    assert said.errors
    assert place in said.err
    assert says in said.err
    assert world.rows() == before


def test_one_wrong_campaign_does_not_hinder_the_others_and_is_told(world: World) -> None:
    world.edit(SHIPPED, "stream:", "strem:")

    said = [world.run("plan"), world.run("apply"), world.run("campaign list")]

    assert [one.code for one in said] == [0, 0, 0]
    assert all("error in a file" in one.err or "errors in files" in one.err for one in said)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[smtp]\nhots = "x"\n', "did you mean `smtp.host`?"),
        ('[smtp]\nport = "many"\n', "must be a whole number"),
        ("[smtp]\nport = 99999\n", "between 1 and 65535"),
        ("[smtp]\nport = 0\n", "between 1 and 65535"),
        ("[smtp]\nconnections = 0\n", "between 1 and 100"),
        ('[smtp]\ntls = "starttl"\n', "did you mean `starttls`?"),
        ("[smtp]\nhost = 5\n", "write it in quotes"),
        ("[smtp]\npassword = 12345\n", "must be text\n"),
        ("[smtp\n", "at line 1"),
        (b"\xff\xfe", "save the file with the encoding UTF-8"),
        ('log_level = "loud"\n', "debug, info, warning, error"),
        ('secret_key = "abc"\n', "1:0123abcd"),
        ('database = "nonsense"\n', "such as sqlite:///"),
        ('database = "mysql://u@host/shop"\n', "such as sqlite:///"),
        ('[smtp]\nhost = "smtp.example.com"\n', "remove `clock` or `smtp.host`"),
    ],
)
def test_wrong_settings_leave_with_78_and_name_the_line(
    world: World, settings: str | bytes, says: str
) -> None:
    world.write("crm-mailer.toml", settings)
    before = world.rows()

    said = world.run("send")

    assert (said.code, len(said.errors)) == (78, 1)
    assert says in said.err
    assert "12345" not in said.err
    assert world.rows() == before


def test_a_clock_that_is_no_moment_leaves_with_78(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", "noon")

    said = world.run("status")

    assert (said.code, len(said.errors)) == (78, 1)
    assert "2011-11-30T09:00:00Z" in said.err


@pytest.mark.parametrize("key", ["nonsense", b"\xff\xfe\x00", "", "1:xyz", "999:abcd"])
def test_a_broken_key_leaves_with_78(world: World, key: str | bytes) -> None:
    world.write("crm-mailer.key", key)

    said = world.run("preview welcome")

    assert (said.code, len(said.errors)) == (78, 1)
    assert "crm-mailer.key" in said.err
    assert "restore the file from a backup" in said.err


@pytest.mark.parametrize(
    ("line", "spoil", "says"),
    [
        ("import orders FILE", export(""), "is empty"),
        ("import orders FILE", export("\n \n"), "is empty"),
        ("import orders nowhere.csv", nothing, "nowhere.csv does not exist"),
        ("import orders .", nothing, "name one file in it"),
        ("import orders FILE", export("nummer,datum\n1,2026-11-01\n"), "are: nummer, datum"),
        ("import orders FILE --map shopify", export(GOOD), "did you mean `placed_at`?"),
        ("import orders FILE", export(b"\x89PNG\r\n\x1a\n" + bytes(range(256))), "--encoding"),
        ("import orders FILE", export(b"PK\x03\x04 broken", "o.xlsx"), "export it once more"),
        ("import orders FILE", export(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "o.xls"), "damaged"),
        ("import orders FILE", export(b"\xff\xfeo\x00r", "o.csv"), "o.csv"),
        ("import orders FILE", export('{"orders": []}', "o.json"), "o.json"),
        ("import customers FILE", export("name\nAnna\n"), "are: name"),
        ("import suppressions FILE", export("name\nAnna\n"), "call the column `email`"),
        ("import reviews FILE", export("stars\n5\n"), "are: stars"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_with_65(
    world: World, line: str, spoil: Spoil, says: str
) -> None:
    line = line.replace("FILE", str(spoil(world)))
    before = world.rows()

    said = world.run(line)

    assert (said.code, len(said.errors)) == (65, 1)
    assert says in said.err
    assert "help: " in said.err
    assert world.rows() == before


@pytest.mark.parametrize(
    ("what", "text", "says"),
    [
        ("orders", HEADER + "B1,2026-02-30,x@example.com,3\n", "placed_at  `2026-02-30`"),
        ("orders", HEADER + "B1,2026-11-01,,3\n", "fill email"),
        ("orders", HEADER + "B1,2026-11-01,x@example.com,three\n", "amount  `three`"),
        ("orders", HEADER + ",2026-11-01,x@example.com,3\n", "the row names no order"),
        ("orders", HEADER + "B1,2026-11-01,x@example.com,-3\n", "less than nothing"),
        ("reviews", "order_number,stars\nZZ,5\n", "import the orders first"),
        ("reviews", "order_number,stars\nA1,7\n", "1 to 5"),
        ("suppressions", "email\nnonsense\n", "no mail address"),
    ],
)
def test_a_bad_row_is_told_with_its_column_and_the_good_ones_go_in(
    world: World, what: str, text: str, says: str
) -> None:
    before = world.rows()["customers"]

    said = world.run(f"import {what} {world.file('export.csv', text)} --strict")

    assert said.code == 65
    assert says in said.out
    assert "1 row not imported" in said.out
    assert world.rows()["customers"] == before


def test_two_customers_with_one_address_in_other_case_are_one_and_it_is_told(world: World) -> None:
    text = GOOD + "B2,2026-11-01,X@Example.com,4\n"

    said = world.run(f"import orders {world.file('export.csv', text)}")

    assert said.code == 0
    assert "upper and lower case only" in said.err
    assert world.rows()["customers"] == 4


def test_a_file_with_a_header_and_no_row_is_told(world: World) -> None:
    said = world.run(f"import orders {world.file('export.csv', HEADER)}")

    assert said.code == 0
    assert "a header and no row" in said.err


def test_no_shop_folder_names_init(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = World(tmp_path / "nowhere")
    monkeypatch.setenv("CRM_MAILER_HOME", str(lost.home))

    said = [lost.run("status"), lost.run("status", at_home=False)]
    monkeypatch.delenv("CRM_MAILER_HOME")
    said.append(world.run("status", at_home=False))

    assert [one.code for one in said] == [2, 2, 2]
    assert all("crm-mailer init" in one.err for one in said)


def test_a_reader_that_closes_the_pipe_is_no_error(world: World) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    said = world.start("campaign list --json", stdout=writing)

    os.close(writing)
    assert said.code == 0
    assert "rror" not in said.err
