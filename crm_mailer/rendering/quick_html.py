"""Python's HTML parser for many mails of one layout: a tag that was seen before is not read again.

Most tags of a mail are those of every other mail, with long styles that are slow to take apart.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser

#: A tag on whose attributes all parsers agree.
PLAIN = re.compile(r"<[a-zA-Z][\w:-]*(?:\s+[\w:-]+=\"[^\"]*\")*\s*/?>", re.ASCII)

Attributes = tuple[tuple[str, str | None], ...]


class QuickParser(HTMLParser):
    """The same parser, quicker."""

    _seen: str | None = None

    def get_starttag_text(self) -> str | None:
        """The last tag as it is written."""
        return super().get_starttag_text() if self._seen is None else self._seen

    def parse_starttag(self, i: int) -> int:
        """Read the tag at `i` of what was fed; where the rest begins."""
        match = PLAIN.match(self.rawdata, i)
        self._seen = match[0] if match else None
        if match is None:
            return super().parse_starttag(i)
        tag, given = _taken_apart(match[0])
        self.lasttag = tag
        if match[0].endswith("/>"):
            self.handle_startendtag(tag, list(given))
        else:
            self.handle_starttag(tag, list(given))
            if tag in self.CDATA_CONTENT_ELEMENTS:
                self.set_cdata_mode(tag)
        return match.end()


class PlacelessParser(QuickParser):
    """One that does not count lines, for who never asks where something stands."""

    def updatepos(self, i: int, j: int) -> int:
        """Pass over what was read."""
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
