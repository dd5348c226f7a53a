from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_mailer.definitions.words_reader import read_reasons, read_words
from crm_mailer.listening.complaints import understand
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.reply import REASONS, Intent, Severity, adopt_reasons

OWN = """\
language: en
reasons:
  shop.smell: {severity: P1, text: smells of petrol}
signs:
  shop.smell:
    sure: ["smells of (petrol|diesel)"]
remove:
  nad.quality: [smells of lavender]
"""


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    adopt_reasons({})


def told(folder: Path, text: str) -> str:
    (folder / "complaints.en.yaml").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        read_words(folder)
    return str(caught.value)


def test_a_shop_has_reasons_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "complaints.en.yaml").write_text(OWN)

    said = understand("The rug smells of petrol", read_words(tmp_path))

    assert said.reasons[0] == "shop.smell"
    assert said.severity is Severity.P1


def test_a_shop_takes_a_phrase_away(tmp_path: Path) -> None:
    text = "The soap smells of lavender"
    assert understand(text, read_words()).intent is Intent.COMPLAINT

    (tmp_path / "complaints.en.yaml").write_text(OWN)

    assert understand(text, read_words(tmp_path)).intent is not Intent.COMPLAINT


def test_own_reasons_are_known_wherever_reasons_are_until_another_shop_comes(
    tmp_path: Path,
) -> None:
    (tmp_path / "complaints.en.yaml").write_text(OWN)

    adopt_reasons(read_reasons(tmp_path))
    assert REASONS["shop.smell"] == (Severity.P1, "smells of petrol")

    adopt_reasons(read_reasons(tmp_path / "nothing"))
    assert "shop.smell" not in REASONS
    assert "nad.quality" in REASONS


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("language: en\nsigns:\n  nad.qualty:\n    sure: [x]\n", "complaints.en.yaml:3:3"),
        ("language: en\nremove:\n  nad.qualty: [x]\n", "complaints.en.yaml:3:3"),
        ("language: en\nreasons:\n  a.b: {severity: P9, text: x}\n", "complaints.en.yaml:3:19"),
        ("language: en\nreasons:\n  safety: {severity: P2, text: x}\n", "complaints.en.yaml:3"),
        ("language: en\nreasons:\n  Bad Code: {severity: P2, text: x}\n", "complaints.en.yaml:3"),
        ("language: en\nsings: {}\n", "complaints.en.yaml:2:1"),
        ("language: en\nsigns:\n  safety:\n    sure: ['(a|b']\n", "complaints.en.yaml:4"),
        ("language: en\nsigns:\n  safety:\n    sure: ['(a|b?) c']\n", "complaints.en.yaml:4:12"),
        ("language: en\nsigns:\n  safety:\n    sure: [x, '<y> z']\n", "complaints.en.yaml:4:15"),
    ],
)
def test_faults_are_told_at_their_place(tmp_path: Path, text: str, place: str) -> None:
    assert place in told(tmp_path, text)


def test_a_misspelt_code_is_put_right(tmp_path: Path) -> None:
    said = told(tmp_path, "language: en\nsigns:\n  nad.qualty:\n    sure: [x]\n")

    assert "did you mean `nad.quality`?" in said
