from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crm_mailer.definitions import words_memory
from crm_mailer.definitions.words_memory import remembered_words
from crm_mailer.definitions.words_reader import SHIPPED, words_of
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.words import Words

OWN = """language: en
signs:
  nad.damaged:
    sure: [crumpled like a hat]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "words").mkdir()
    return tmp_path / "words"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / ".cache" / "words.json"


def asked_anew(folder: Path, memory: Path) -> Words:
    """As a new process asks."""
    words_memory._RECENT.clear()
    return remembered_words([folder], memory)


def phrases(words: Words) -> set[str]:
    return {sign.phrase for lexicon in words.lexicons for sign in lexicon.signs}


def test_what_is_remembered_is_what_was_read(folder: Path, memory: Path) -> None:
    (folder / "complaints.en.yaml").write_text(OWN)
    asked_anew(folder, memory)
    written = memory.stat().st_mtime_ns

    again = asked_anew(folder, memory)

    fresh = words_of([folder])
    assert dataclasses.astuple(again) == dataclasses.astuple(fresh)
    assert type(again.lexicons[0].signs[0]) is type(fresh.lexicons[0].signs[0])
    assert memory.stat().st_mtime_ns == written


def test_a_changed_file_is_read_anew(folder: Path, memory: Path) -> None:
    (folder / "wishes.yaml").write_text("lines: [leave me alone]\n")
    before = asked_anew(folder, memory)
    (folder / "complaints.en.yaml").write_text(OWN)

    after = remembered_words([folder], memory)

    assert phrases(after) - phrases(before) == {"crumpled like a hat"}
    (folder / "complaints.en.yaml").unlink()
    assert remembered_words([folder], memory) == before


@pytest.mark.parametrize("rest", [b"", b"{", b'{"version": 1}', b"\xff"])
def test_a_broken_memory_only_costs_time(folder: Path, memory: Path, rest: bytes) -> None:
    whole = asked_anew(folder, memory)
    key = memory.read_bytes().partition(b"\n")[0]
    memory.write_bytes(key + b"\n" + rest)

    assert asked_anew(folder, memory) == whole


def test_a_folder_that_cannot_be_written_only_costs_time(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert asked_anew(folder, tmp_path / "file" / "words.json") == words_of([folder])


def test_a_wrong_file_is_told_each_time(folder: Path, memory: Path) -> None:
    (folder / "complaints.en.yaml").write_text(OWN.replace("sure", "shure"))

    for _time in range(2):
        with pytest.raises(DefinitionError, match="shure"):
            remembered_words([folder], memory)


def test_the_lists_that_ship_are_remembered_whole(memory: Path) -> None:
    read = asked_anew(SHIPPED, memory)

    again = asked_anew(SHIPPED, memory)

    assert dataclasses.astuple(again) == dataclasses.astuple(read)
