"""Reads the demo's word lists: text files of `[section]` headings and entries below them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"


@cache
def lines(name: str) -> dict[str, tuple[str, ...]]:
    """Each section of data/`name` with its lines."""
    return {head: tuple(line for line in body if line) for head, body in _split(name)}


@cache
def words(name: str) -> dict[str, tuple[str, ...]]:
    """Each section of data/`name` with its words, wherever the lines break."""
    return {head: tuple(" ".join(body).split()) for head, body in lines(name).items()}


@cache
def texts(name: str) -> dict[str, tuple[str, ...]]:
    """Each section of data/`name` with its texts, which lines of `--` divide."""
    return {
        head: tuple(text.strip() for text in "\n".join(body).split("\n--\n"))
        for head, body in _split(name)
    }


def _split(name: str) -> Iterator[tuple[str, list[str]]]:
    head, body = "", list[str]()
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            if head:
                yield head, body
            head, body = line[1:-1], []
        else:
            body.append(line)
    yield head, body
