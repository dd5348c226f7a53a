"""Takes in what somebody saved, and reads no more of the shop's files anew than that needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from crm_mailer.app.wiring import App
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.library import Definitions
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.template_index import SHARED
from crm_mailer.model.campaign import Campaign

#: The folder that they lie in, below the shop's.
TEMPLATES = "templates"


def take_in(app: App, saved: Collection[Path]) -> None:
    """Have the app know what stands in these files now.

    The words of a template concern that template alone, and most changes of a campaign's file that
    campaign alone. All else, and what is wrong, is read as at the start: that takes longer.
    """
    if "definitions" not in app.__dict__:
        app.reload()
        return
    others = [_name(app.home, path) for path in saved if not _is_of_templates(app, path)]
    app.reload_templates()
    if not others:
        return
    found = app.definitions
    for name in others:
        reread = _with_campaign(app, found, name)
        if reread is None:
            app.reload()
            return
        found = reread
    app.definitions = found


def _is_of_templates(app: App, path: Path) -> bool:
    """Whether it is a part that templates share, or a template that there was and still is.

    A new template, or one that went, is more than a change: campaigns may name it.
    """
    stage, _slash, file = _name(app.home, path).removeprefix(f"{TEMPLATES}/").partition("/")
    if path.parent.parent.name != TEMPLATES or not path.name.endswith(".mjml"):
        return False
    name, _point, code = file.removesuffix(".mjml").partition(".")
    was_there = code in app.templates.names.get(f"{stage}/{name}", {})
    return stage == SHARED or (was_there and path.is_file())


def _name(home: Path, path: Path) -> str:
    """A file's name below the shop's folder, which may itself be reached by a link."""
    for folder in (home, home.resolve()):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return str(path)


def _with_campaign(app: App, found: Definitions, name: str) -> Definitions | None:
    """The definitions with this campaign's file read anew; None where that alone does not do."""
    before = next((one for one in found.campaigns.values() if one.path == name), None)
    if before is None or before.id not in found.ids:  # it was given another id meanwhile
        return None
    faults: list[Problem] = []
    texts = dict(found.texts)
    campaign = read_campaign(app.home / name, _known(app, found), faults, name, texts=texts)
    if campaign is None or campaign.id != before.id:
        return None
    curve = found.curves.get(campaign.curve)
    if curve is not None:
        campaign = replace(campaign, adaptive=curve.adaptive)
    campaigns: dict[str, Campaign] = {**found.campaigns, campaign.id: campaign}
    others = [one for one in found.problems if one.file != name]
    return replace(found, campaigns=campaigns, problems=(*others, *faults), texts=texts)


def _known(app: App, found: Definitions) -> Known:
    return Known(
        shop=found.shop,
        curves=found.curves,
        segments=found.segments,
        festivals=found.festivals,
        templates=app.templates.names,
        benefits=found.benefits,
        campaigns=found.ids,
    )
