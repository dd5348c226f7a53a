"""HTML to plain text, with quoted blocks marked by `>` as mail programs do in plain text."""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser

from crm_mailer.listening.guards import Guarded

#: Longer HTML is cut: answers are short, and hostile HTML costs time by its length.
HTML_LENGTH = 256 * 1024
TAGS = 20_000

#: Stands where a mail program begins the mail that is answered.
REST_IS_QUOTED = "-----Original Message-----"

_LINE_TAGS = {
    *("p", "div", "br", "tr", "li", "ul", "ol", "table", "hr", "pre", "blockquote"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "section", "article"),
}
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote"}
_SILENT = {"script", "style", "head", "title", "template"}
_VOID = {
    *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"),
    *("track", "wbr"),
}
#: Class, id or name of the element from which on everything is the answered mail.
_REST_NAMES = (
    r"divrplyfwdmsg|olk_src_body_section|outlookmessageheader|yahoo_quoted|replyforwardcontainer|"
    r"appendonsend|zwchr|isforwardcontent|ms-outlook-mobile-reference-message|messagereplysection|"
    r"mail-editor-reference-message-container"
)
_REST = re.compile(_REST_NAMES, re.IGNORECASE)
_QUOTE_NAMES = (
    r"protonmail_quote|tutanota_quote|mailru-?blockquote|zmail_extra|ntes-mailmaster-quote|"
    r"mail-quote-collapse"
)
_QUOTE = re.compile(_QUOTE_NAMES, re.IGNORECASE)
_PREFIX = re.compile(r"gmail_attr|moz-cite-prefix|gmail_extra_attr", re.IGNORECASE)
_SIGNATURE = re.compile(
    r"gmail_signature$|gmail_signature\s|moz-signature|ms-outlook-signature|(?:^|\s|x_)signature$|"
    r"applemailsignature|protonmail_signature_block(?:\s|$)",
    re.IGNORECASE,
)
#: The line above the header block of Outlook, as it writes it and as browsers write it again.
_OUTLOOK_STYLE = (
    r"border:\s*none;\s*border-top:\s*solid\s+(?:#[0-9a-f]{3,6}|\w+)\s+1(?:\.0)?pt|"
    r"border-style:\s*solid\s+none\s+none"
)
_OUTLOOK_LINE = re.compile(_OUTLOOK_STYLE, re.IGNORECASE)
_SIGNS = Guarded(re.compile(
    rf"<blockquote|gmail_quote|moz-cite|OLK_SRC|原始邮件|{_REST_NAMES}|{_QUOTE_NAMES}|"
    rf"{_OUTLOOK_STYLE}",
    re.IGNORECASE,
), (
    "<blockquote", "gmail_quote", "moz-cite", "olk_src", "原始邮件", "border-top", "border-style",
    *_REST_NAMES.split("|"), *_QUOTE_NAMES.replace("-?", "|").split("|"),
))  # fmt: skip


_BLANKS = re.compile(r"[ \t\r\n\f]+")
_SPACES = re.compile(r" {2,}")
_BLANK_LINES = re.compile(r"\n{3,}")


def has_quotes(html: str) -> bool:
    """Whether the HTML marks what it quotes: then it tells more than the plain text beside it."""
    return _SIGNS.search(html[:HTML_LENGTH]) is not None


@lru_cache(maxsize=8)
def from_html(html: str) -> str:
    """The text that a reader sees; never raises. One mail's is asked for many times in a row."""
    cut = _without_comments(html[:HTML_LENGTH])
    if cut.count("<") > TAGS:
        cut = "<".join(cut.split("<", TAGS)[:TAGS])
    reader = _Reader()
    try:
        reader.feed(cut)
        reader.close()
    except (AssertionError, ValueError, RecursionError):  # hostile declarations
        return " ".join(re.sub(r"<[^>]{0,2000}>", " ", cut).split())
    return reader.text()


def _without_comments(html: str) -> str:
    """Comments and declarations out, in one pass: the parser takes quadratic time over them."""
    pieces, place = [], 0
    while (start := html.find("<!", place)) >= 0:
        pieces.append(html[place:start])
        ending = "-->" if html.startswith("<!--", start) else ">"
        end = html.find(ending, start)
        if end < 0:
            return "".join(pieces)
        place = end + len(ending)
    return "".join([*pieces, html[place:]])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.line: list[str] = []
        #: Open elements, and what each does: "", "quote", "silent".
        self.open: list[str] = []
        self.effects: list[str] = []
        self.quotes = 0
        self.silent = 0
        self.is_rest = False

    def updatepos(self, i: int, j: int) -> int:
        """Nobody asks for lines."""
        return j

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _LINE_TAGS:
            self._end_line(blank=tag in _PARAGRAPHS)
        told = " ".join(value or "" for name, value in attrs if name in ("class", "id", "name"))
        style = next((value or "" for name, value in attrs if name == "style"), "")
        if not self.is_rest and (_REST.search(told) or _OUTLOOK_LINE.search(style)):
            self.is_rest = True
            self._end_line()
            self.lines.append(REST_IS_QUOTED)
        elif told and _SIGNATURE.search(told):
            self._end_line()
            self.lines.append("-- ")
        if tag in _VOID:
            return
        effect = self._effect(tag, told)
        self.open.append(tag)
        self.effects.append(effect)
        self.quotes += effect == "quote"
        self.silent += effect == "silent"

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.open[-60:]:
            return
        if tag in _LINE_TAGS:
            self._end_line(blank=tag in _PARAGRAPHS)
        while self.open:
            name, effect = self.open.pop(), self.effects.pop()
            self.quotes -= effect == "quote"
            self.silent -= effect == "silent"
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self.silent:
            return
        if "pre" in self.open[-8:]:
            for number, piece in enumerate(data.split("\n")):
                if number:
                    self._end_line(keep=True)
                self.line.append(piece)
        else:
            self.line.append(_BLANKS.sub(" ", data))

    def text(self) -> str:
        self._end_line()
        return _BLANK_LINES.sub("\n\n", "\n".join(self.lines)).strip("\n")

    def _effect(self, tag: str, told: str) -> str:
        if tag in _SILENT:
            return "silent"
        if tag == "blockquote" or _QUOTE.search(told) or _PREFIX.search(told):
            return "quote"
        return ""

    def _end_line(self, *, blank: bool = False, keep: bool = False) -> None:
        text = "".join(self.line).replace("\xa0", " ").replace("\u200b", "")
        text = text if keep else _SPACES.sub(" ", text).strip()
        mark = "> " if self.quotes else ""
        if text.strip():
            self.lines.append(mark + text)
        elif keep or (blank and self.lines and self.lines[-1].strip("> ")):
            self.lines.append(mark.strip())
        self.line = []
