"""Everything that marketers wrote, read at once: what is right is usable, what is wrong is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from crm_mailer.definitions import glimpse
from crm_mailer.definitions.benefit_reader import read_benefits
from crm_mailer.definitions.calendar_reader import read_festivals
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.curve_reader import read_curves
from crm_mailer.definitions.files import LINE_ENDS, Place, Source
from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.definitions.rfm_reader import RfmProfiles, read_rfm
from crm_mailer.definitions.segment_reader import read_segments
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.model.benefit import Benefit
from crm_mailer.model.campaign import Campaign, Curve
from crm_mailer.model.festivals import Festival
from crm_mailer.model.segment import Segment
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop

#: What is no campaign: every other YAML file below the folder is one.
RESERVED_FILES = {"shop.yaml", "curves.yaml", "calendar.yaml", "rfm.yaml", "benefits.yaml"}
RESERVED_FOLDERS = {"segments", "maps", "words"}
#: Stands in for a shop file that is wrong, so that campaigns are not blamed for it.
UNKNOWN_SHOP = Shop(name="", postal_address="-", languages=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """What the files say. A file with an error is left out and its faults are in `problems`."""

    shop: Shop
    curves: Mapping[str, Curve] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    festivals: Mapping[str, Festival] = field(default_factory=dict)
    campaigns: Mapping[str, Campaign] = field(default_factory=dict)
    benefits: Mapping[str, Benefit] = field(default_factory=dict)
    #: None while rfm.yaml is wrong: marks then stay by the profile in force.
    rfm: RfmProfiles | None = field(default_factory=RfmProfiles)
    problems: tuple[Problem, ...] = ()
    #: The text from which each campaign was made, by the campaign's `path`: its file may say
    #: something else by the time that somebody asks.
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: Ids of all campaigns, also of those whose files are wrong: what rules may name.
    ids: Collection[str] = frozenset()

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
        folder: holds shop.yaml, curves.yaml and segments/; every other YAML file is a campaign.
        templates: each template ("stage/name") with its languages.
    """
    problems: list[Problem] = []
    shop = read_shop(folder / "shop.yaml", problems, f"{folder.name}/shop.yaml")
    curves = read_curves(folder / "curves.yaml", problems, f"{folder.name}/curves.yaml")
    ids = frozenset(glimpse.campaigns_in(folder))
    segments = read_segments(folder / "segments", problems, campaigns=ids)
    rfm = read_rfm(folder / "rfm.yaml", problems, f"{folder.name}/rfm.yaml")
    festivals = read_festivals(folder / "calendar.yaml", problems, f"{folder.name}/calendar.yaml")
    benefits = read_benefits(folder / "benefits.yaml", problems, f"{folder.name}/benefits.yaml")
    known = Known(
        shop=shop or UNKNOWN_SHOP,
        curves=curves,
        segments=segments,
        festivals=festivals,
        templates=templates,
        benefits=benefits,
        campaigns=ids,
    )
    texts: dict[str, str] = {}
    campaigns = _campaigns(folder, known, problems, texts)
    return Definitions(
        shop=known.shop,
        curves=curves,
        segments=segments,
        festivals=festivals,
        campaigns=campaigns,
        benefits=benefits,
        rfm=rfm,
        problems=(*problems, *_ignored(folder)),
        texts=texts,
        ids=ids,
    )


def shop_of(folder: Path) -> Shop:
    """The shop's facts alone, read much faster than everything; `UNKNOWN_SHOP` if wrong."""
    return read_shop(folder / "shop.yaml", [], f"{folder.name}/shop.yaml") or UNKNOWN_SHOP


def keeping(read: Definitions, before: Definitions) -> Definitions:
    """`read`, with what was usable before in place of what is wrong now.

    So a file that is half-written or has a typo changes nothing until it is right; a file that is
    gone is gone. The problems stay those of `read`.
    """
    wrong = {problem.file for problem in read.errors}
    if not wrong:
        return read
    campaigns = {
        one.id: one
        for one in before.campaigns.values()
        if one.path in wrong and one.id not in read.campaigns
    }
    texts = {
        one.path: before.texts[one.path] for one in campaigns.values() if one.path in before.texts
    }
    are_segments_wrong = any("/segments/" in f"/{file}" for file in wrong)
    return replace(
        read,
        shop=read.shop if read.has_shop else before.shop,
        curves={**(before.curves if _is_of(wrong, "curves.yaml") else {}), **read.curves},
        rfm=read.rfm or before.rfm,
        benefits={**(before.benefits if _is_of(wrong, "benefits.yaml") else {}), **read.benefits},
        segments={**(before.segments if are_segments_wrong else {}), **read.segments},
        campaigns={**read.campaigns, **campaigns},
        texts={**read.texts, **texts},
    )


def _is_of(wrong: Collection[str], name: str) -> bool:
    return any(file.endswith(f"/{name}") for file in wrong)


def _campaigns(
    folder: Path, known: Known, problems: list[Problem], texts: dict[str, str]
) -> dict[str, Campaign]:
    found: dict[str, Campaign] = {}
    named: dict[str, Campaign] = {}
    for path in _campaign_files(folder):
        shown = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        campaign = read_campaign(path, known, problems, shown, texts=texts)
        if campaign is None:
            continue
        if campaign.id in found:
            problems.append(_twice(shown, found[campaign.id]))
            continue
        found[campaign.id] = _on_its_curve(campaign, known)
        name = " ".join(campaign.name.casefold().split())
        other = named.setdefault(name, campaign)
        if other is not campaign:
            problems.append(_same_name(shown, texts.get(campaign.path, ""), campaign, other))
    return found


def _on_its_curve(campaign: Campaign, known: Known) -> Campaign:
    """The campaign with the parameters of its curve, where that is an adaptive one."""
    curve = known.curves.get(campaign.curve)
    return replace(campaign, adaptive=curve.adaptive) if curve is not None else campaign


def _campaign_files(folder: Path) -> list[Path]:
    """Every YAML file below the folder that is not something else; hidden ones are passed over."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        parts = path.relative_to(folder).parts
        is_reserved = parts[0] in RESERVED_FOLDERS or (
            len(parts) == 1 and parts[0] in RESERVED_FILES
        )
        if not is_reserved and not any(part.startswith(".") for part in parts):
            found.append(path)
    return found


def _ignored(folder: Path) -> list[Problem]:
    """Files that look like definitions and are not read because of how their name ends."""
    return [
        Problem(
            code="CRM109",
            message="is not read: its name ends in .yml",
            file=f"{folder.name}/{path.relative_to(folder).as_posix()}",
            help=Sentence("rename it to {stem}.yaml", stem=path.stem),
            severity=Severity.WARNING,
        )
        for path in sorted(folder.rglob("*.yml"))
    ]


def _twice(shown: str, other: Campaign) -> Problem:
    message = Sentence("the id `{id}` belongs to {path} already", id=other.id, path=other.path)
    help_ = "give this campaign an `id` of its own"
    return Source(shown, ()).problem(Place(0, 0), "CRM118", message, help=help_)


def _same_name(shown: str, text: str, one: Campaign, other: Campaign) -> Problem:
    source = Source(shown, tuple(LINE_ENDS.split(text)))
    lines = [number for number, line in enumerate(source.lines, 1) if line.startswith("name:")]
    message = Sentence(
        "the name `{name}` belongs to {path} already", name=one.name, path=other.path
    )
    help_ = "give this campaign a `name` of its own"
    place = Place(lines[0], 1) if lines else Place(0, 0)
    return source.problem(place, "CRM144", message, help=help_, severity=Severity.WARNING)
