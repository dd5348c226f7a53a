"""Everything that marketers wrote, read at once: what is right is usable, what is wrong is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.curve_reader import read_curves
from crm_mailer.definitions.files import Place, Source
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.segment_reader import read_segments
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.model.campaign import Campaign, Curve
from crm_mailer.model.segment import Segment
from crm_mailer.model.shop import Shop

#: Folders of campaign files.
CAMPAIGN_FOLDERS = ("lifecycle", "edm")
#: Stands in for a shop file that is wrong, so that campaigns are not blamed for it.
UNKNOWN_SHOP = Shop(name="", postal_address="-", languages=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What the files say. A file with an error is left out and its faults are in `problems`."""

    shop: Shop
    curves: Mapping[str, Curve] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @property
    def has_shop(self) -> bool:
        """Whether the shop file could be read; without it nothing is planned."""
        return self.shop is not UNKNOWN_SHOP

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The faults that keep a file from being used."""
        return tuple(problem for problem in self.problems if problem.is_error)


def load(folder: Path, templates: Mapping[str, Collection[str]]) -> Definitions:
    """Read the `campaigns` folder of a shop. Nothing is raised: faults are in the answer.

    Args:
        folder: holds shop.yaml, curves.yaml, segments/, lifecycle/ and edm/.
        templates: each template ("stage/name") with its languages.
    """
    problems: list[Problem] = []
    shop = read_shop(folder / "shop.yaml", problems, f"{folder.name}/shop.yaml")
    curves = read_curves(folder / "curves.yaml", problems, f"{folder.name}/curves.yaml")
    segments = read_segments(folder / "segments", problems)
    known = Known(shop=shop or UNKNOWN_SHOP, curves=curves, segments=segments, templates=templates)
    return Definitions(
        shop=known.shop,
        curves=curves,
        segments=segments,
        campaigns=_campaigns(folder, known, problems),
        problems=tuple(problems),
    )


def _campaigns(folder: Path, known: Known, problems: list[Problem]) -> dict[str, Campaign]:
    found: dict[str, Campaign] = {}
    for part in CAMPAIGN_FOLDERS:
        for path in sorted((folder / part).glob("**/*.yaml")):
            shown = f"{folder.name}/{path.relative_to(folder).as_posix()}"
            campaign = read_campaign(path, known, problems, shown)
            if campaign is None:
                continue
            if campaign.id in found:
                problems.append(_twice(shown, found[campaign.id]))
                continue
            found[campaign.id] = campaign
    return found


def _twice(shown: str, other: Campaign) -> Problem:
    message = f"the id `{other.id}` belongs to {other.path} already"
    help_ = "give this campaign an `id` of its own"
    return Source(shown, ()).problem(Place(0, 0), "CRM118", message, help=help_)
