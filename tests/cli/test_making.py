from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_mailer.model.errors import CrmMailerError
from tests.cli.conftest import Run


def files(home: Path) -> set[str]:
    folders = (home / "campaigns", home / "templates")
    return {
        path.relative_to(home).as_posix()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_what_is_new_is_right(run: Run, known_home: Path) -> None:
    shop_home = known_home
    before = files(shop_home)

    made = [
        run("new", "template", "growth/tea"),
        run("new", "template", "during_sale/tea-order", "--about-order"),
        run("new", "template", "growth/thee", "--language", "nl", "--language", "ar"),
        run("new", "template", "spring", "--from", "growth/new-arrivals", "--language", "ar"),
        run("new", "segment", "Tea lovers"),
        run("new", "segment", "dear", "--from", "vip", "--title", "Dear ones: all"),
        run("new", "campaign", "Black Friday", "--kind", "edm"),
        run("new", "campaign", "tea", "--template", "growth/tea"),
        run("new", "campaign", "tea-order", "--template", "during_sale/tea-order"),
        run("new", "campaign", "again", "--from", "win-back", "--title", "双十一"),
    ]
    check = run("check", "--json")

    assert [one.exit_code for one in made] == [0] * len(made)
    assert files(shop_home) - before == {
        "templates/growth/tea.en.mjml",
        "templates/growth/tea.ru.mjml",
        "templates/growth/tea.es.mjml",
        "templates/during_sale/tea-order.en.mjml",
        "templates/during_sale/tea-order.ru.mjml",
        "templates/during_sale/tea-order.es.mjml",
        "templates/growth/thee.nl.mjml",
        "templates/growth/thee.ar.mjml",
        "templates/growth/spring.ar.mjml",
        "campaigns/segments/tea-lovers.yaml",
        "campaigns/segments/dear.yaml",
        "campaigns/edm/black-friday.yaml",
        "campaigns/lifecycle/tea.yaml",
        "campaigns/lifecycle/tea-order.yaml",
        "campaigns/lifecycle/again.yaml",
    }
    found = {(one["file"], one["code"]) for one in json.loads(check.stdout)["data"]}
    assert (check.exit_code, found) == (0, {("templates/growth/spring.ar.mjml", "CRM239")})


def test_a_new_marketing_mail_leads_to_the_preferences_in_every_language(
    run: Run, shop_home: Path
) -> None:
    without_footer = ("nl", "ar", "fr")
    (shop_home / "templates" / "layout" / "footer.fr.mjml").unlink()

    run("new", "template", "growth/thee", *(f"--language={code}" for code in without_footer))

    for code in without_footer:
        text = (shop_home / "templates" / "growth" / f"thee.{code}.mjml").read_text()
        assert "{{ unsubscribe_url }}" in text
        assert '{% if shop.public_url %} · <a href="{{ preferences_url }}">' in text


def test_a_copy_is_a_draft_with_an_id_of_its_own_and_keeps_its_comments(
    run: Run, shop_home: Path
) -> None:
    source = shop_home / "campaigns" / "lifecycle" / "win-back.yaml"
    source.write_text(source.read_text().replace("mode: draft", "mode: live   # at last"))

    run("new", "campaign", "again", "--from", "win-back", "--title", "Again: and again")

    lines = (shop_home / "campaigns" / "lifecycle" / "again.yaml").read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=../../.schema/campaign.schema.json"
    assert lines[1].startswith("# Wins back a customer")
    assert {"id: again", 'name: "Again: and again"', "mode: draft   # at last"} <= set(lines)


def test_the_schema_that_a_new_file_names_is_there(run: Run, shop_home: Path) -> None:
    run("new", "segment", "tea-lovers")

    path = shop_home / "campaigns" / "segments" / "tea-lovers.yaml"
    way = path.read_text().splitlines()[0].partition("$schema=")[2]
    assert json.loads((path.parent / way).read_text())["title"] == "crm-mailer: segment"


def test_the_next_command_is_named(run: Run) -> None:
    result = run("new", "campaign", "Tea time")

    assert "crm-mailer preview tea-time" in result.output


REFUSED = {
    "the id is taken": (("campaign", "win-back"), "there is a campaign `win-back` already"),
    "the segment is taken": (("segment", "vip"), "there is a segment `vip` already"),
    "the template is there": (("template", "care/welcome"), "is there already"),
    "no id": (("campaign", "双十一"), "gives no id"),
    "no campaign to copy": (("campaign", "x", "--from", "win-bakc"), "win-bakc"),
    "no segment to copy": (("segment", "x", "--from", "vipp"), "vipp"),
    "no template to copy": (("template", "x", "--from", "care/nope"), "no template `care/nope`"),
    "no template to send": (("campaign", "x", "--template", "a/b"), "no template `a/b`"),
    "a way out of the folder": (("template", "../x"), "is no name of a template"),
    "a part of the layout": (("template", "layout/x"), "is no name of a template"),
    "no language": (("template", "growth/x", "--language", "klingon!"), "no language code"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    run: Run, shop_home: Path, case: str
) -> None:
    arguments, said = REFUSED[case]
    before = files(shop_home)

    result = run("new", *arguments)

    assert result.exit_code != 0
    assert said in f"{result.exception}"
    assert files(shop_home) == before


@pytest.mark.parametrize("what", ["campaign", "segment", "template"])
@pytest.mark.parametrize(
    "name",
    [
        "Весна 2027",
        "春节 2027",
        "Año nuevo",
        "e\u0301te\u0301",
        "Sale für alle",
        "ｓａｌｅ x",
        "عيد 7",
    ],
)
def test_a_name_whose_letters_would_be_lost_is_refused(
    run: Run, shop_home: Path, what: str, name: str
) -> None:
    before = files(shop_home)

    result = run("new", what, name)

    assert isinstance(result.exception, CrmMailerError)
    assert f"`{name}` gives no id" in str(result.exception)
    assert ("growth/" if what == "template" else "--title") in result.exception.hint
    assert files(shop_home) == before


def test_a_name_that_would_be_cut_is_refused(run: Run, shop_home: Path) -> None:
    before = files(shop_home)

    result = run("new", "segment", "tea " * 20)

    assert "an id has at most 60 characters" in str(result.exception)
    assert files(shop_home) == before


def test_signs_that_are_no_letters_are_left_out_of_an_id(run: Run, shop_home: Path) -> None:
    run("new", "segment", "Mother’s Day – 20 % off ❤️!")

    assert (shop_home / "campaigns" / "segments" / "mother-s-day-20-off.yaml").is_file()


def test_a_link_in_the_way_is_not_followed(run: Run, shop_home: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    (shop_home / "campaigns" / "lifecycle" / "tea.yaml").symlink_to(outside)

    result = run("new", "campaign", "tea")

    assert result.exit_code != 0
    assert not outside.exists()


def test_scripts_are_told_what_was_made(run: Run) -> None:
    made = json.loads(run("new", "segment", "tea", "--json").stdout)["data"]

    assert made["name"] == "tea"
    assert made["files"][0].endswith("tea.yaml")
