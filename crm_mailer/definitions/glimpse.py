"""The names in a shop's files, found by their look alone: for a shell that completes a word.

Reading the files properly takes longer than a person waits for the Tab key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

#: More of a file than holds its id; nobody waits for a huge one.
ENOUGH = 64_000
_ID = re.compile(r"^id:[ \t]*[\"']?([\w.-]+)", re.MULTILINE)
_NAME = re.compile(r"^name:[ \t]*(\S[^\n#]*)", re.MULTILINE)
_LISTED_ID = re.compile(r"^\s*-\s+id:[ \t]*([\w.-]+)", re.MULTILINE)
_KEY = re.compile(r"^  ([\w.-]+):", re.MULTILINE)


def campaigns(home: Path) -> dict[str, str]:
    """Ids of campaigns, and what people call them."""
    return campaigns_in(home / "campaigns")


def campaigns_in(folder: Path) -> dict[str, str]:
    """The same of a folder of campaigns."""
    return _own(path for path in folder.rglob("*.yaml") if folder / "segments" != path.parent)


def segments(home: Path) -> dict[str, str]:
    """Ids of segments, and what people call them."""
    return _own((home / "campaigns" / "segments").glob("*.yaml"))


def templates(home: Path) -> dict[str, str]:
    """Templates as campaigns name them, and the languages of each."""
    found: dict[str, str] = {}
    for path in sorted((home / "templates").glob("*/*.*.mjml")):
        name, language, _end = path.name.rsplit(".", 2)
        name = f"{path.parent.name}/{name}"
        found[name] = f"{found[name]}, {language}" if name in found else language
    return found


def languages(home: Path) -> dict[str, str]:
    """The languages in which there are templates."""
    return dict.fromkeys(sorted({path.name.split(".")[-2] for path in _mjml(home)}), "")


def benefits(home: Path) -> dict[str, str]:
    """Ids of benefits."""
    return dict.fromkeys(_LISTED_ID.findall(_text(home / "campaigns" / "benefits.yaml")), "")


def curves(home: Path) -> dict[str, str]:
    """Names of memory curves."""
    return _keys(home / "campaigns" / "curves.yaml", "curves:")


def profiles(home: Path) -> dict[str, str]:
    """Names of profiles of marks."""
    return _keys(home / "campaigns" / "rfm.yaml", "profiles:")


def _own(paths: Iterator[Path]) -> dict[str, str]:
    """Id and name of the one thing that each file is about."""
    found = {}
    for text in map(_text, sorted(paths)):
        id_, name = _ID.search(text), _NAME.search(text)
        if id_ is not None:
            found[id_[1]] = name[1].strip().strip("'\"") if name else ""
    return found


def _keys(path: Path, above: str) -> dict[str, str]:
    return dict.fromkeys(_KEY.findall(_text(path).partition(f"\n{above}")[2]), "")


def _mjml(home: Path) -> Iterator[Path]:
    return (home / "templates").glob("*/*.*.mjml")


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(ENOUGH)
    except OSError:
        return ""  # a shell says nothing of what it cannot complete
