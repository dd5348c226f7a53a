from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from crm_mailer.cli import show
from crm_mailer.cli.folding import Words, fold

SENTENCE = "预览计划：谁在何时收到什么，谁不收、为什么。见 `crm-mailer plan`（不写入数据）。"


@pytest.mark.parametrize("width", [8, 13, 20, 40, 78])
def test_no_line_is_wider_than_it_may_be_and_no_letter_is_lost(width: int) -> None:
    lines = fold(SENTENCE, width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert "".join(lines).replace(" ", "") == SENTENCE.replace(" ", "")


@pytest.mark.parametrize("width", range(8, 60))
def test_no_line_begins_with_a_mark_that_closes(width: int) -> None:
    assert [line for line in fold(SENTENCE, width).splitlines() if line[0] in "，。：、）"] == []


def test_words_of_other_languages_stay_whole() -> None:
    assert fold("The quick brown fox", 10).splitlines() == ["The quick", "brown fox"]


def test_a_word_that_is_too_long_is_cut() -> None:
    assert fold("邮箱 someone@example.com", 10).splitlines() == ["邮箱", "someone@ex", "ample.com"]


def test_a_printed_sentence_fills_its_lines() -> None:
    file = io.StringIO()
    show.print_(Console(file=file, width=20), Words("✗ 未能及时发出，已过有效期"))
    assert file.getvalue() == "✗ 未能及时发出，已过\n有效期\n"


def test_a_sentence_in_a_table_fills_its_lines() -> None:
    grid = Table.grid()
    grid.add_row(Words("✗ 未能及时发出，已过有效期"))
    file = io.StringIO()
    Console(file=file, width=20).print(grid)
    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        "✗ 未能及时发出，已过",
        "有效期",
    ]
