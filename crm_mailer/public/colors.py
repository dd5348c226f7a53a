"""The shop's colour on our pages: readable on white, on black, and under a word."""

from __future__ import annotations

from collections.abc import Iterator

#: What small text needs against its ground (WCAG 2.2, 1.4.3), with a little to spare.
READABLE = 4.6
LIGHT = (255, 255, 255)
#: The grounds of our pages on which the colour is hardest to read, by day and by night.
BY_DAY, BY_NIGHT = (245, 245, 242), (42, 46, 50)
USUAL = (11, 110, 110)

Color = tuple[int, int, int]

SHEET = """\
:root {{ --accent: {accent}; --on-accent: {on_accent}; --accent-text: {text}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --accent-text: {text_in_dark}; }} }}
"""


def stylesheet(written: str) -> str:
    """The colours that follow from the shop's own, `#rrggbb` or `#rgb`."""
    accent = _read(written)
    on_accent = LIGHT if contrast(LIGHT, accent) >= READABLE else (0, 0, 0)
    if contrast(on_accent, accent) < READABLE:  # a middle tone: neither is good
        on_accent, accent = LIGHT, _until_readable(accent, LIGHT, toward=(0, 0, 0))
    return SHEET.format(
        accent=_written(accent),
        on_accent=_written(on_accent),
        text=_written(_until_readable(accent, BY_DAY, toward=(0, 0, 0))),
        text_in_dark=_written(_until_readable(accent, BY_NIGHT, toward=(255, 255, 255))),
    )


def contrast(one: Color, other: Color) -> float:
    """How well two colours stand out from each other, 1 to 21 (WCAG)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _until_readable(color: Color, ground: Color, toward: Color) -> Color:
    return next(one for one in _steps(color, toward) if contrast(one, ground) >= READABLE)


def _steps(color: Color, toward: Color) -> Iterator[Color]:
    for step in range(21):
        red, green, blue = (
            round(start + (end - start) * step / 20)
            for start, end in zip(color, toward, strict=True)
        )
        yield red, green, blue


def _luminance(color: Color) -> float:
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _read(written: str) -> Color:
    digits = written.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(one * 2 for one in digits)
    try:
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        return USUAL
    return red, green, blue


def _written(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
