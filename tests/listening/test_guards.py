"""A guard may never keep a pattern from a text in which it would be found."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from pathlib import Path

import pytest

from crm_mailer import listening
from crm_mailer.listening.guards import Guarded
from crm_mailer.listening.phrases import compile_phrase, fold
from crm_mailer.model.words import Words
from tests.listening.test_corpora import every_file

HERE = Path(__file__).parent


def guards() -> dict[str, Guarded]:
    """Every guarded pattern of the room, by the place of its definition."""
    found = {}
    for module in pkgutil.walk_packages(listening.__path__, f"{listening.__name__}."):
        for name, value in vars(importlib.import_module(module.name)).items():
            told = value.items() if isinstance(value, dict) else [("", value)]
            for key, one in told:
                if isinstance(one, Guarded):
                    found[f"{module.name.rpartition('.')[2]}.{name}{key}"] = one
    return found


GUARDS = guards()


def every_other(texts: list[str], step: int) -> list[str]:
    """Some of the lines of texts, each once."""
    return list(dict.fromkeys(line[:300] for text in texts for line in text.splitlines()))[::step]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Lines that people and machines wrote."""
    return every_other(
        [path.read_text("utf-8") for path in sorted([*HERE.glob("*.txt"), *HERE.glob("*.yaml")])], 4
    )


@lru_cache(maxsize=1)
def mails_of(folder: Path) -> list[str]:
    """Lines of real mails."""
    raws = [path.read_bytes() for path in every_file(folder)]
    return every_other([raw.decode("utf-8", "replace") for raw in raws], 6)


def test_there_are_guards() -> None:
    assert len(GUARDS) > 10


@pytest.mark.shared
@pytest.mark.parametrize("name", sorted(GUARDS))
def test_a_guard_lets_through_whatever_its_pattern_finds(name: str, shared: Path) -> None:
    guard = GUARDS[name]
    mails = mails_of(shared / "corpora")

    held_back = [m for m in mails if not guard.may_be_in(m) and guard.pattern.search(m)]

    assert held_back == []


@pytest.mark.parametrize("name", sorted(GUARDS))
def test_what_a_pattern_says_in_capitals_passes_its_guard(name: str, lines: list[str]) -> None:
    guard = GUARDS[name]

    for line in lines:
        for said in (line, line.upper()):
            assert guard.may_be_in(said) or guard.pattern.search(said) is None, said


def test_a_phrase_is_found_where_its_pattern_finds_it(words: Words, lines: list[str]) -> None:
    written = [sign.phrase for sign in words.bounce_signs]
    written += [sign.phrase for sign in words.auto_signs]
    text = fold("\n".join(lines[::10]))[:4_000]
    found = []

    for phrase in map(compile_phrase, written[::3]):
        match, expected = phrase.find(text), phrase.pattern.search(text)
        assert (match and match.span()) == (expected and expected.span()), phrase.pattern.pattern
        found += [match] if match else []

    assert found
