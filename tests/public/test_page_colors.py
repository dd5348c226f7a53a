"""The shop's colour is readable on our pages, whatever it is."""

from __future__ import annotations

import re

import pytest

from crm_mailer.public import colors

COLORS = [f"#{red}{green}{blue}" for red in "05af" for green in "05af" for blue in "05af"]


@pytest.mark.parametrize("written", [*COLORS, "#0b6e6e", "#ffffff", "#000000", "#767676"])
def test_any_color_is_readable(written: str) -> None:
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", colors.stylesheet(written)))
    by_night = re.search(
        r"dark\) \{ :root \{ --accent-text: (#[0-9a-f]{6})", colors.stylesheet(written)
    )
    assert by_night
    day = re.search(r"--accent-text: (#[0-9a-f]{6})", colors.stylesheet(written))
    assert day
    for one, other in (
        (found["accent"], found["on-accent"]),
        (day[1], "#f5f5f2"),
        (day[1], "#ffffff"),
        (by_night[1], "#2a2e32"),
        (by_night[1], "#1d2023"),
    ):
        assert colors.contrast(colors._read(one), colors._read(other)) >= 4.5


@pytest.mark.parametrize("written", ["", "teal", "#12", "#12345g", "#0b6e6e;}body{display:none"])
def test_what_is_no_color_gives_the_usual_one(written: str) -> None:
    assert colors.stylesheet(written) == colors.stylesheet("#0b6e6e")
