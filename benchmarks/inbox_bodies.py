"""Whether the bodies of broken mails are read as their labels say, in each form of label."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from crm_mailer.listening import letters, plain
from crm_mailer.listening.letters import Letter

#: So many mails must say the same before the most common reading is held to be right.
AGREEING = 3

Labelled = tuple[dict[str, Any], Path, bytes]


def shares(found: Iterable[Labelled]) -> dict[str, float]:
    """The share of bodies and of subjects that are read as labelled."""
    mails = [(label, path, letters.read(raw)) for label, path, raw in found]
    bodies = [*_beside(mails), *_named(mails)]
    subjects = [
        _squeezed(said) == _squeezed(letter.subject)
        for label, _, letter in mails
        if (said := _told(label).get("headers", {}).get("Subject"))
    ]
    told = {"bodies": bodies, "subjects": subjects}
    return {name: round(sum(rights) / len(rights), 4) for name, rights in told.items() if rights}


def _beside(mails: Iterable[tuple[dict[str, Any], Path, Letter]]) -> Iterator[bool]:
    """Bodies that stand in a file beside the mail."""
    for label, path, letter in mails:
        for key, reader in (("expected_json", _in_json), ("expected_xml", _in_xml)):
            beside = path.parent / str(label.get(key, ""))
            if label.get(key) and beside.is_file():
                ours = [_squeezed(part.text) for part in letter.parts]
                for text in reader(beside):
                    yield _squeezed(text) in ours


def _in_json(path: Path) -> list[str]:
    told = json.loads(path.read_text("utf-8"))
    parts = told.get("parts", [])
    numbers = dict.fromkeys([*told.get("text_body", []), *told.get("html_body", [])])
    bodies = [parts[n].get("body") for n in numbers if isinstance(n, int) and n < len(parts)]
    texts = [body.get("Text", body.get("Html")) for body in bodies if isinstance(body, dict)]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _in_xml(path: Path) -> list[str]:
    try:
        root = ElementTree.fromstring(path.read_text("utf-8"))  # our own labels, not mail
    except ElementTree.ParseError:
        return []
    return [one.text for one in root.iter("text-body") if one.text and one.text.strip()]


def _named(mails: Iterable[tuple[dict[str, Any], Path, Letter]]) -> Iterator[bool]:
    """Bodies that are the text of a named file; where it is absent, mails must agree on it."""
    groups: dict[tuple[Path, str, str], list[str]] = defaultdict(list)
    for label, path, letter in mails:
        for kind in ("text", "html"):
            name = _told(label).get(kind)
            if isinstance(name, str):
                groups[path.parent, kind, name].append(_body(letter, kind))
    for (folder, _, name), bodies in groups.items():
        right = _right(folder / name, bodies)
        if right:
            yield from (right in body for body in bodies)


def _right(path: Path, bodies: list[str]) -> str:
    if path.is_file():
        return _squeezed(path.read_text("utf-8", "replace"))
    common, count = Counter(bodies).most_common(1)[0]
    return common if count >= AGREEING else ""


def _body(letter: Letter, kind: str) -> str:
    wanted = "text/html" if kind == "html" else "text/plain"
    text = next((p.text for p in letter.parts if p.kind == wanted and not p.is_attachment), "")
    return _squeezed(plain.from_html(text) if kind == "html" else text)


def _told(label: dict[str, Any]) -> dict[str, Any]:
    expected = label.get("expected")
    return expected if isinstance(expected, dict) else {}


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
