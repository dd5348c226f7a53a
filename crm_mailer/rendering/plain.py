"""Makes the text part: compiled HTML becomes a text template once, and is rendered like it."""

from __future__ import annotations

import re
from functools import lru_cache

from crm_mailer.model import language
from crm_mailer.rendering.masking import Masked
from crm_mailer.rendering.quick_html import QuickParser

#: Elements that end a line, and those that leave an empty one.
LINES = frozenset("div tr dt dd caption center".split())
PARAGRAPHS = frozenset("p h1 h2 h3 h4 h5 h6 ul ol table blockquote hr pre section article".split())
SILENT = frozenset("head style script title noscript".split())
HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
#: A no-break space before a sign, as French writes it, is no mere padding.
BLANKS = re.compile(r"(?:[ \t]|\xa0(?![:;!?»]))+")
#: What stands between a label and what it labels, where that is not a colon and a blank.
COLONS = {"fr": "\xa0: ", "zh": "：", "ja": "："}
#: After one of these a label needs no colon; the wide ones bring their own room.
ENDS, WIDE = ":.?!：。？！", "：。？！"
#: Statements that open and close; a stretch that holds as many of both may be left out whole.
OPENS = frozenset("if for with".split())
CLOSES = frozenset("endif endfor endwith".split())
MIDDLES = frozenset("else elif".split())
BRACES = re.compile(r"\{(?=[{%#])")


def text_template(html: str, masked: Masked, code: str = "en") -> str:
    """The text in `html` (with words for Jinja tags), as a template that still has the words.

    Links become "label: address", with the colon of the language `code`; rows of a table become
    lines with ` | ` between their cells, or a colon after a heading of the row. Layout tables,
    styles, the hidden preheader and pictures leave nothing, except a picture's text in a link.
    """
    reader = _Reader(masked, COLONS.get(language.base(code), ": "))
    reader.feed(html)
    reader.close()
    return _laid_out(reader.text(), masked)


def tidy_rendered(text: str) -> str:
    """A rendered text part without trailing blanks and deserts of empty lines."""
    if "\n\n\n" in text or " \n" in text:
        text = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text))
    return text.strip("\n") + "\n"


class _Reader(QuickParser):
    """Walks through the HTML and writes down what a reader without pictures needs."""

    def __init__(self, masked: Masked, colon: str) -> None:
        super().__init__()
        self.masked, self.colon = masked, colon
        self.parts: list[str] = []
        #: Open elements: name, and whether they are silent.
        self.stack: list[tuple[str, bool]] = []
        self.skipped: list[str] = []
        self.links: list[tuple[str, int]] = []
        self.tables: list[bool] = []
        self.cells = 0
        self.is_after_label = False

    @property
    def is_silent(self) -> bool:
        return bool(self.stack) and self.stack[-1][1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if self.is_silent:
            self.skipped += given.values()
        else:
            self.keep_statements(" ".join(v for k, v in given.items() if k not in ("href", "alt")))
            self.open(tag, given)
        if tag not in VOID:
            silent = self.is_silent or tag in SILENT or hides(given.get("style", ""))
            self.stack.append((tag, silent))

    def open(self, tag: str, given: dict[str, str]) -> None:
        if tag == "a":
            self.links.append((given.get("href", ""), len(self.parts)))
        elif tag == "img" and self.links:
            self.parts.append(_literal(given.get("alt", "")))
        elif tag == "table":
            is_layout = given.get("role") == "presentation"
            self.tables.append(is_layout)
            # MJML writes a section as a centred table.
            self.parts.append("\n" if is_layout and "align" not in given else "\n\n")
        elif tag == "tr":
            self.cells = 0
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.open_cell(is_label=given.get("scope") == "row")
        elif tag == "li":
            self.parts.append("\n- ")
        else:
            self.parts.append(_break(tag))

    def open_cell(self, *, is_label: bool) -> None:
        if self.tables and not self.tables[-1] and self.cells:
            self.parts.append(self.colon if self.is_after_label else " | ")
        self.is_after_label = is_label
        self.cells += 1

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack[-1][0] != tag:
            if tag not in (name for name, _silent in self.stack):
                return
            while self.stack[-1][0] != tag:
                self.stack.pop()
        _name, silent = self.stack.pop()
        if silent:
            if not self.is_silent:
                self.keep_statements(" ".join(self.skipped))
                self.skipped = []
            return
        if tag == "a" and self.links:
            self.close_link()
        if tag == "table" and self.tables:
            self.parts.append("\n" if self.tables.pop() else "\n\n")
        elif tag != "a":
            self.parts.append(_break(tag))

    def close_link(self) -> None:
        href, start = self.links.pop()
        label = BLANKS.sub(" ", "".join(self.parts[start:])).strip()
        href = href.strip()
        if not href or href.startswith("#"):
            return
        shown = href.removeprefix("mailto:").removeprefix("tel:")
        if label in (href, shown):
            return
        self.parts[start:] = [label, self.between(label), _literal(href)]

    def between(self, label: str) -> str:
        """What stands between a link's label and its address."""
        if not label or label[-1] in WIDE:
            return ""
        return " " if label[-1] in ENDS else self.colon

    def handle_data(self, data: str) -> None:
        if self.is_silent:
            self.skipped.append(data)
        else:
            self.parts.append(_literal(data.replace("\n", " ")))

    def handle_comment(self, data: str) -> None:
        if self.is_silent:
            self.skipped.append(data)
        else:
            self.keep_statements(data)

    def keep_statements(self, text: str) -> None:
        """Of a stretch that is left out, keep the statements unless they close among themselves."""
        if self.masked.prefix not in text:
            return
        words = list(self.masked.word.finditer(text))
        kinds = [self.masked.tags[int(word[1])].statement for word in words]
        if _closes_by_itself(kinds):
            return
        self.parts += [word[0] for word, kind in zip(words, kinds, strict=True) if kind]

    def text(self) -> str:
        return "".join(self.parts)


@lru_cache(4096)
def hides(style: str) -> bool:
    """Whether an element of this style is not shown."""
    return bool(HIDDEN.search(style))


def _closes_by_itself(kinds: list[str]) -> bool:
    """Whether the statements need nothing outside: `endif ... if`, or a lone `else`, do."""
    depth = 0
    for kind in kinds:
        depth += (kind in OPENS) - (kind in CLOSES)
        if depth < 0 or kind == "set" or (kind in MIDDLES and depth == 0):
            return False
    return depth == 0


def _break(tag: str) -> str:
    return "\n\n" if tag in PARAGRAPHS else "\n" if tag in LINES or tag == "br" else ""


def _literal(text: str) -> str:
    """Braces that come out of character references are text, not Jinja."""
    return BRACES.sub("{{ '{' }}", text)


def _laid_out(text: str, masked: Masked) -> str:
    """Single blanks, at most one empty line, and no line that holds statements only.

    Such statements move to the beginning of the next line with words, so that they leave nothing
    behind where they decide against it.
    """
    lines: list[str] = []
    waiting = ""
    for row in text.split("\n"):
        row = BLANKS.sub(" ", row).strip()
        statements, words = _split(row, masked)
        if words:
            lines.append(waiting + statements + words)
            waiting = ""
        elif statements:
            waiting += statements
        elif lines and lines[-1]:
            lines.append("")
    return "\n".join([*lines, waiting]).strip("\n") + "\n"


def _split(row: str, masked: Masked) -> tuple[str, str]:
    """The statements at the beginning of a line, and the rest of it."""
    statements, place = "", 0
    while match := masked.word.match(row, place):
        if not masked.tags[int(match[1])].statement:
            break
        statements += match[0]
        place = match.end()
        while row[place : place + 1] == " ":
            place += 1
    return statements, row[place:]
