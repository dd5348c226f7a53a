from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.definitions.files import parse_yaml
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.rule_reader import read_rule
from crm_mailer.definitions.segment_reader import read_segments
from crm_mailer.model.order import OrderState
from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule, Segment
from crm_mailer.model.segment_blocks import Bounds, Contact, Listed, Move, Passage, Purchase
from crm_mailer.model.segment_fields import FIELDS, Operator
from crm_mailer.store import selection
from crm_mailer.store.bundled import bundled
from crm_mailer.store.engine import Store
from crm_mailer.store.selection import Look
from tests.segmenting.people import NOW, add_customer

EXAMPLE = """\
all:
  - r: {at_most: 3}
  - f: {at_least: 4}
  - country: {in: [RU, BY]}
  - not: {segment: company-buyers}
"""


def read(text: str, **options: Any) -> Rule:
    problems: list[Problem] = []
    rule = read_rule(parse_yaml(text, "rule.yaml"), problems, **options)
    assert not problems, problems[0].as_text()
    return rule


def faults(text: str, **options: Any) -> list[tuple[str, int, int, str, str]]:
    problems: list[Problem] = []
    read_rule(parse_yaml(text, "rule.yaml"), problems, **options)
    return [(one.code, one.line, one.column, one.message, one.help) for one in problems]


def test_a_rule_is_a_tree() -> None:
    assert read(EXAMPLE) == AllOf(
        (
            Compare("r", "at_most", 3),
            Compare("f", "at_least", 4),
            Compare("country", "in", ("RU", "BY")),
            Not(InSegment("company-buyers")),
        )
    )


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("country: RU", Compare("country", "is", "RU")),
        ("country: NO", Compare("country", "is", "NO")),
        ("country: [RU, BY]", Compare("country", "in", ("RU", "BY"))),
        ("r: 5", Compare("r", "is", 5)),
        ("r: 5\nf: 1", AllOf((Compare("r", "is", 5), Compare("f", "is", 1)))),
        (
            "age: {at_least: 18, below: 30}",
            AllOf((Compare("age", "at_least", 18), Compare("age", "below", 30))),
        ),
        ("spent_usd: {above: 99.90}", Compare("spent_usd", "above", Decimal("99.90"))),
        ("r: {between: [2, 3]}", Compare("r", "between", (2, 3))),
        ("is_flagged: false", Compare("is_flagged", "is", False)),
        ("gender: {known: true}", Compare("gender", "known", True)),
        ("gender: {known: false}", Not(Compare("gender", "known", True))),
        ("tag: [wholesale, опт]", Compare("tag", "in", ("wholesale", "опт"))),
        ('city: {contains: "моск"}', Compare("city", "contains", "моск")),
        ("segment: [a, b]", AnyOf((InSegment("a"), InSegment("b")))),
        (
            "bought: {category: Garden, within: 2w}",
            Compare("bought", "is", Purchase(category="Garden", within_days=14)),
        ),
        (
            "bought: {since: 2026-01-01, orders: {at_least: 2, below: 5}, spent_usd: {above: 99}}",
            Compare(
                "bought",
                "is",
                Purchase(
                    since=date(2026, 1, 1),
                    orders=Bounds(least=2, most=4),
                    spent_usd_cents=Bounds(least=9901),
                ),
            ),
        ),
        (
            "bought: {orders: {between: [2, 3]}}",
            Compare("bought", "is", Purchase(orders=Bounds(least=2, most=3))),
        ),
        ("bought: {pieces: 3}", Compare("bought", "is", Purchase(pieces=Bounds(least=3, most=3)))),
        ("replied: true", Compare("replied", "is", Contact())),
        ("mailed: false", Not(Compare("mailed", "is", Contact()))),
        (
            "replied: {campaign: spring, intent: praise, until: yesterday, times: {at_least: 2}}",
            Compare(
                "replied",
                "is",
                Contact(campaign="spring", intent="praise", until=1, times=Bounds(least=2)),
            ),
        ),
        (
            "rose: {mark: total, within: 4w, by: 2}",
            Compare("rose", "is", Move(mark="total", within_days=28, by=2)),
        ),
        (
            "entered: {segment: cooling, within: 7d}",
            Compare("entered", "is", Passage(segment="cooling", within_days=7)),
        ),
        (
            "left: {segment: cooling, since: 2026-01-01, until: yesterday}",
            Compare("left", "is", Passage(segment="cooling", since=date(2026, 1, 1), until=1)),
        ),
        ("known_since: 2026-02-28", Compare("known_since", "is", date(2026, 2, 28))),
        ("last_order_on: {before: 90d ago}", Compare("last_order_on", "before", 90)),
        (
            "last_order_on: {between: [8w ago, today]}",
            Compare("last_order_on", "between", (56, 0)),
        ),
        ("postcode: {begins_with: '19'}", Compare("postcode", "begins_with", "19")),
    ],
)
def test_short_forms(text: str, rule: Rule) -> None:
    assert read(text) == rule


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("all:\n  - r: 5\n  - r: {at_most: 2}", "CRM141"),
        ("country: [RU, BY]\nnot: {country: {in: [BY, RU]}}", "CRM141"),
        ("last_order_on: {since: 30d ago, before: 60d ago}", "CRM141"),
        ("any:\n  - r: {known: true}\n  - r: {unknown: true}", "CRM142"),
        ("any:\n  - is_flagged: true\n  - is_flagged: false", "CRM142"),
        ("bought: {orders: {at_least: 0}}", "CRM142"),
    ],
)
def test_a_rule_for_nobody_or_for_everybody_is_a_warning(text: str, code: str) -> None:
    problems: list[Problem] = []

    read_rule(parse_yaml(text, "rule.yaml"), problems)

    assert [(one.code, one.is_error) for one in problems] == [(code, False)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("contry: RU", ("CRM104", 1, 1, "unknown field `contry`", "did you mean `country`?")),
        (
            "all:\n  - f: {at_leest: 4}",
            ("CRM107", 2, 9, "`at_leest` is no comparison for `f`", "did you mean `at_least`?"),
        ),
        (
            "f: {'>=': 4}",
            ("CRM107", 1, 5, "`>=` is no comparison for `f`", "did you mean `at_least`?"),
        ),
        ("r: 6", ("CRM107", 1, 4, "`r` goes from 1 to 5, not `6`", "")),
        ("r: five", ("CRM106", 1, 4, "`r` is a whole number, not `five`", "")),
        (
            "r: 99999999999999999999",
            ("CRM107", 1, 4, "`r` goes from 1 to 5, not `99999999999999999999`", ""),
        ),
        (
            "gender: femal",
            ("CRM107", 1, 9, "`femal` is not known as `gender`", "did you mean `female`?"),
        ),
        (
            "country: Russia",
            ("CRM107", 1, 10, "`Russia` is not written as a country is", "such as RU"),
        ),
        ("is_flagged: yes", ("CRM106", 1, 13, "`is_flagged` is true or false, not `yes`", "")),
        (
            "tag: {is_not: vip}",
            (
                "CRM107",
                1,
                7,
                "`is_not` does not go with `tag`",
                "write `not: {tag: ...}`: a customer can have several",
            ),
        ),
        (
            "age: {between: [30, 20]}",
            (
                "CRM107",
                1,
                16,
                "`between` has its ends the wrong way round: [low, high]",
                "",
            ),
        ),
        ("age: {between: 20}", ("CRM106", 1, 16, "`between` needs two values: [low, high]", "")),
        (
            "spent_usd: $5",
            (
                "CRM106",
                1,
                12,
                "`spent_usd` is an amount in US dollars, not `$5`",
                "such as 250 or 99.50",
            ),
        ),
        ("any: []", ("CRM106", 1, 6, "`any` needs a list of rules", "one `- field: value` each")),
        ("r:", ("CRM106", 1, 3, "`r` needs one value here", "")),
        (
            "bought: {sku: A, within: soon}",
            ("CRM110", 1, 26, "`soon` is no duration", "such as 90d or 4w"),
        ),
        (
            "bought: {orders: many}",
            ("CRM106", 1, 18, "a whole number is needed here, not `many`", ""),
        ),
        (
            "bought: {orders: {at_lest: 2}}",
            ("CRM107", 1, 19, "`at_lest` is no comparison here", "did you mean `at_least`?"),
        ),
        (
            "bought: {orders: {at_least: 3, at_most: 2}}",
            ("CRM107", 1, 18, "no number is as this says", ""),
        ),
        (
            "last_order_on: {since: 2026-02-30}",
            ("CRM111", 1, 24, "there is no day 2026-02-30", ""),
        ),
        (
            "last_order_on: {since: last week}",
            ("CRM111", 1, 24, "`last week` is no day",
             "such as 2026-11-20, 30d ago, today, yesterday"),
        ),
        (
            "last_order_on: {between: [today, 30d ago]}",
            ("CRM107", 1, 26, "`between` has its ends the wrong way round: [low, high]", ""),
        ),
        (
            "last_order_on: {at_least: 2026-01-01}",
            ("CRM107", 1, 17, "`at_least` does not go with `last_order_on`",
             "known: after, before, between, is, known, since, unknown, until"),
        ),
        (
            "replied: {intent: prais}",
            ("CRM107", 1, 19, "`prais` is not known as `intent`", "did you mean `praise`?"),
        ),
        (
            "mailed: {intent: praise}",
            ("CRM104", 1, 10, "unknown key `intent` in `mailed`",
             "known: campaign, since, times, until, within"),
        ),
        (
            "rose: {mark: totl, within: 30d}",
            ("CRM107", 1, 14, "`totl` is not known as `mark`", "did you mean `total`?"),
        ),
        ("fell: {mark: r}", ("CRM105", 1, 7, "`within` is missing in `fell`", "")),
        (
            "list: vip.csv",
            ("CRM107", 1, 7, "a `list` belongs into a segment",
             "write a segment of it and use `segment:` here"),
        ),
        (
            "bought: {colour: red}",
            ("CRM104", 1, 10, "unknown key `colour` in `bought`",
             "known: category, orders, pieces, since, sku, spent_usd, title, until, within"),
        ),
        (
            "field: r\nop: '>='",
            ("CRM104", 1, 1, "unknown field `field`",
             "write the field's name itself, such as `r: {at_most: 3}`"),
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_a_remedy(
    text: str, fault: tuple[str, int, int, str, str]
) -> None:
    assert faults(text)[0] == fault


def test_all_faults_are_told_at_once() -> None:
    text = "all:\n  - contry: RU\n  - r: 9\n  - segment: chempions\n"

    found = faults(text, segments=["champions"])

    assert [(code, line) for code, line, *_rest in found] == [
        ("CRM104", 2),
        ("CRM107", 3),
        ("CRM116", 4),
    ]
    assert found[2][4] == "did you mean `champions`?"


def test_a_list_where_a_rule_belongs_is_told() -> None:
    assert faults("- r: 5")[0][4] == "begin with `all:` or `any:`"


def test_a_rule_beyond_what_a_database_takes_is_refused() -> None:
    lines = "any:\n" + "  - r: 5\n" * 301
    values = f"days_since_last: [{', '.join(str(day) for day in range(301))}]"

    assert [message for _code, _l, _c, message, _help in faults(lines)] == [
        "a rule has at most 300 lines"
    ]
    assert faults(values)[0][3] == "a list has at most 300 values"


def test_the_largest_rule_still_finds_customers(store: Store) -> None:
    days = f"[{', '.join(str(day) for day in range(300))}]"
    text = "any:\n" + "  - r: 5\n" * 298 + f"  - known_for_days: {days}\n"
    add_customer(store)

    with store.read() as connection:
        found = selection.count(connection, read(text), Look(now=NOW, zone=ZoneInfo("UTC")))

    assert found == 1


# ------------------------------------------------------------------ files


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_segments_are_read_by_id(tmp_path: Path) -> None:
    problems: list[Problem] = []

    found = read_segments(
        write(
            tmp_path, a="id: a\nname: A\nrule:\n  segment: b\n", b="id: b\nname: B\nrule: {r: 5}"
        ),
        problems,
    )

    assert problems == []
    assert found["a"] == Segment(id="a", name="A", rule=InSegment("b"))


def test_a_ring_is_one_fault_that_shows_the_way_round(tmp_path: Path) -> None:
    files = {
        name: f"id: {name}\nname: {name}\nrule:\n  segment: {other}\n"
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    }
    problems: list[Problem] = []

    found = read_segments(write(tmp_path, **files), problems)

    assert found == {}
    assert [problem.code for problem in problems] == ["CRM130"]
    assert problems[0].line == 3


def test_one_wrong_file_does_not_hide_the_others(tmp_path: Path) -> None:
    problems: list[Problem] = []

    found = read_segments(
        write(
            tmp_path,
            bad="id: Bad One\nname: Bad\nrule: {r: 5}",
            good="id: good\nname: Good\nrule: {r: 5}",
            empty="",
            twin="id: good\nname: Twin\nrule: {r: 4}",
        ),
        problems,
    )

    assert list(found) == ["good"]
    assert {problem.code for problem in problems} == {"CRM105", "CRM117", "CRM118"}


def test_the_shipped_segments_are_right() -> None:
    problems: list[Problem] = []

    found = read_segments(bundled("campaigns") / "segments", problems)

    assert problems == []
    assert {"champions", "cooling", "company-buyers", "birthday-soon", "no-order"} <= set(found)
    assert all(segment.note for segment in found.values())


def test_a_segment_may_be_a_list_a_rule_or_both(tmp_path: Path) -> None:
    (tmp_path / "vip.csv").write_text("email\nAnna@Example.com\n", encoding="utf-8")
    head = "name: X\n"
    problems: list[Problem] = []

    found = read_segments(
        write(
            tmp_path,
            a=f"id: a\n{head}list: vip.csv\n",
            b=f"id: b\n{head}list: vip.csv\nrule: {{r: 5}}\n",
            c=f"id: c\n{head}rule:\n  any:\n    - list: vip.csv\n    - r: 5\n",
            d=f"id: d\n{head}",
        ),
        problems,
    )

    listed = Compare(
        "list", "is", Listed(file="vip.csv", addresses=frozenset({"anna@example.com"}))
    )
    five = Compare("r", "is", 5)
    assert [one.rule for one in found.values()] == [
        listed,
        AllOf((five, listed)),
        AnyOf((listed, five)),
    ]
    assert [(one.code, one.message) for one in problems] == [
        ("CRM105", "a segment has a `rule`, a `list` or both")
    ]


PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "segments.md"


def test_the_page_about_segments_names_every_field_comparison_and_choice() -> None:
    text = PAGE.read_text(encoding="utf-8")
    choices = [word for field in FIELDS.values() for word in field.choices[:10]]

    assert [
        name
        for name in (*FIELDS, *Operator, *choices)
        if f"`{name}`" not in text and name not in OrderState.__members__.values()
    ] == []


def test_every_rule_on_the_page_about_segments_can_be_read() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    nodes = [parse_yaml(block, "segments.md") for block in blocks]
    problems: list[Problem] = []

    rules = [read_rule(node.entries.get("rule", node), problems) for node in nodes]

    assert problems == []
    assert len(rules) == 7


@pytest.mark.parametrize(
    ("text", "code", "message", "remedy"),
    [
        ("entered: {segment: coling}", "CRM116", "there is no segment `coling`", "cooling"),
        ("left: {segmnt: cooling}", "CRM104", "unknown key `segmnt` in `left`", "segment"),
        ("left: {within: 7d}", "CRM105", "`segment` is missing in `left`", "which one"),
        ("entered: cooling", "CRM106", "`entered` is a block", "{segment: cooling, within: 7d}"),
        ("entered: {segment: cooling, within: -7d}", "CRM110", "", ""),
        ("entered: {segment: [cooling]}", "CRM106", "is the id of a segment", ""),
    ],
)
def test_a_segment_passed_through_is_read_with_care(
    text: str, code: str, message: str, remedy: str
) -> None:
    found = faults(text, segments=["cooling", "lost"])

    assert [one[0] for one in found][:1] == [code]
    assert message in found[0][3]
    assert remedy in found[0][4]


@pytest.mark.parametrize("way", ["entered", "left"])
def test_a_ring_may_go_through_a_segment_that_was_passed(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "segments"
    folder.mkdir()
    (folder / "a.yaml").write_text(f"id: a\nname: A\nrule:\n  {way}: {{segment: b, within: 7d}}\n")
    (folder / "b.yaml").write_text("id: b\nname: B\nrule:\n  not: {segment: a}\n")
    problems: list[Problem] = []

    assert read_segments(folder, problems) == {}
    assert [one.code for one in problems] == ["CRM130"]
    assert "a -> b -> a" in problems[0].message


@pytest.mark.parametrize(
    ("text", "code", "message", "remedy"),
    [
        ("time_zone: Europe/Moscwo", "CRM124", "`Europe/Moscwo` is no time zone", "Europe/Moscow"),
        ("time_zone: [UTC, Moscow]", "CRM124", "`Moscow` is no time zone", "Europe/Moscow"),
        ("bought: {orders: {between: 3}}", "CRM106", "two values", ""),
        ("bought: {orders: {between: [3, 2]}}", "CRM107", "no number is as this says", ""),
    ],
)
def test_zones_and_counts_that_cannot_be_are_told(
    text: str, code: str, message: str, remedy: str
) -> None:
    found = faults(text)

    assert [one[0] for one in found] == [code]
    assert message in found[0][3]
    assert remedy in found[0][4]


@pytest.mark.parametrize(
    ("text", "line", "what", "remedy"),
    [
        ("country: UK", 1, "there is no country `UK`", "did you mean `GB`?"),
        ("country: [RU, ZZ]", 1, "there is no country `ZZ`", "two letters by ISO, such as `RU`"),
        ("language: xx", 1, "there is no language `xx`", "two letters by ISO, such as `ru`"),
        ("language: ua", 1, "there is no language `ua`", "did you mean `uk`?"),
        ("mail_domain: '@gmail.com'", 1, "a mail domain has no @", "write `gmail.com`"),
        ("clicked: {campaign: birthdy}", 1, "there is no campaign `birthdy`",
         "did you mean `birthday`?"),
        ("any:\n  - mailed: {campaign: nosuch, within: 9d}", 2, "there is no campaign `nosuch`",
         "right only for a campaign whose file is gone and whose mails are meant"),
    ],
)  # fmt: skip
def test_a_value_that_nobody_has_is_a_warning(text: str, line: int, what: str, remedy: str) -> None:
    problems: list[Problem] = []

    read_rule(parse_yaml(text, "rule.yaml"), problems, campaigns=["birthday", "sale"])

    assert [(one.code, one.is_error, one.line, one.message, one.help) for one in problems] == [
        ("CRM143", False, line, what, remedy)
    ]


@pytest.mark.parametrize(
    "text",
    [
        "country: {begins_with: Z}",
        "country: [GB, XK, PR]",
        "language: [uk, fil, pt-BR]",
        "mail_domain: {contains: gmail}",
        "clicked: {campaign: sale}",
        "bought: {since: 60d ago, until: 30d ago}",
        "bought: {since: 2026-01-01, until: 2026-01-01}",
        "bought: {since: 2026-01-01, until: 30d ago}",
    ],
)
def test_values_that_somebody_may_have(text: str) -> None:
    problems: list[Problem] = []

    read_rule(parse_yaml(text, "rule.yaml"), problems, campaigns=["sale"])

    assert problems == []


@pytest.mark.parametrize(
    "window", ["since: 2026-12-01, until: 2026-01-01", "since: 30d ago, until: 60d ago"]
)
@pytest.mark.parametrize("block", ["bought", "clicked"])
def test_a_window_that_ends_before_it_begins_is_an_error(block: str, window: str) -> None:
    problems: list[Problem] = []

    read_rule(parse_yaml(f"{block}: {{{window}}}", "rule.yaml"), problems)

    what = f"`until` of `{block}` is before its `since`: nothing lies between them"
    assert [(one.code, one.is_error, one.message) for one in problems] == [("CRM107", True, what)]


def test_each_part_of_any_must_be_able_to_hold() -> None:
    problems: list[Problem] = []
    text = "any:\n  - country: RU\n  - all:\n      - r: 5\n      - r: {at_most: 2}"

    read_rule(parse_yaml(text, "rule.yaml"), problems)

    assert [(one.code, one.line, one.is_error) for one in problems] == [("CRM141", 3, False)]
