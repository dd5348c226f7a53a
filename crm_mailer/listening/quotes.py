"""What the writer wrote in this mail, without what it answers; the whole is kept elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crm_mailer.listening import quote_marks, signatures

#: Answers are short: what comes after so many lines is not looked at.
LINES = 5_000
#: Longer lines are no prose: they are kept and not looked into.
LINE_LENGTH = 2_000
#: A doubtful cut must leave this share of what is not marked as quoted.
LEAST = 0.1

_QUOTED = re.compile(r"\s{0,3}(?:>|\|>|&gt;)")
_WORD = re.compile(r"\w")
_BLANK_LINES = re.compile(r"\n{3,}")
_LINE_END = re.compile(r"\r\n|\r|\n")


def own_text(text: str) -> str:
    """The unquoted lines in order, signature off; the whole text where nothing would be left."""
    text = text.replace("\xa0", " ")
    lines = _LINE_END.split(text)[:LINES]
    runs, is_sure = _runs(lines)
    kept = "\n".join(_unsigned(runs)).strip()
    if not _WORD.search(kept):
        return _fallback(lines, text)
    if not is_sure and len(kept) < LEAST * _unmarked(lines):
        return _fallback(lines, text)
    return _BLANK_LINES.sub("\n\n", kept) if "\n\n\n" in kept else kept


def _unsigned(runs: Sequence[Sequence[str]]) -> list[str]:
    """Each run of lines without its signature; what stands below a quote may be nothing else."""
    kept: list[str] = []
    for run in runs:
        has_text = any(_WORD.search(text) for text in kept)
        kept.append("\n".join(signatures.without(run, has_text_above=has_text)).rstrip())
    return kept


def _fallback(lines: Sequence[str], text: str) -> str:
    """Nothing of the writer's own was found: better too much than nothing."""
    unquoted = "\n".join(line for line in lines if not _QUOTED.match(line)).strip()
    return unquoted if _WORD.search(unquoted) else text.strip()


def _unmarked(lines: Sequence[str]) -> int:
    return sum(len(line.strip()) for line in lines if not _QUOTED.match(line))


def _runs(lines: Sequence[str]) -> tuple[list[list[str]], bool]:
    """The writer's lines, a new run after each quote, and whether the cut is beyond doubt."""
    wrote = quote_marks.wrote([line if len(line) < LINE_LENGTH else "" for line in lines])
    runs: list[list[str]] = [[]]
    place, is_sure = 0, True
    while place < len(lines):
        if _QUOTED.match(lines[place]) or _is_torn_quote(lines, place):
            place += 1
            runs += [[]] if runs[-1] else []
        elif length := _rest_begins(lines, place):
            if _says_something(runs):
                break
            place += length
        elif mark := wrote.get(place):
            place += mark.length
            if not _quote_follows(lines, place) and _says_something(runs):
                is_sure = mark.is_sure
                break
            runs.append([])
        else:
            runs[-1].append(_before_header(lines, place))
            place += 1
    return runs, is_sure


def _rest_begins(lines: Sequence[str], place: int) -> int:
    """How many lines announce an answered mail that runs to the end; 0 where none begins.

    Where nothing stands above it, it is a forward or an answer below: what follows is kept.
    """
    line = lines[place]
    if len(line) > LINE_LENGTH or not line.strip():
        return 0
    if quote_marks.separator(line):
        below = _next_written(lines, place + 1)
        return below - place + quote_marks.header_block(lines, below)
    if quote_marks.rule(line):
        below = _next_written(lines, place + 1)
        block = quote_marks.header_block(lines, below)
        return below - place + block if block else 0
    return quote_marks.header_block(lines, place)


def _is_torn_quote(lines: Sequence[str], place: int) -> bool:
    """The rest of a quoted line that was too long for the program which marked it."""
    if place == 0 or place + 1 >= len(lines) or not lines[place].strip():
        return False
    above, below = lines[place - 1], lines[place + 1]
    begins_low = lines[place][:1].islower() or not lines[place][:1].isalnum()
    is_full = len(above) >= 60 or "://" in above[-60:]
    return bool(
        begins_low
        and is_full
        and len(lines[place]) < 40
        and not above.rstrip().endswith((".", "?", "!", ":"))
        and _QUOTED.match(above)
        and _QUOTED.match(below)
    )


def _before_header(lines: Sequence[str], place: int) -> str:
    """The line, without a header that shares it."""
    line = lines[place]
    if not line.rstrip().endswith((":", "：")) or len(line) > LINE_LENGTH:
        return line
    cut = quote_marks.shared_line(line)
    return line[:cut].rstrip() if cut > 0 and _quote_follows(lines, place + 1) else line


def _says_something(runs: Sequence[Sequence[str]]) -> bool:
    return any(_WORD.search(line) for run in runs for line in run)


def _quote_follows(lines: Sequence[str], place: int) -> bool:
    place = _next_written(lines, place)
    return place < len(lines) and _QUOTED.match(lines[place]) is not None


def _next_written(lines: Sequence[str], place: int) -> int:
    while place < len(lines) and not lines[place].strip():
        place += 1
    return place
