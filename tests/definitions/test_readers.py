from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.curve_reader import read_curves
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.shop_reader import read_shop
from crm_mailer.definitions.written import duration, spelled
from crm_mailer.model.campaign import (
    BirthdayAnchor,
    Campaign,
    Curve,
    DateAnchor,
    Exit,
    Kind,
    Mode,
    Stream,
)
from crm_mailer.model.segment import EVERYBODY
from crm_mailer.model.shop import Shop

DAY = timedelta(days=1)
KNOWN = Known(
    shop=Shop(name="Lotus", postal_address="1 Lake Road", sender="a@b.com", languages=("en", "ru")),
    curves={"two": Curve(name="two", offsets=(DAY, 2 * DAY))},
    segments={"cooling"},
    templates={"care/hello": {"en", "ru"}, "care/once": {"en"}},
)
GOOD = """
id: win-back
name: Win back
kind: lifecycle
stream: marketing
mode: live
anchor: {segment: cooling}
audience:
  all:
    - r: {at_most: 3}
curve: two
send_at: "9:30"
stop_when: [bought, replied]
valid_for: 2d
steps:
  - id: hello
    template: care/hello
    subject: {en: Hello}
  - id: again
    template: care/hello
vars:
  discount: 10
  words: {en: yes, ru: "да"}
"""


def read(tmp_path: Path, text: str, known: Known = KNOWN) -> tuple[Campaign | None, list[Problem]]:
    path = tmp_path / "win-back.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    return read_campaign(path, known, problems, "win-back.yaml"), problems


def test_a_campaign_is_read_as_it_is_written(tmp_path: Path) -> None:
    found, problems = read(tmp_path, GOOD)

    assert problems == []
    assert found is not None
    assert (found.id, found.kind, found.mode) == ("win-back", Kind.LIFECYCLE, Mode.LIVE)
    assert [(step.id, step.offset) for step in found.steps] == [
        ("hello", DAY),
        ("again", 2 * DAY),
    ]
    assert found.send_at == (9, 30)
    assert found.exits == {Exit.BOUGHT, Exit.REPLIED}
    assert found.vars == {"discount": 10, "words": {"en": "yes", "ru": "да"}}


def test_the_shortest_campaign_has_a_name_an_anchor_and_a_step(tmp_path: Path) -> None:
    text = "name: B\nanchor: {birthday: {}}\nsteps: [{template: care/hello}]"

    found, problems = read(tmp_path, text)

    assert problems == []
    assert found is not None
    assert found.id == "win-back"
    assert found.anchor == BirthdayAnchor()
    assert found.audience == EVERYBODY
    assert (found.mode, found.stream) == (Mode.DRAFT, Stream.MARKETING)


def test_order_mail_is_parallel_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    text = (
        "name: S\nstream: transactional\nanchor: {order: shipped}\n"
        "steps: [{template: care/hello}]\n"
    )

    shipped, _ = read(tmp_path, text)
    single, _ = read(tmp_path, text + "parallel: false\n")

    assert shipped is not None
    assert single is not None
    assert (shipped.is_parallel, single.is_parallel) == (True, False)


def test_a_date_makes_an_edm(tmp_path: Path) -> None:
    text = "name: S\nanchor: {date: 2011-11-11}\nsteps: [{template: care/hello}]"

    found, _ = read(tmp_path, text)

    assert found is not None
    assert (found.kind, found.anchor) == (Kind.EDM, DateAnchor(day=date(2011, 11, 11)))


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("id: win-back", "id: Win Back!", "CRM117", "such as `win-back`"),
        ("curve: two", "curve: tow", "CRM114", "did you mean `two`?"),
        ("care/hello\n    subject", "care/helo\n    subject", "CRM115", "care/hello"),
        ("{segment: cooling}", "{segment: coling}", "CRM116", "did you mean `cooling`?"),
        ("kind: lifecycle", "kind: edm", "CRM119", "started by a date"),
        ("{segment: cooling}", "{date: 2026-11-20}", "CRM119", "an event, not a date"),
        ("{segment: cooling}", "{segment: cooling, reply: any}", "CRM119", "there are 2"),
        ("{segment: cooling}", "{}", "CRM119", "one of order"),
        ("{segment: cooling}", "{order: shiped}", "CRM107", "did you mean `shipped`?"),
        ("stream: marketing", "stream: transactional", "CRM120", "write `stream: marketing`"),
        ("mode: live", "mode: on", "CRM107", "known: draft, live, manual"),
        ("id: win-back\n", "", "CRM121", "needs an `id`"),
        ("  - id: again\n    template", "  - template", "CRM121", "step 2"),
        ("id: again", "id: hello", "CRM118", "step 1 has the id"),
        ("[bought, replied]", "[order.paid]", "CRM127", "needs an anchor at an order"),
        ("[bought, replied]", "[bougt]", "CRM107", "did you mean `bought`?"),
        ("valid_for: 2d", "valid_for: 2 days", "CRM110", "30m, 12h, 4d"),
        ("valid_for: 2d", "valid_for: 2h", "CRM128", "quiet hours"),
        ('"9:30"', '"25:00"', "CRM111", "no time of day"),
        ("subject: {en: Hello}", "subject: {English: Hello}", "CRM125", "such as en"),
        ("r: {at_most: 3}", "rr: {at_most: 3}", "CRM104", "unknown field `rr`"),
        ("curve: two\n", "", "CRM105", "`after` is missing"),
        ("id: again\n", "id: again\n    after: 1d\n", "CRM126", "not later than step 1"),
        ("  - id: again", "  - template: care/hello\n  - id: again", "CRM113", "2 places"),
        ("stream", "strem", "CRM104", "did you mean `stream`?"),
    ],
)  # fmt: skip
def test_each_fault_has_its_code_its_place_and_its_remedy(
    tmp_path: Path, old: str, new: str, code: str, words: str
) -> None:
    assert old in GOOD

    _, problems = read(tmp_path, GOOD.replace(old, new, 1))

    found = [problem for problem in problems if problem.code == code]
    assert found, [problem.as_text() for problem in problems]
    assert words in found[0].as_text()
    assert found[0].line > 0


def test_a_missing_language_is_a_warning_and_the_campaign_stays_usable(tmp_path: Path) -> None:
    found, problems = read(tmp_path, GOOD.replace("care/hello", "care/once", 1))

    assert found is not None
    assert [(one.code, one.is_error) for one in problems] == [("CRM123", False)]


def test_live_marketing_needs_the_shops_postal_address(tmp_path: Path) -> None:
    nameless = replace(KNOWN, shop=replace(KNOWN.shop, postal_address=""))

    live, problems = read(tmp_path, GOOD, nameless)
    draft, warnings = read(tmp_path, GOOD.replace("live", "draft"), nameless)

    assert live is None
    assert [one.code for one in problems] == ["CRM122"]
    assert draft is not None
    assert [one.is_error for one in warnings] == [False]


@pytest.mark.parametrize("stream", ["marketing", "transactional"])
def test_a_live_campaign_needs_an_address_to_come_from(tmp_path: Path, stream: str) -> None:
    text = GOOD.replace("stream: marketing", f"stream: {stream}")
    text = text.replace("{segment: cooling}", "{order: shipped}").replace("[bought, replied]", "[]")
    shops = [replace(KNOWN.shop, sender=""), replace(KNOWN.shop, sender="", reply_to="a@b.com")]

    faults = [read(tmp_path, text, replace(KNOWN, shop=shop))[1] for shop in shops]

    assert [[one.code for one in found] for found in faults] == [["CRM129"], []]


def test_the_version_follows_what_the_campaign_does_and_not_its_mode(tmp_path: Path) -> None:
    first, _ = read(tmp_path, GOOD)
    switched, _ = read(tmp_path, GOOD.replace("mode: live", "mode: draft"))
    changed, _ = read(tmp_path, GOOD.replace("2d", "3d"))
    moved = {"two": Curve(name="two", offsets=(DAY, 3 * DAY))}
    curved, _ = read(
        tmp_path,
        GOOD,
        Known(shop=KNOWN.shop, curves=moved, segments=["cooling"], templates=KNOWN.templates),
    )

    versions = [one.version for one in (first, switched, changed, curved) if one is not None]
    assert versions[0] == versions[1]
    assert len(set(versions)) == 3


# ------------------------------------------------------------------ curves


def curves(tmp_path: Path, text: str) -> tuple[dict[str, Curve], list[Problem]]:
    path = tmp_path / "curves.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    return read_curves(path, problems, "curves.yaml"), problems


def test_a_curve_is_a_list_or_a_list_with_a_note(tmp_path: Path) -> None:
    found, problems = curves(
        tmp_path, "curves:\n  a: [5m, 12h, 4d, 2w]\n  b: {at: [1d], note: hm}\n"
    )

    assert problems == []
    assert found["a"].offsets == (
        timedelta(minutes=5), timedelta(hours=12), 4 * DAY, 14 * DAY,
    )  # fmt: skip
    assert found["b"].note == "hm"


def test_gaps_written_as_a_curve_are_refused_with_the_offsets_they_mean(tmp_path: Path) -> None:
    found, problems = curves(tmp_path, "curves:\n  a: [1d, 3d, 3d]\n  ok: [1d]\n")

    assert list(found) == ["ok"]
    assert [(one.code, one.line, one.column) for one in problems] == [("CRM112", 2, 15)]
    assert "[1d, 4d, 7d]" in problems[0].help


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("curves: {a: []}", "CRM107"),
        ("curves: {a: [-1d]}", "CRM110"),
        ("curves: {a: [1]}", "CRM110"),
        ("curves: {a: [9999w]}", "CRM110"),
        ("curves: {A B: [1d]}", "CRM117"),
        ("a: [1d]", "CRM104"),
    ],
)
def test_a_wrong_curve_is_named(tmp_path: Path, text: str, code: str) -> None:
    _, problems = curves(tmp_path, text)

    assert code in [one.code for one in problems]


@given(st.integers(0, 9_999), st.sampled_from("mhd"))
def test_a_duration_is_read_as_it_is_spelled(number: int, unit: str) -> None:
    span = duration(f"{min(number, 3_000)}{unit}")

    assert duration(spelled(span)) == span


# ------------------------------------------------------------------ the shop


def shop(tmp_path: Path, text: str) -> tuple[Shop | None, list[Problem]]:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    return read_shop(path, problems, "shop.yaml"), problems


def test_a_shop_is_read(tmp_path: Path) -> None:
    found, problems = shop(
        tmp_path,
        "name: Lotus\nsender: a@b.com\nsubject_prefix: {CN: AD}\n"
        "country: NO\nlanguages: [en, no]\nfallback: [en]\n"
        'quiet_hours: {from: 22, until: 7}\nsend_at: 9:05\ncap: {count: 2}\nphone: "+1"\n',
    )

    assert problems == []
    assert found is not None
    assert (found.country, found.languages) == ("NO", ("en", "no"))
    assert (found.quiet_from, found.quiet_until, found.send_at) == (22, 7, (9, 5))
    assert (found.cap_count, found.cap_days) == (2, 7)
    assert found.subject_prefix == {"CN": "AD ", "KR": "(광고) "}


@pytest.mark.parametrize(
    ("written", "prefixes"),
    [
        ("", {"CN": "(AD) ", "KR": "(광고) "}),
        ("subject_prefix: {}", {"CN": "(AD) ", "KR": "(광고) "}),
        ('subject_prefix: {CN: "", SG: "<ADV> "}', {"CN": "", "KR": "(광고) ", "SG": "<ADV> "}),
    ],
)
def test_a_subject_begins_with_what_the_law_asks_for_unless_the_shop_says_otherwise(
    tmp_path: Path, written: str, prefixes: dict[str, str]
) -> None:
    found, problems = shop(tmp_path, f"name: Lotus\nsender: a@b.com\n{written}\n")

    assert problems == []
    assert found is not None
    assert found.subject_prefix == prefixes


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("time_zone: Moscow", "CRM124"),
        ("sender: hello(at)shop", "CRM129"),
        ("sender: привет@shop.com", "CRM129"),
        ("reply_to: he..llo@shop.com", "CRM129"),
        ("subject_prefix: {zh: x}", "CRM107"),
        ("languages: [English]", "CRM125"),
        ("url: lotus", "CRM107"),
        ("color: teal", "CRM107"),
        ("send_at: noon", "CRM111"),
        ("quiet_hours: {from: 1, until: 24}", "CRM107"),
        ("quiet_hours: {from: 21, until: 25}", "CRM107"),
        ("country: Norway", "CRM107"),
        ('order_number_pattern: "["', "CRM107"),
        ("cap: {count: 0}", "CRM107"),
        ("nmae: x", "CRM104"),
    ],
)
def test_a_wrong_fact_of_the_shop_is_named(tmp_path: Path, line: str, code: str) -> None:
    found, problems = shop(tmp_path, f"name: Lotus\n{line}\n")

    assert found is None
    assert [(one.code, one.line) for one in problems if one.is_error] == [(code, 2)]
