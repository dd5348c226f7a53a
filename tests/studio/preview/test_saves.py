"""How much is read anew after a save: as little as shows what was saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_mailer.app import App, saves
from crm_mailer.settings import read_settings
from tests.conftest import StandingClock
from tests.small_shop import copy_home, small_shop
from tests.studio.preview.conftest import KEPT, SHIPPED

CAMPAIGNS = {"shipped", "win-back"}
TEMPLATES = {*KEPT, "growth/win-back-1", "growth/win-back-2"}
WIN_BACK = "campaigns/lifecycle/win-back.yaml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a campaign on an adaptive curve."""
    home = small_shop(tmp_path_factory.mktemp("made") / "shop", CAMPAIGNS, TEMPLATES)
    path = home / WIN_BACK
    written = path.read_text(encoding="utf-8").splitlines()
    adaptive = [one for one in written if not one.strip().startswith(("after:", "curve:"))]
    path.write_text("\n".join([*adaptive, "curve: adaptive-win-back", ""]), encoding="utf-8")
    return home


@pytest.fixture
def app(made: Path, tmp_path: Path) -> Iterator[App]:
    home = copy_home(made, tmp_path / "shop")
    found = App(home, read_settings(home, {}), StandingClock())
    assert set(found.definitions.campaigns) == CAMPAIGNS
    yield found
    found.close()


def save(app: App, name: str, old: str, new: str, *, by_renaming: bool = False) -> None:
    """Change a file as an editor does, and take it in."""
    path = app.home / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    target = path.with_name(f"{path.name}.tmp") if by_renaming else path
    target.write_text(text.replace(old, new, 1), encoding="utf-8")
    target.replace(path)
    saves.take_in(app, {path})


@pytest.mark.parametrize("by_renaming", [False, True])
@pytest.mark.parametrize(
    "name", [f"templates/{SHIPPED}.en.mjml", "templates/layout/footer-order.en.mjml"]
)
def test_words_of_a_template_leave_the_campaigns_as_they_are(
    app: App, name: str, by_renaming: bool
) -> None:
    before, templates = app.definitions, app.templates
    save(app, name, "</mj-text>", " today</mj-text>", by_renaming=by_renaming)

    assert app.definitions is before
    assert app.templates is not templates
    assert "today" in app.templates.get(SHIPPED, "en").masked_html


def test_a_campaigns_file_changes_that_campaign_alone(app: App) -> None:
    before = app.definitions
    save(app, WIN_BACK, "mode: draft", "mode: live")
    after = app.definitions

    changed, same = (after.campaigns[one] for one in ("win-back", "shipped"))
    assert changed.mode.value == "live"
    assert changed.adaptive is not None
    assert changed.adaptive == before.campaigns["win-back"].adaptive
    assert changed.version == before.campaigns["win-back"].version
    assert same is before.campaigns["shipped"]
    assert after == app_read_anew(app)


def test_a_warning_stays_while_its_cause_does(app: App) -> None:
    name = "campaigns/lifecycle/shipped.yaml"
    path = app.home / name
    text = path.read_text(encoding="utf-8")
    assert "audience:" not in text
    path.write_text(f"{text}\naudience: {{mailed: {{campaign: win-bakc}}}}\n", encoding="utf-8")
    app.reload()
    before = app.definitions
    save(app, name, "mode: draft", "mode: manual")
    after = app.definitions

    assert [one.code for one in before.problems] == ["CRM143"]
    assert after.problems == before.problems
    assert after == app_read_anew(app)
    save(app, name, "win-bakc", "win-back")
    assert app.definitions.problems == ()


def test_a_campaign_that_takes_its_old_id_again_is_read_with_all_others(app: App) -> None:
    name = "campaigns/lifecycle/shipped.yaml"
    segment = app.home / "campaigns" / "segments" / "near.yaml"
    rule = "id: near\nname: Near\nrule: {mailed: {campaign: shipped}}\n"
    segment.write_text(rule, encoding="utf-8")
    app.reload()
    whole = app.definitions
    save(app, name, "id: shipped", "id: posted\nmood: good")
    assert set(app.definitions.campaigns) == CAMPAIGNS
    assert "CRM143" in {one.code for one in app.definitions.problems}
    save(app, name, "id: posted\nmood: good", "id: shipped")

    assert app.definitions == app_read_anew(app) == whole
    assert whole.problems == ()


def test_a_mistake_in_a_campaign_is_told_and_what_it_was_stands(app: App) -> None:
    name = "campaigns/lifecycle/shipped.yaml"
    save(app, name, "mode: draft", "mode: sleeping")
    wrong = app.definitions
    save(app, name, "mode: sleeping", "mode: manual")

    assert [one.file for one in wrong.errors] == [name]
    assert wrong.campaigns["shipped"].mode.value == "draft"
    assert app.definitions.campaigns["shipped"].mode.value == "manual"
    assert app.definitions.errors == ()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("campaigns/lifecycle/shipped.yaml", "id: shipped", "id: posted"),
        ("campaigns/shop.yaml", "name: ", "name: The other "),
        ("campaigns/curves.yaml", "4d, 7d, 15d]", "4d, 8d, 15d]"),
    ],
)
def test_what_others_rest_on_is_read_with_all_of_them(
    app: App, name: str, old: str, new: str
) -> None:
    before = app.definitions
    save(app, name, old, new)

    assert app.definitions is not before
    assert app.definitions == app_read_anew(app)
    assert ("posted" in app.definitions.campaigns) is (new == "id: posted")


def test_new_files_and_those_that_went_are_seen(app: App) -> None:
    old = app.templates_folder / f"{SHIPPED}.en.mjml"
    new = app.templates_folder / "special/hello.en.mjml"
    new.parent.mkdir(exist_ok=True)
    old.replace(new)
    saves.take_in(app, {old, new})
    copy = app.home / "campaigns" / "edm" / "again.yaml"
    copy.parent.mkdir(exist_ok=True)
    written = (app.home / "campaigns/lifecycle/shipped.yaml").read_text(encoding="utf-8")
    copy.write_text(written.replace("id: shipped", "id: again"), encoding="utf-8")
    saves.take_in(app, {copy})

    assert "special/hello" in app.templates.names
    assert "en" not in app.templates.languages(SHIPPED)
    assert set(app.definitions.campaigns) == {*CAMPAIGNS, "again"}


def app_read_anew(app: App) -> object:
    other = App(app.home, app.settings, StandingClock())
    try:
        return other.definitions
    finally:
        other.close()
