"""Findings of templates that have not changed since the last look, so that a look is quick."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from crm_mailer import definitions
from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.sentence import pack, unpack
from crm_mailer.rendering.sources import Source

LIBRARIES = ("jinja2", "mjml-python", "markupsafe", "babel")


@cache
def fingerprint() -> str:
    """Changes whenever anything changes that findings follow from: our own rules, the libraries."""
    told = hashlib.sha256("".join(version(one) for one in LIBRARIES).encode())
    for folder in (Path(__file__).parent, Path(definitions.__file__).parent):
        for path in sorted(folder.glob("*.*")):
            if path.suffix in (".py", ".json", ".so"):
                told.update(path.read_bytes())
    return told.hexdigest()[:16]


class Findings:
    """What was found in each template, by all that it followed from.

    Args:
        file: where they outlive the process; None remembers nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._before = _read(file) if file else {}
        self._now: dict[str, list[dict[str, Any]]] = {}

    def key(self, source: Source, *more: object) -> str:
        """What the findings of a template follow from, as one word."""
        said = "\0".join([fingerprint(), source.text, repr(source.origins), *map(repr, more)])
        return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:32]

    def get(self, key: str) -> list[Problem] | None:
        """What was found then; None where nobody has looked."""
        rows = self._before.get(key)
        if rows is None:
            return None
        try:
            found = [
                Problem(**{**row, "severity": Severity(row["severity"]),
                           "message": unpack(row["message"]), "help": unpack(row["help"])})
                for row in rows
            ]  # fmt: skip
        except (TypeError, ValueError, KeyError):
            return None
        self._now[key] = rows
        return found

    def keep(self, key: str, problems: Sequence[Problem]) -> list[Problem]:
        """Remember what was found; returns it."""
        self._now[key] = [
            {**one.as_json(), "message": pack(one.message), "help": pack(one.help),
             "source": one.source}
            for one in problems
        ]  # fmt: skip
        return list(problems)

    def save(self) -> None:
        """Write what holds now; what is about files that are gone is forgotten."""
        if self.file is None or self._now.keys() == self._before.keys():
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part = self.file.with_suffix(".part")
            part.write_text(json.dumps(self._now), encoding="utf-8")
            part.replace(self.file)
        except OSError:  # a memory that cannot be written only costs time
            self.file = None


def _read(file: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
