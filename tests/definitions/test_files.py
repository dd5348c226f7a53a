from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crm_mailer.definitions.files import Node, Strict, parse_yaml, read_yaml, validate
from crm_mailer.model.errors import DefinitionError


class Step(Strict):
    id: str
    after: int = 1


class Shape(Strict):
    name: str
    countries: list[str] = []  # noqa: RUF012
    at: str = ""
    day: date | None = None
    steps: list[Step] = []  # noqa: RUF012


def faults(text: str) -> list[tuple[str, int, int]]:
    """Code, line and column of each fault in `text`."""
    with pytest.raises(DefinitionError) as caught:
        validate(parse_yaml(text, "f.yaml"), Shape)
    return [(one.code, one.line, one.column) for one in caught.value.problems]


def test_words_that_yaml_mistakes_stay_what_was_written() -> None:
    text = "name: on\ncountries: [NO, no, 0123, 1e3, null]\nat: 22:30\n"

    shape = validate(parse_yaml(text.replace(", null", ""), "f.yaml"), Shape)

    assert shape.countries == ["NO", "no", "0123", "1e3"]
    assert (shape.name, shape.at) == ("on", "22:30")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12", 12), ("-3", -3), ("0123", "0123"), ("1.50", 1.5), ("true", True), ("yes", "yes"),
        ("'12'", "12"), ("~", None), ("22:30", "22:30"), ("2026-11-20", "2026-11-20"),
        ("NO", "NO"), ("1_000", "1_000"), ("0x10", "0x10"), (".inf", ".inf"),
    ],
)  # fmt: skip
def test_free_values_follow_the_core_of_yaml(written: str, value: object) -> None:
    found = parse_yaml(f"x: {written}", "f.yaml").value()

    assert found == {"x": value}
    assert type(found["x"]) is type(value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: a\nname: b", ("CRM103", 2, 1)),
        ("name: &x a", ("CRM102", 1, 7)),
        ("a: 1\nb: *x", ("CRM102", 2, 4)),
        ("<<: {a: 1}", ("CRM102", 1, 1)),
        ("name: !!python/object x", ("CRM102", 1, 7)),
        ("name: a\n---\nname: b", ("CRM102", 2, 1)),
        ("[" * 10_000, ("CRM108", 1, 21)),
        ("name: a\n\tat: x", ("CRM101", 2, 1)),
        ("name: a: b", ("CRM101", 1, 8)),
        ('name: "a', ("CRM101", 1, 9)),
        ("name: a\x07", ("CRM102", 1, 8)),
        ('name: "a\\0b"', ("CRM102", 1, 7)),
        ("? [a]\n: 1", ("CRM102", 1, 3)),
        ("- a\n- b", ("CRM106", 1, 1)),
        ("", ("CRM105", 1, 1)),
        ("name: [a]", ("CRM106", 1, 7)),
        ("name: a\nsteps: 3", ("CRM106", 2, 8)),
        ("name: a\nday: 2026-02-30", ("CRM111", 2, 6)),
        ("name: a\nsteps:\n  - id: x\n    after: soon", ("CRM106", 4, 12)),
        ("name: a\nsteps:\n  - after: 1", ("CRM105", 3, 5)),
        ("name: a\nsteps:\n  - id: x\n    aftr: 1", ("CRM104", 4, 5)),
    ],
)
def test_each_fault_is_found_at_its_place(text: str, fault: tuple[str, int, int]) -> None:
    assert faults(text) == [fault]


def test_all_faults_of_a_file_are_told_at_once() -> None:
    text = "nmae: a\ncountries: NO\nsteps:\n  - id: x\n    after: soon\n"

    found = faults(text)

    # `name` is not told to be missing: it is there, misspelt
    assert [code for code, _line, _column in found] == ["CRM104", "CRM106", "CRM106"]


def test_a_key_that_is_missing_elsewhere_is_told_beside_a_misspelt_one() -> None:
    found = faults("name: a\nsteps:\n  - {ide: x, after: 1}\n  - {after: 2}\n")

    assert [(code, line) for code, line, _column in found] == [("CRM104", 3), ("CRM105", 4)]


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("id: x\nname:Tea\nkind: edm\n", "f.yaml:2:1", "a blank after the colon"),
        ("id: x\n  name: Tea\n", "f.yaml:2:7", "too far in"),
        ("id x\nname: Tea\n", "f.yaml:2:5", "the line above"),
        ("name: Tea: the best\n", "f.yaml:1:10", "into quotes"),
    ],
    ids=["no blank", "too far in", "no key above", "a colon"],
)
def test_a_slip_in_yaml_is_shown_where_it_is_with_its_remedy(
    text: str, place: str, remedy: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        parse_yaml(text, "f.yaml")

    [problem] = refused.value.problems
    assert problem.place == place
    assert remedy in problem.help


def test_a_misspelt_key_below_a_list_gets_a_remedy() -> None:
    with pytest.raises(DefinitionError, match="did you mean `after`\\?"):
        validate(parse_yaml("name: a\nsteps: [{id: x, aftr: 1}]", "f.yaml"), Shape)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"name: \xff\xfe", "is not UTF-8 text"),
        (b"# " + b"x" * 300_000, "is larger than 256 kB"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, content: bytes | None, what: str
) -> None:
    path = tmp_path / "f.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DefinitionError, match=what):
        read_yaml(path)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\r\nat: b\r\n")

    node = read_yaml(path)

    assert node.words() == {"name": "a", "at": "b"}
    assert node.at(("at",)).line == 2


def test_folded_text_reads_as_one_line() -> None:
    node = parse_yaml("note: >\n  one\n  two\n\n  three\n", "f.yaml")

    assert node.words() == {"note": "one two\nthree\n"}


def test_places_pass_over_steps_that_are_not_in_the_file() -> None:
    node: Node = parse_yaml("a:\n  - b: 1\n", "f.yaml")

    assert node.at(("a", "function-before", 0, "b")).column == 8
    assert node.at(("a", 0, "b"), key=True).column == 5
    assert node.at(("a", 9)).line == 2
