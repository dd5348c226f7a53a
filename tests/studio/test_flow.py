"""The drawing of a campaign: where everything stands, without a browser."""

from __future__ import annotations

from itertools import pairwise

import pytest

from crm_mailer.studio import flow
from crm_mailer.studio.flow import NARROW, WIDE, Box, Drawing, End, Figure, Leaving, Measure, Stop

FIGURES = tuple(
    Figure(label=name, value="12,345", share="12.3 %", live=f"s.{name}")
    for name in ("waiting", "sent", "clicked", "replied", "ordered")
)


def stop(number: int, **more: object) -> Stop:
    given = {
        "id": f"step-{number}",
        "href": f"/campaigns/a/steps/{number}",
        "title": f"{number}. a-step-with-quite-a-long-name-of-its-own",
        "template": "care/a-template-with-quite-a-long-name",
        "wait": "wait 1 day",
        "figures": FIGURES,
        "leaving": Leaving(title="not sent: 9", reasons=(("late", "5"), ("cap", "4"))),
        "sent": 0.7,
        "waiting": 0.6,
        "label": f"Step {number}",
        **more,
    }
    return Stop(**given)  # type: ignore[arg-type]


def drawn(*stops: Stop, measure: Measure = WIDE) -> Drawing:
    return flow.draw(End(title="Begins"), stops, End(title="Ends", lines=("when bought",)), measure)


def boxes(found: Drawing, kind: str) -> list[Box]:
    shapes = [*found.shapes, *(shape for node in found.nodes for shape in node.shapes)]
    return [one for one in shapes if isinstance(one, Box) and one.kind == kind]


@pytest.mark.parametrize("measure", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("number", [1, 5, 30])
def test_every_step_is_a_node_below_the_one_before(number: int, measure: Measure) -> None:
    found = drawn(*(stop(one) for one in range(number)), measure=measure)

    cards = boxes(found, "card")

    assert [node.id for node in found.nodes] == [f"step-{one}" for one in range(number)]
    assert all(a.y + a.height < b.y for a, b in pairwise(cards))
    ends = boxes(found, "end")
    assert len(ends) == 2
    assert ends[1].y > cards[-1].y + cards[-1].height


@pytest.mark.parametrize("measure", [WIDE, NARROW], ids=["wide", "narrow"])
def test_nothing_stands_outside_the_drawing(measure: Measure) -> None:
    condition = "order_count >= 3, " * 12
    arms = tuple((f"arm-{one}-with-a-long-name", "20 %", "1,000,000 sent") for one in range(5))
    found = drawn(
        stop(1, condition=condition, arms=arms), stop(2, wait="等待" * 60), measure=measure
    )
    shapes = [*found.shapes, *(shape for node in found.nodes for shape in node.shapes)]
    for one in shapes:
        if isinstance(one, Box):
            assert one.x >= 0
            assert one.x + one.width <= found.width + 1
            assert one.y + one.height <= found.height + 1
        elif isinstance(one, flow.Text):
            size = {"figure": 19, "title": 16}.get(one.kind, 12)
            wide = flow.width_of(one.text, size)
            start = one.x - {"start": 0, "middle": wide / 2, "end": wide}[one.anchor]
            assert -1 <= start <= start + wide <= found.width + 1, one


def test_who_does_not_fit_goes_past_the_mail() -> None:
    with_condition, without = drawn(stop(1, condition="if r >= 4")), drawn(stop(1))
    past = [one for one in with_condition.shapes if one.kind == "past"]
    assert len(past) == 1
    assert not [one for one in without.shapes if one.kind == "past"]


def test_sent_and_waiting_share_one_bar() -> None:
    found = drawn(stop(1, sent=0.7, waiting=0.6))
    (track,), (sent,), (both,) = (
        boxes(found, kind) for kind in ("track", "bar-sent", "bar-waiting")
    )
    assert sent.width == pytest.approx(track.width * 0.7)
    assert both.width == track.width


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("one two three", 60, ["one two", "three"]),
        ("客户再次购买之后", 40, ["客户再", "次购买", "之后"]),
        ("", 40, []),
        ("unbreakable-and-much-too-long", 60, ["unbrea…"]),
    ],
    ids=["blanks", "chinese", "nothing", "one word"],
)
def test_text_is_broken_where_it_may_be(text: str, room: float, lines: list[str]) -> None:
    assert flow.wrapped(text, room, 13) == lines
