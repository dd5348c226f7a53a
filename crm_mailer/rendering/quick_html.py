"""Python's HTML parser for many mails of one layout: a tag that was seen before is not read again.

Most tags of a mail are those of every other mail, with long styles that are slow to take apart.
What all parsers read alike (texts, whole tags, plain comments) is read here in one go; from the
first other piece on, Python's parser reads the rest.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from html.parser import HTMLParser

#: A tag on whose attributes all parsers agree.
PLAIN = re.compile(r"<[a-zA-Z][\w:-]*(?:\s+[\w:-]+=\"[^\"]*\")*\s*/?>", re.ASCII)
#: One piece that every parser understands alike: a text before a tag, or what the group's name
#: says. The texts of a comment hold no two hyphens, on which parsers disagree.
PIECE = re.compile(
    rf"""(?P<text>[^<]+)(?=<) | (?P<open>{PLAIN.pattern})
    | <!(?P<decl>(?i:doctype)\ html)> | </(?P<close>[a-zA-Z][-.a-zA-Z0-9:_]*)\s*>
    | <!--(?P<comment>(?!-?>)[^-]*(?:-(?!-)[^-]*)*)-->""",
    re.ASCII | re.VERBOSE,
)
#: What follows a tag whose content is no HTML, to its end.
FOREIGN = re.compile(r"([^<]*)</([a-zA-Z]+)\s*>", re.ASCII)

Attributes = tuple[tuple[str, str | None], ...]


class QuickParser(HTMLParser):
    """The same parser, quicker. It is fed once; entities in texts are always resolved.

    It counts letters, not lines: `at` is where the piece begins that is being told of.
    """

    at = 0
    #: Where in the whole text Python's parser begins.
    _base = 0
    _seen: str | None = None

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def get_starttag_text(self) -> str | None:
        """The last tag as it is written."""
        return super().get_starttag_text() if self._seen is None else self._seen

    def feed(self, data: str) -> None:
        """Read the whole text but for its end, which `close` reads."""
        self.at = self._base = self._read_plain(data)
        super().feed(data[self._base :])
        self._base = len(data) - len(self.rawdata)

    def close(self) -> None:
        """Read the end."""
        self.at = self._base
        super().close()

    def _read_plain(self, data: str) -> int:
        """Read plain pieces; where the first one begins that is another."""
        done = 0
        while (piece := PIECE.match(data, done)) is not None:
            kind, self.at, done = piece.lastgroup, done, piece.end()
            if kind == "open":
                if self._open(piece[0]):
                    done = self._read_foreign(data, done)
                    if self.cdata_elem:
                        break
            elif kind == "text":
                self.handle_data(unescape(piece[0]))
            elif kind == "close":
                self.handle_endtag(piece["close"].lower())
            elif kind == "comment":
                self.handle_comment(piece["comment"])
            else:
                self.handle_decl(piece["decl"])
        return done

    def _open(self, text: str) -> bool:
        """Tell of a plain tag; whether what follows is not HTML."""
        self._seen = text
        self.lasttag, given = _taken_apart(text)
        if text.endswith("/>"):
            self.handle_startendtag(self.lasttag, list(given))
            return False
        self.handle_starttag(self.lasttag, list(given))
        if self.lasttag not in self.CDATA_CONTENT_ELEMENTS:
            return False
        self.set_cdata_mode(self.lasttag)
        return True

    def _read_foreign(self, data: str, done: int) -> int:
        """Read a style sheet or a script that begins at `done`, if it is plain; its end."""
        content = FOREIGN.match(data, done)
        if content is None or content[2].lower() != self.cdata_elem:
            return done
        if content[1]:
            self.at = done
            self.handle_data(content[1])
        self.at = content.end(1)
        self.handle_endtag(content[2].lower())
        self.clear_cdata_mode()
        return content.end()

    def parse_starttag(self, i: int) -> int:
        """Read the tag at `i` of what was fed; where the rest begins."""
        match = PLAIN.match(self.rawdata, i)
        self._seen = None
        if match is None:
            return super().parse_starttag(i)
        self._open(match[0])
        return match.end()

    def updatepos(self, i: int, j: int) -> int:
        """Note how far was read."""
        self.at = self._base + j
        return j


class _Recorder(HTMLParser):
    found: tuple[str, Attributes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found = tag, tuple(attrs)


@lru_cache(8192)
def _taken_apart(text: str) -> tuple[str, Attributes]:
    recorder = _Recorder()
    recorder.feed(text)
    return recorder.found
