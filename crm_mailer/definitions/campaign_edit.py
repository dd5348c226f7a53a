"""Changes one word of a campaign's file and leaves every other letter of it alone."""

from __future__ import annotations

import re

from crm_mailer.definitions.files import Node, parse_yaml
from crm_mailer.model.campaign import Mode
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence

#: The line of the mode as people write it: the key, the word, blanks, a comment.
_MODE = re.compile(
    r"^(?P<key>mode[ \t]*:[ \t]*)(?P<quote>[\"']?)(?P<word>[a-z]+)(?P=quote)"
    r"(?P<blanks>[ \t]*)(?P<comment>#[^\r\n]*)?(?=\r?$)",
    re.MULTILINE,
)
#: Below which of these lines a mode is put where the file has none, the first that is there.
_ABOVE = ("stream", "kind", "name", "id")


def with_mode(text: str, mode: Mode) -> str:
    """The campaign file's text with another mode.

    Comments stay, also where they stand beside each other, and so do quotes and line ends.

    Raises:
        DefinitionError: the text is no YAML.
        NotPossible: the file is written in a way that only a person should change.
    """
    before = _read(text)
    changed = _replaced(text, mode) if before.get("mode") else _inserted(text, before, mode)
    if changed is None or not _differs_in_mode_only(before, _read(changed), mode):
        raise NotPossible(
            "the mode of this file cannot be changed from here",
            hint=Sentence("write the line `mode: {mode}` into it yourself", mode=mode.value),
        )
    return changed


def _read(text: str) -> Node:
    return parse_yaml(text.removeprefix("\ufeff"), "")


def _replaced(text: str, mode: Mode) -> str | None:
    found = list(_MODE.finditer(text))
    if len(found) != 1:
        return None
    line = found[0]
    word = f"{line['quote']}{mode.value}{line['quote']}"
    room = len(line["quote"]) * 2 + len(line["word"]) + len(line["blanks"])
    blanks = max(1, room - len(word)) if line["comment"] else 0
    said = f"{line['key']}{word}{' ' * blanks}{line['comment'] or ''}"
    return text[: line.start()] + said + text[line.end() :]


def _inserted(text: str, node: Node, mode: Mode) -> str | None:
    above = next((key for key in _ABOVE if key in node.entries), None)
    if above is None:
        return None
    lines = text.splitlines(keepends=True)
    place = node.entries[above].place.line
    if place > len(lines):
        return None
    line = lines[place - 1]
    end = line[len(line.rstrip("\r\n")) :]
    if not end:
        lines[place - 1] = f"{line}\n"
    lines.insert(place, f"mode: {mode.value}{end}")
    return "".join(lines)


def _differs_in_mode_only(before: Node, after: Node, mode: Mode) -> bool:
    then, now = before.words(), after.words()
    return now.pop("mode", None) == mode.value and {**then, "mode": ""} == {**now, "mode": ""}
