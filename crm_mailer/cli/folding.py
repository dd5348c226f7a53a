"""Where a line may end: Chinese has no blanks between words and takes two places a letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from rich.cells import cell_len, chop_cells
from rich.containers import Lines
from rich.text import Text

#: What stays together: a word, or one Chinese letter with the marks that cling to it.
_PIECE = re.compile(
    r"\s*[（《“]*(?:[\u2e80-\u2fff\u3005-\u9fff\uf900-\ufaff]|[^\s\u2e80-\uffef（《“]+|\S)"
    r"[，。；：、！？）》”…,.;:!?)]*\s*"
)


class Words(Text):
    """A text that may break between two Chinese letters; rich takes a sentence for one word."""

    def wrap(self, console: Any, width: int, **how: Any) -> Lines:
        """Lines of at most `width` places."""
        if how.get("no_wrap") or self.cell_len == len(self.plain):
            return super().wrap(console, width, **how)
        lines = Lines()
        for line in self.split(allow_blank=True):
            parts = line.divide(breaks(line.plain, width))
            for part in parts:
                part.rstrip_end(width)
            if how.get("justify"):
                parts.justify(console, width, justify=how["justify"])
            lines.extend(parts)
        return lines


def fold(text: str, width: int) -> str:
    """Lines of at most `width` places, where all blanks count as one."""
    text = " ".join(text.split())
    ends = [0, *breaks(text, width), len(text)]
    return "\n".join(text[a:b].rstrip() for a, b in pairwise(ends))


def breaks(text: str, width: int) -> list[int]:
    """Before which letters a new line must begin."""
    places: list[int] = []
    start = end = 0
    for piece in _pieces(text, width):
        if end > start and cell_len(text[start:end] + piece.rstrip()) > width:
            places.append(end)
            start = end
        end += len(piece)
    return places


def _pieces(text: str, width: int) -> Iterator[str]:
    """All of a text in pieces of at most `width` places, blanks behind them not counted."""
    for piece in _PIECE.findall(text) or [text]:
        if cell_len(piece.rstrip()) > width:
            yield from chop_cells(piece, width)
        else:
            yield piece
