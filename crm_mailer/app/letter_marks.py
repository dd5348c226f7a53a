"""A letter as it is read: quoted parts apart from the writer's own, telling words marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from crm_mailer.model.reply import Evidence

#: Longer letters are shown up to here: nobody reads on.
LONGEST = 60_000
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Letters that stand together; `marks` are the places, from 1, of what they are evidence of."""

    text: str
    marks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a letter: the writer's own words, or what was quoted."""

    is_quoted: bool
    runs: tuple[Run, ...]
    lines: int


def pieces(full: str, own: str, evidence: Sequence[Evidence]) -> tuple[Piece, ...]:
    """The letter in parts, in its own order.

    Args:
        full: all of it.
        own: the lines of it that the writer wrote, in the same order.
        evidence: whose words are marked in what is the writer's own.
    """
    full, own = full[:LONGEST].strip(), own[:LONGEST].strip()
    folded = _folded(full, own)
    if folded is None:
        folded = [(False, own), (True, full)] if own else [(False, full)]
    return tuple(
        Piece(
            is_quoted=is_quoted,
            runs=(Run(text=text),) if is_quoted else marked(text, evidence),
            lines=text.count("\n") + 1,
        )
        for is_quoted, text in folded
        if text
    )


def marked(text: str, evidence: Sequence[Evidence]) -> tuple[Run, ...]:
    """The text cut where words begin or end that are evidence of something."""
    spans = [
        (match.start(), match.end(), place)
        for place, one in enumerate(evidence, start=1)
        if (match := _find(one.words, text)) is not None
    ]
    cuts = sorted({0, len(text), *(cut for start, end, _place in spans for cut in (start, end))})
    return tuple(
        Run(
            text=text[start:end],
            marks=tuple(place for low, high, place in spans if low <= start and end <= high),
        )
        for start, end in pairwise(cuts)
    )


def _find(words: str, text: str) -> re.Match[str] | None:
    """Where evidence was found: its blanks may have been line ends."""
    parts = words.split()
    if not parts:
        return None
    return re.search(r"\s+".join(map(re.escape, parts)), text)


def _folded(full: str, own: str) -> list[tuple[bool, str]] | None:
    """Runs of lines, told apart by whether `own` has them; None where they do not fit together."""
    wanted = [line.strip() for line in _LINE_END.split(own) if line.strip()]
    lines = _LINE_END.split(full.replace("\xa0", " "))
    place, is_own = 0, []
    for line in lines:
        is_next = place < len(wanted) and _is(line.strip(), wanted[place])
        is_own.append(is_next)
        place += is_next
    if place < len(wanted) or not wanted:
        return None
    return list(_runs(lines, is_own))


def _is(line: str, wanted: str) -> bool:
    """Whether a line is the writer's; a header of the quote may share it."""
    return line == wanted or (len(wanted) > 8 and line.startswith(wanted))


def _runs(lines: Sequence[str], is_own: Sequence[bool]) -> Iterator[tuple[bool, str]]:
    """Lines of one sort together; an empty line goes with what is above it."""
    kept: list[str] = []
    is_quoted = False
    for line, own in zip(lines, is_own, strict=True):
        if line.strip() and own == is_quoted:
            yield from _run(is_quoted, kept)
            kept, is_quoted = [], not own
        kept.append(line)
    yield from _run(is_quoted, kept)


def _run(is_quoted: bool, lines: Iterable[str]) -> Iterator[tuple[bool, str]]:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield is_quoted, text
