from __future__ import annotations

import pytest

from crm_mailer.definitions.campaign_edit import with_mode
from crm_mailer.definitions.files import parse_yaml
from crm_mailer.model.campaign import Mode
from crm_mailer.model.errors import DefinitionError, NotPossible
from tests.studio.campaign_files import shipped

HEAD = "id: a\nname: A\n"


@pytest.mark.parametrize(
    ("written", "changed"),
    [
        ("mode: draft\n", "mode: live\n"),
        ("mode: draft          # a note\n", "mode: live           # a note\n"),
        ("mode: draft # a note\n", "mode: live  # a note\n"),
        ('mode: "draft"  # x\n', 'mode: "live"   # x\n'),
        ("mode: 'draft'\r\n", "mode: 'live'\r\n"),
        ("mode:   draft", "mode:   live"),
    ],
    ids=["plain", "note", "near note", "quoted", "windows", "no line end"],
)
def test_only_the_word_changes(written: str, changed: str) -> None:
    rest = "# mode: draft is the first\nvars: {mode: draft}\n"
    assert with_mode(HEAD + rest + written, Mode.LIVE) == HEAD + rest + changed


def test_a_longer_word_keeps_a_blank_before_the_note() -> None:
    assert with_mode(f"{HEAD}mode: live # x\n", Mode.MANUAL) == f"{HEAD}mode: manual # x\n"


def test_a_file_without_a_mode_gets_one_below_what_it_is() -> None:
    changed = with_mode("id: a\nname: A # who\nstream: marketing\nvars: {}\n", Mode.MANUAL)
    assert changed == "id: a\nname: A # who\nstream: marketing\nmode: manual\nvars: {}\n"


def test_a_file_that_ends_without_a_line_end_gets_one() -> None:
    assert with_mode("id: a\nname: A", Mode.LIVE) == "id: a\nname: A\nmode: live"


def test_a_mark_of_the_encoding_stays() -> None:
    assert with_mode(f"\ufeff{HEAD}mode: draft\n", Mode.LIVE) == f"\ufeff{HEAD}mode: live\n"


@pytest.mark.parametrize(
    "text",
    [
        "{id: a, name: A, mode: draft}\n",
        "id: a\nmode: draft\ntext: |\n  more\n\nmode2: x\nmode: live\n",
        "id: a\n? mode\n: draft\n",
        "# nothing\n",
        "name: >\n  folded\n  text\n",
    ],
    ids=["one line", "twice", "two lines", "nothing", "folded name"],
)
def test_what_only_a_person_should_change_is_refused(text: str) -> None:
    with pytest.raises((NotPossible, DefinitionError)):
        with_mode(text, Mode.LIVE)


@pytest.mark.parametrize("mode", list(Mode), ids=str)
def test_every_shipped_campaign_can_be_switched_and_back(mode: Mode) -> None:
    for text in shipped():
        changed = with_mode(text, mode)
        assert parse_yaml(changed, "").words()["mode"] == mode.value
        assert changed.count("#") == text.count("#")
        assert with_mode(changed, Mode.DRAFT).split() == text.split()
