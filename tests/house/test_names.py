from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = sorted((ROOT / "crm_mailer").rglob("*.py"))


@pytest.mark.parametrize("name", ["campaigns", "templates", "migrations"])
def test_no_module_shares_its_name_with_a_folder_of_the_checkout(name: str) -> None:
    assert not [path for path in SOURCES if path.stem == name or path.parent.name == name]


@pytest.mark.parametrize("folder", ["campaigns", "templates"])
def test_marketers_folders_hold_no_python(folder: str) -> None:
    assert not list((ROOT / folder).rglob("*.py"))


def test_no_file_grows_beyond_400_lines_of_code() -> None:
    assert {p.name: n for p in SOURCES if (n := _code_lines(p)) > 400} == {}


def test_locked_requirements_name_no_registry() -> None:
    for path in ROOT.glob("requirements*.txt"):
        text = path.read_text()
        assert "://" not in text
        assert re.search(r"^sqlalchemy==", text, re.MULTILINE)


def test_every_locked_requirement_has_a_hash() -> None:
    for path in ROOT.glob("requirements*.txt"):
        for block in re.split(r"\n(?=\S)", path.read_text().strip()):
            assert "--hash=sha256:" in block, block


def _code_lines(path: Path) -> int:
    idle = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type in idle or token.type == tokenize.ENDMARKER:
            previous = token.type if token.type != tokenize.COMMENT else previous
            continue
        is_docstring = token.type == tokenize.STRING and previous in idle
        if not is_docstring:
            lines.update(range(token.start[0], token.end[0] + 1))
        previous = token.type
    return len(lines)
