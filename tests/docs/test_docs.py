"""The pages are true: their commands do what is shown, their YAML loads, nothing is left out."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import tempfile
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
from crm_mailer.definitions.rfm_reader import read_rfm
from crm_mailer.definitions.rule_reader import read_rule
from crm_mailer.definitions.segment_reader import read_segments
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.definitions.template_index import index
from crm_mailer.definitions.words_reader import read_words
from crm_mailer.rendering.context import FIELDS, KNOWN
from crm_mailer.settings.reading import FILE_NAME, read_settings
from crm_mailer.store.bundled import bundled
from tests.docs import reference
from tests.docs.session import (
    ANYTHING,
    FENCE,
    ROOT,
    RUNNABLE,
    Shown,
    blocks,
    commands,
    make_shops,
    not_run,
    set_up,
)

PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
#: The index of the pages stands beside them, so two are called README.
INDEX = ROOT / "docs" / "README.md"
NAMES = {page: "index.md" if page == INDEX else page.name for page in PAGES}
TEXTS = {name: page.read_text(encoding="utf-8") for page, name in NAMES.items()}
RUN = sorted(name for name, text in TEXTS.items() if commands(text))
#: What a fenced block may hold: commands, files that are read, or something to look at.
LANGUAGES = {*RUNNABLE, "yaml", "toml", "mjml", "json", "nginx", "text"}
#: What stands for a secret on a page -> a value that passes for one.
SECRETS = {'"whsec_..."': f'"whsec_{"A" * 43}="', '"..."': f'"{"x" * 40}"'}


def pages() -> str:
    return "\n".join(TEXTS.values())


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


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shops")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CRM_MAILER_CLOCK", "")
        patch.setenv("COLUMNS", "80")
        make_shops()
    return folder


@pytest.fixture
def short_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A present folder with a short name, so that lines that hold it are not broken.

    What a page exports is forgotten afterwards.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        yield
        os.chdir(ROOT)
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.mark.parametrize("name", RUN)
@pytest.mark.usefixtures("short_folder")
def test_the_commands_of_a_page_do_what_it_shows(
    name: str, monkeypatch: pytest.MonkeyPatch, shops: Path
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", "")
    monkeypatch.setenv("COLUMNS", "80")
    session = set_up(name, TEXTS[name], shops)

    for shown in commands(TEXTS[name]):
        got = session.run(shown.command)
        if shown.output is None:
            assert session.code == 0, f"$ {shown.command}\n{got}"
        else:
            assert fits(shown, got), shown.command


def fits(shown: Shown, got: str) -> bool:
    parts = f"\n{shown.output}".split(f"\n{ANYTHING}")
    pattern = "(?:\n.*)*".join(re.escape(part) for part in parts)
    assert re.fullmatch(pattern, f"\n{got}"), f"$ {shown.command}\n{got}"
    return True


def written(language: str) -> list[tuple[str, str]]:
    """Each block of a language, with a name for it."""
    return [
        (f"{name}-{number}", block)
        for name, text in TEXTS.items()
        for number, block in enumerate(blocks(text, language), start=1)
    ]


def each(found: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """A test for each block."""
    return pytest.mark.parametrize(("name", "block"), found, ids=[name for name, _block in found])


@each(written("yaml"))
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
    elif "profiles" in keys:
        read_rfm(path, faults)
    elif keys & {"signs", "sets"}:
        path.rename(tmp_path / "own.yaml")
        read_words(tmp_path)
    elif keys & {"cases", "time_zones", "languages", "health"}:
        needed = {"name": "x", "sender": "a@b.com"}
        head = "".join(f"{key}: {text}\n" for key, text in needed.items() if key not in keys)
        path.write_text(head + block, encoding="utf-8")
        read_shop(path, faults)
    else:
        read_rule(parse_yaml(block, name), faults, segments=starter.segments)

    assert [fault.as_text() for fault in faults if fault.is_error] == []


@each(written("toml"))
def test_every_block_of_settings_can_be_read(name: str, block: str, tmp_path: Path) -> None:
    for shown, secret in SECRETS.items():
        block = block.replace(shown, secret)
    (tmp_path / FILE_NAME).write_text(block, encoding="utf-8")
    read_settings(tmp_path, {"CRM_MAILER_IMAP_HOST": "imap.shop.example"})


@pytest.mark.parametrize("name", TEXTS)
def test_every_block_of_a_page_is_tested_or_only_to_look_at(name: str) -> None:
    """No block without a language, none by indenting: nobody would know what to do with it."""
    text = TEXTS[name]
    outside = FENCE.sub("", text)

    assert {match["language"] for match in FENCE.finditer(text)} <= LANGUAGES
    assert re.findall(r"\n\n    [^\n]+", outside) == []
    assert "```" not in outside, "a block that does not end"
    for match in FENCE.finditer(text):
        is_shown = match["language"] not in RUNNABLE
        assert not (is_shown and re.search(r"^(\$ )?crm-mailer ", match["text"], re.M)), match[0]
        assert not (is_shown and match["why"]), match[0]
    assert outside.count("<!-- not run") == 0, "it stands right before a block"


def spans() -> Iterator[str]:
    """Commands that are named in running text, or shown and not run."""
    for text in TEXTS.values():
        yield from not_run(text)
        yield from re.findall(r"`([^`\n]*\bcrm-mailer [a-z][^`\n]*)`", FENCE.sub("", text))


def test_every_command_that_is_not_run_is_spelt_right() -> None:
    """Its words are commands, its options exist, and it takes so many arguments."""
    asked = [line for line in spans() if re.search(r"(^|[ /])crm-mailer [a-z]", line)]

    assert [fault for line in asked if (fault := misspelt(line))] == []
    assert len(asked) > 100


def misspelt(line: str) -> str:
    """What click says of the line; empty: it can be called so."""
    words = shlex.split(re.split(r"[|>]", line)[0], comments=True)
    words = [word.strip(",;") for word in words]
    start = next(at for at, word in enumerate(words) if Path(word).name == "crm-mailer")
    here: click.Command = group
    context, rest = click.Context(here), words[start + 1 :]
    try:
        while True:
            _values, rest, _order = here.make_parser(context).parse_args(rest)
            if not isinstance(here, click.Group) or not rest:
                break
            _name, found, rest = here.resolve_command(context, rest)
            assert found is not None
            here, context = found, click.Context(found, parent=context)
    except click.BadOptionUsage:
        return ""  # an option is spoken of without its value
    except click.UsageError as error:
        return f"{line}: {error.format_message()}"
    return f"{line}: too many words: {rest}" if rest and not isinstance(here, click.Group) else ""


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
    words = re.findall(r"crm-mailer ([a-z]+(?:-[a-z]+)*)(?: ([a-z]+(?:-[a-z]+)*))?", pages())

    for first, second in words:
        assert first in COMMANDS, first
        found = group.get_command(click.Context(group), first)
        if isinstance(found, click.Group) and second:
            assert second in found.list_commands(click.Context(found)), f"{first} {second}"


@pytest.mark.parametrize("page", reference.pages(), ids=lambda page: page.stem)
def test_the_lists_of_a_page_are_what_the_program_has(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert reference.renewed(text) == text, "python -m tests.docs.reference writes them anew"


def test_every_list_is_on_one_page() -> None:
    shown = [name for text in TEXTS.values() for name in reference.names(text)]

    assert sorted(shown) == sorted(reference.PARTS)


def test_every_field_of_a_template_is_on_the_page_for_marketers() -> None:
    page = (ROOT / "docs" / "writing-campaigns.md").read_text(encoding="utf-8")
    known = {*KNOWN, *(name for names in FIELDS.values() for name in names)}

    assert [name for name in sorted(known) if f"`{name}" not in page] == []


def test_what_the_page_about_troubles_quotes_is_what_the_program_says() -> None:
    """The first cells of its tables; `...` stands for what is different each time."""
    rows = re.findall(r"^\| ([^|]+) \|", TEXTS["troubleshooting.md"], re.M)
    quotes = [quote for row in rows for quote in re.findall(r"`([^`]+)`", row)]
    said = "\n".join(sayings())

    pieces = [piece.strip() for quote in quotes for piece in quote.split(ANYTHING)]
    assert [piece for piece in pieces if piece and piece not in said] == []
    assert len(quotes) > 40


def sayings() -> Iterator[str]:
    """Every text in the program; of those with gaps, what stands between the gaps."""
    for path in sorted((ROOT / "crm_mailer").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from re.split(r"\{\w*\}", node.value)


def test_every_page_that_a_page_points_to_is_there() -> None:
    for page in PAGES:
        for target, part in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", TEXTS[NAMES[page]]):
            there = page.parent / target if target else page
            assert there.exists(), f"{page.name}: {target}"
            assert not part or part[1:] in headings(there), f"{page.name}: {target}{part}"


def test_the_page_of_webhooks_has_every_key_that_is_told() -> None:
    source = (ROOT / "crm_mailer" / "store" / "telling_facts.py").read_text(encoding="utf-8")
    told = [
        node.value
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.keyword) and node.arg == "data")
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "data")
    ]
    keys = {
        str(key.value)
        for value in told
        for node in ast.walk(value)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }

    assert [key for key in sorted(keys) if f"`{key}`" not in TEXTS["webhooks.md"]] == []
    assert {"case", "customer", "cause", "states"} <= keys


def test_every_page_is_in_the_list_of_pages() -> None:
    listed = set(re.findall(r"\]\(([a-z0-9-]+\.md)\)", TEXTS["index.md"]))

    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {INDEX.name} - listed == set()


def headings(page: Path) -> set[str]:
    """What `#...` may name on a page, as GitHub makes it."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found}
