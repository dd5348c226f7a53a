"""Looks at a template's MJML before it is compiled: MJML itself drops what it does not know."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from crm_mailer.definitions.problems import Problem, Severity, did_you_mean, nearest
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.masking import FILLER, Masked
from crm_mailer.rendering.plain import VOID
from crm_mailer.rendering.quick_html import QuickParser
from crm_mailer.rendering.sources import Source

#: The compiler's stack ends near 2,000.
MAX_DEPTH = 60
EVERYWHERE = frozenset({"mj-class", "css-class"})
SCRIPTS = re.compile(r"^\s*(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
LINKS = frozenset("href src background-url action".split())
UNQUOTED = re.compile(r"\s[\w:-]+\s*=\s*[^\s\"'>]")
BETWEEN_QUOTES = re.compile(r"\"[^\"]*\"|'[^']*'")


@cache
def rules() -> dict[str, Any]:
    """Which tags MJML has, what stands in which, with which attributes."""
    found: dict[str, Any] = json.loads(
        Path(__file__).with_name("mjml_rules.json").read_text(encoding="utf-8")
    )
    return found


def lint(source: Source, masked: Masked) -> list[Problem]:
    """Every fault of the markup, with its place."""
    reader = _Linter(source, masked)
    reader.feed(masked.blanked)
    reader.finish()
    return reader.problems


class _Linter(QuickParser):
    CDATA_CONTENT_ELEMENTS = ()  # type: ignore[misc]

    def __init__(self, source: Source, masked: Masked) -> None:
        super().__init__()
        self.source = source
        #: Where a loop begins (+1) or ends (-1).
        self.loops = [
            (tag.position, 1 if tag.statement == "for" else -1)
            for tag in masked.tags
            if tag.statement in ("for", "endfor")
        ]
        self.problems: list[Problem] = []
        #: Open tags with their positions.
        self.stack: list[tuple[str, int]] = []
        self.seen: set[str] = set()
        #: Misspelt tag -> the one that is meant: it is told once, and what is in it is understood.
        self.meant: dict[str, str] = {}
        #: Where such a tag begins -> as it is written.
        self.written: dict[int, str] = {}
        self.is_too_deep = False

    @property
    def html_inside(self) -> bool:
        """Whether we stand inside an element whose content is plain HTML."""
        return any(tag in rules()["ending"] for tag, _position in self.stack)

    def _fault(
        self, code: str, message: str, *, help: str = "", width: int = 1, at: int | None = None,
        severity: Severity = Severity.ERROR,
    ) -> None:  # fmt: skip
        position = self.at if at is None else at
        self.problems.append(
            self.source.problem(code, message, position, help=help, width=width, severity=severity)
        )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened(tag, attrs)
        if tag not in VOID:
            if tag in self.meant:
                self.written[self.at] = tag
            self.stack.append((self.meant.get(tag, tag), self.at))
        if len(self.stack) > MAX_DEPTH and not self.is_too_deep:
            self.is_too_deep = True
            self._fault("CRM204", Sentence("tags are nested deeper than {most}", most=MAX_DEPTH))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened(tag, attrs)

    def opened(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        given = {key: value or "" for key, value in attrs}
        self.check_values(tag, given)
        if self.html_inside:
            self.check_html(tag, given)
        elif not any(name == "mj-attributes" for name, _position in self.stack):
            self.check_component(tag, given)

    def check_component(self, tag: str, given: dict[str, str]) -> None:
        known = rules()["attributes"]
        if tag != "mjml" and tag not in known:
            if near := nearest(tag, known):
                self.meant[tag] = near
            self._fault(
                "CRM205",
                Sentence("there is no MJML tag <{tag}>", tag=tag),
                width=len(tag) + 1,
                help=did_you_mean(tag, known)
                if tag.startswith("mj")
                else "plain HTML stands inside mj-text, mj-table or mj-raw",
            )
            return
        self.check_place(tag)
        for key in given:
            if '"' in key or "'" in key:
                self._fault(
                    "CRM206",
                    Sentence("a quotation mark is missing in <{tag}>", tag=tag),
                    width=len(tag) + 1,
                    help='each value stands between two: align="left"',
                )
                break
            if FILLER in key:
                self._fault(
                    "CRM206",
                    "Jinja may not stand around an attribute",
                    help='inside the quotes it works: color="{% if x %}red{% endif %}"',
                )
            elif tag != "mjml" and key not in known[tag] and key not in EVERYWHERE:
                self._fault(
                    "CRM206",
                    Sentence("<{tag}> has no attribute `{key}`", tag=tag, key=key),
                    width=len(tag) + 1,
                    help=did_you_mean(key, known[tag]),
                )
        if tag == "mj-image" and "alt" not in given:
            self._fault(
                "CRM230",
                "the picture has no alt text",
                width=len(tag) + 1,
                help='say what it shows, or alt="" where it is only an ornament',
            )
        if tag == "mj-style" and given.get("inline") == "inline":
            self._fault(
                "CRM207",
                "mj-style inline is not written into the tags",
                severity=Severity.WARNING,
                help="use attributes or mj-class",
            )

    def check_place(self, tag: str) -> None:
        if not self.stack:
            if tag != "mjml":
                self._fault(
                    "CRM205", Sentence("<{tag}> stands outside <mjml>", tag=tag), width=len(tag) + 1
                )
            return
        parent, position = self.stack[-1]
        # what may stand in a tag that nobody wrote is no question
        allowed = rules()["children"].get(parent) if position not in self.written else None
        if allowed is not None and tag not in allowed and "^.*^" not in allowed:
            self._fault(
                "CRM208",
                Sentence("<{tag}> may not stand in <{parent}>", tag=tag, parent=parent),
                width=len(tag) + 1,
                help=Sentence("allowed: {tags}", tags=", ".join(allowed))
                if allowed
                else "allowed: nothing",
            )

        if tag == "mj-column" and self.loops_between(self.stack[-1][1], self.at):
            self._fault(
                "CRM213",
                "a loop over columns gives them wrong widths",
                width=len(tag) + 1,
                help="loop over sections, or over the rows of an mj-table",
            )

    def loops_between(self, start: int, end: int) -> int:
        """How many loops that begin after `start` are still open at `end`."""
        return sum(turn for position, turn in self.loops if start < position < end)

    def check_html(self, tag: str, given: dict[str, str]) -> None:
        if tag == "img" and "alt" not in given:
            self._fault("CRM230", "the picture has no alt text", width=4)
        if tag in {"script", "iframe", "object", "embed", "form"}:
            self._fault(
                "CRM231", Sentence("<{tag}> does not work in mail", tag=tag), width=len(tag) + 1
            )

    def check_values(self, tag: str, given: dict[str, str]) -> None:
        for key, value in given.items():
            if key in LINKS and SCRIPTS.match(value):
                begin = value.strip().split(":")[0] + ":"
                inside = max(0, (self.get_starttag_text() or "").find(begin))
                self._fault(
                    "CRM232",
                    Sentence("a link may not begin with `{begin}`", begin=begin),
                    at=self.at + inside,
                    width=len(begin) if inside else 1,
                    help="link to a page: https://...",
                )
            if key.startswith("on") and tag not in rules()["attributes"]:
                self._fault("CRM231", Sentence("`{key}` does not work in mail", key=key))
        raw = self.get_starttag_text() or ""
        if FILLER in raw and UNQUOTED.search(BETWEEN_QUOTES.sub('""', raw)):
            self._fault("CRM209", "an attribute with Jinja needs quotes around its value")

    def handle_endtag(self, tag: str) -> None:
        tag = self.meant.get(tag, tag)
        names = [name for name, _position in self.stack]
        if names and names[-1] == tag:
            self.stack.pop()
        elif tag in names and (tag.startswith("mj") or not self.html_inside):
            name, position = self.stack[-1]
            if not self.html_inside or name.startswith("mj"):
                shown = self.written.get(position, name)
                self._fault(
                    "CRM211",
                    Sentence("<{tag}> is not closed before </{end}>", tag=shown, end=tag),
                    at=position,
                    width=len(shown) + 1,
                )
            while self.stack and self.stack.pop()[0] != tag:
                pass
        elif tag in names:
            while self.stack and self.stack.pop()[0] != tag:
                pass
        elif tag not in VOID and not self.html_inside:
            self._fault("CRM211", Sentence("</{tag}> closes nothing", tag=tag), width=len(tag) + 3)

    def finish(self) -> None:
        """What can be said only at the end."""
        self.close()
        if self.stack:
            name, position = self.stack[-1]
            shown = self.written.get(position, name)
            self._fault(
                "CRM211",
                Sentence("<{tag}> is never closed", tag=shown),
                at=position,
                width=len(shown) + 1,
            )
        for tag, code, remedy in (
            ("mjml", "CRM205", Sentence("a template begins with <mjml>")),
            ("mj-body", "CRM205", Sentence("the content stands in <mj-body>")),
            ("mj-title", "CRM233", Sentence("mj-title is the subject of the mail")),
        ):
            if tag not in self.seen:
                self._fault(
                    code, Sentence("the template has no <{tag}>", tag=tag), help=remedy, at=0
                )
