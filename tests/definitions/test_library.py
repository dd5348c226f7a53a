from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crm_mailer.definitions import library
from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.template_index import index
from crm_mailer.store.bundled import bundled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the starter set."""
    shutil.copytree(bundled("campaigns"), tmp_path / "campaigns")
    return tmp_path / "campaigns"


def load(folder: Path) -> Definitions:
    return library.load(folder, index(bundled("templates")))


def test_the_starter_set_has_no_problem(folder: Path) -> None:
    found = load(folder)

    assert [one.as_text() for one in found.problems] == []
    assert {"textbook5", "textbook8", "ebbinghaus7", "export4", "payment"} <= set(found.curves)


def test_a_broken_campaign_leaves_the_others_usable(folder: Path) -> None:
    whole = load(folder)
    (folder / "lifecycle" / "birthday.yaml").write_text("name: [", encoding="utf-8")

    found = load(folder)

    assert set(whole.campaigns) - set(found.campaigns) == {"birthday"}
    assert [one.file for one in found.errors] == ["campaigns/lifecycle/birthday.yaml"]


@pytest.mark.parametrize(
    "name", ["shop.yaml", "curves.yaml", "lifecycle/win-back.yaml", "segments/cooling.yaml"]
)
def test_what_a_file_said_before_stands_while_it_is_wrong(folder: Path, name: str) -> None:
    whole = load(folder)
    (folder / name).write_text("name: [", encoding="utf-8")

    kept = library.keeping(load(folder), whole)

    assert (kept.shop, kept.curves) == (whole.shop, whole.curves)
    assert kept.segments == whole.segments
    assert kept.campaigns == whole.campaigns
    assert kept.texts == whole.texts
    assert f"campaigns/{name}" in {problem.file for problem in kept.errors}


def test_a_wrong_curve_costs_no_campaign_on_another_and_stays_as_it_was(folder: Path) -> None:
    path = folder / "curves.yaml"
    whole = load(folder)
    written = path.read_text(encoding="utf-8")
    path.write_text(written + "  far: {at: [1d, 4000d]}\n", encoding="utf-8")

    found = load(folder)

    assert [one.code for one in found.problems] == ["CRM110"]
    assert (found.curves, found.campaigns) == (whole.curves, whole.campaigns)

    path.write_text(written.replace("at: [30m, 12h", "at: [-30m, 12h"), encoding="utf-8")
    assert "payment" not in load(folder).curves
    assert library.keeping(load(folder), whole).curves == whole.curves


def test_a_file_that_is_gone_is_gone_even_while_another_is_wrong(folder: Path) -> None:
    whole = load(folder)
    (folder / "lifecycle" / "birthday.yaml").unlink()
    (folder / "lifecycle" / "win-back.yaml").write_text("name: [", encoding="utf-8")

    kept = library.keeping(load(folder), whole)

    assert set(whole.campaigns) - set(kept.campaigns) == {"birthday"}


def test_each_campaign_stands_beside_the_text_that_it_was_made_from(folder: Path) -> None:
    name = "lifecycle/win-back.yaml"
    written = (folder / name).read_text(encoding="utf-8")
    whole = load(folder)
    other = written.replace("id: win-back", "id: shipped")
    (folder / name).write_text(other, encoding="utf-8")

    kept = library.keeping(load(folder), whole)

    assert kept.campaigns["win-back"] == whole.campaigns["win-back"]
    assert kept.texts[f"campaigns/{name}"] == written
    assert set(kept.texts) == {one.path for one in kept.campaigns.values()}


def test_a_broken_shop_file_is_one_problem_and_blames_no_campaign(folder: Path) -> None:
    (folder / "shop.yaml").write_text("nmae: x", encoding="utf-8")

    found = load(folder)

    assert not found.has_shop
    assert {one.file for one in found.problems} == {"campaigns/shop.yaml"}


def test_two_files_with_one_id_name_each_other(folder: Path) -> None:
    shutil.copy(folder / "lifecycle" / "shipped.yaml", folder / "lifecycle" / "zz.yaml")

    found = load(folder)

    assert [one.code for one in found.problems] == ["CRM118"]
    assert "campaigns/lifecycle/shipped.yaml" in found.problems[0].message
    assert found.campaigns["shipped"].path == "campaigns/lifecycle/shipped.yaml"


def test_a_campaign_may_lie_anywhere_and_a_yml_file_is_told(folder: Path) -> None:
    text = "name: X\nanchor: {date: 2026-11-27}\nsteps: [{template: growth/win-back-1}]"
    (folder / "black-friday.yaml").write_text(text, encoding="utf-8")
    (folder / "edm" / "cyber.yml").write_text(text, encoding="utf-8")

    found = load(folder)

    assert "black-friday" in found.campaigns
    assert [(one.code, one.file) for one in found.problems] == [
        ("CRM135", "campaigns/black-friday.yaml"),
        ("CRM109", "campaigns/edm/cyber.yml"),
    ]


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    found = load(tmp_path)

    assert [one.code for one in found.problems] == ["CRM100", "CRM100"]
    assert found.campaigns == {}


def test_two_campaigns_of_one_name_are_a_warning_at_the_second(folder: Path) -> None:
    shipped = folder / "lifecycle" / "shipped.yaml"
    name = load(folder).campaigns["shipped"].name
    written = shipped.read_text(encoding="utf-8")
    text = written.replace("id: shipped", "id: second").replace(name, name.upper())
    (folder / "lifecycle" / "zz.yaml").write_text(text, encoding="utf-8")

    found = load(folder)

    (problem,) = found.problems
    line = 1 + text.splitlines().index(f"name: {name.upper()}")
    assert (problem.code, problem.is_error) == ("CRM144", False)
    assert problem.place.partition(":")[::2] == ("campaigns/lifecycle/zz.yaml", f"{line}:1")
    assert "campaigns/lifecycle/shipped.yaml" in problem.message
    assert {"shipped", "second"} <= set(found.campaigns)
