"""The pages are true: their commands do what is shown, their YAML loads, nothing is left out."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from crm_mailer.cli import COMMANDS, group
from crm_mailer.definitions.benefit_reader import read_benefits
from crm_mailer.definitions.calendar_reader import read_festivals
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.column_maps import read_map
from crm_mailer.definitions.files import parse_yaml
from crm_mailer.definitions.library import load
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.segment_reader import read_rule, read_segments
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.definitions.template_index import index
from crm_mailer.rendering.context import FIELDS, KNOWN
from crm_mailer.store.bundled import bundled
from tests.docs.session import ANYTHING, Shown, blocks, commands, set_up

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("README*.md")])
RUN = (
    "tutorial",
    "importing",
    "agents",
    "answering",
    "writing-campaigns",
    "reports",
    "cases",
    "memory-curve",
    "benefits",
    "languages",
    "library",
    "checks",
    "public-pages",
    "privacy",
)


def pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.fixture
def starter() -> Known:
    """What shipped campaigns may name."""
    found = load(bundled("campaigns"), index(bundled("templates")))
    return Known(
        shop=found.shop,
        curves=found.curves,
        segments=found.segments,
        festivals=found.festivals,
        templates=index(bundled("templates")),
        benefits=found.benefits,
    )


@pytest.mark.parametrize("name", RUN)
def test_the_commands_of_a_page_do_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_MAILER_CLOCK", "")
    monkeypatch.setenv("COLUMNS", "80")
    session = set_up(page, has_orders=name != "importing")

    for shown in commands(page):
        assert fits(shown, session.run(shown.command)), shown.command


def fits(shown: Shown, got: str) -> bool:
    parts = shown.output.split(f"\n{ANYTHING}")
    pattern = "(?:\n.*)*".join(re.escape(part) for part in parts)
    assert re.fullmatch(pattern, got), f"$ {shown.command}\n{got}"
    return True


def yaml_blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "yaml"), start=1):
            yield f"{page.name}-{number}", block


@pytest.mark.parametrize(("name", "block"), list(yaml_blocks()), ids=lambda one: one[:40])
def test_every_yaml_block_loads(name: str, block: str, starter: Known, tmp_path: Path) -> None:
    path = tmp_path / "segments" / "block.yaml"
    path.parent.mkdir()
    path.write_text(block, encoding="utf-8")
    keys = set(re.findall(r"^(\w+):", block, re.M))
    faults: list[Problem] = []

    if "steps" in keys:
        read_campaign(path, starter, faults)
    elif "festivals" in keys:
        read_festivals(path, faults)
    elif "rule" in keys:
        (path.parent / "fair-visitors.csv").write_text("email\nanna@example.com\n")
        shutil.copytree(bundled("campaigns") / "segments", path.parent, dirs_exist_ok=True)
        read_segments(path.parent, faults)
    elif "columns" in keys:
        read_map(path)
    elif "benefits" in keys:
        read_benefits(path, faults)
    elif keys & {"cases", "time_zones", "languages"}:
        path.write_text(f"name: x\nsender: a@b.com\n{block}", encoding="utf-8")
        read_shop(path, faults)
    else:
        read_rule(parse_yaml(block, name), faults, segments=starter.segments)

    assert [fault.as_text() for fault in faults if fault.is_error] == []


def command_names(one: click.Command, name: str) -> Iterator[str]:
    if not isinstance(one, click.Group):
        yield name
        return
    context = click.Context(one)
    for inner in one.list_commands(context):
        found = one.get_command(context, inner)
        assert found is not None
        yield from command_names(found, f"{name} {inner}".strip())


def test_every_command_is_named_on_a_page() -> None:
    text = pages()

    missing = [name for name in command_names(group, "") if f"crm-mailer {name}" not in text]

    assert missing == []


def test_every_command_that_a_page_names_exists() -> None:
    words = re.findall(r"crm-mailer ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?", pages())

    for first, second in words:
        assert first in COMMANDS, first
        found = group.get_command(click.Context(group), first)
        if isinstance(found, click.Group) and second:
            assert second in found.list_commands(click.Context(found)), f"{first} {second}"


def test_every_field_of_a_template_is_on_the_page_for_marketers() -> None:
    page = (ROOT / "docs" / "writing-campaigns.md").read_text(encoding="utf-8")
    known = {*KNOWN, *(name for names in FIELDS.values() for name in names)}

    assert [name for name in sorted(known) if f"`{name}" not in page] == []


def test_every_page_that_a_page_points_to_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
