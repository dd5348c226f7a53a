"""Whether a mail's text can be read on what is behind it, by day and in dark mode.

The ratio is that of WCAG 2 (success criterion 1.4.3): relative luminance of the lighter colour plus
0.05, over that of the darker one plus 0.05. What cannot be told (pictures behind a text, colours
that a campaign gives, half-transparent ones) is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

from crm_mailer.definitions.problems import Problem
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.check_page import Element, Page, declarations

ENOUGH, ENOUGH_FOR_LARGE = 4.5, 3.0
#: From so many pixels on a text is large; in bold from so many.
LARGE, LARGE_AND_BOLD = 24.0, 18.66
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
Colour = tuple[int, int, int]
GROUND = "background-color"


class Above(Enum):
    """An element says nothing of its own; what it stands in does."""

    SAYS = 0


ABOVE = Above.SAYS
#: None: a colour that cannot be told.
Own = Colour | Above | None

HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})(?![0-9a-f])", re.IGNORECASE)
RGB = re.compile(r"rgb\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*\)", re.IGNORECASE)
NAMED: dict[str, Colour] = {
    "black": BLACK, "white": WHITE, "red": (255, 0, 0), "green": (0, 128, 0), "blue": (0, 0, 255),
    "gray": (128, 128, 128), "grey": (128, 128, 128), "silver": (192, 192, 192),
    "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211), "darkgray": (169, 169, 169),
    "darkgrey": (169, 169, 169), "yellow": (255, 255, 0), "orange": (255, 165, 0),
    "navy": (0, 0, 128), "maroon": (128, 0, 0), "teal": (0, 128, 128), "purple": (128, 0, 128),
    "olive": (128, 128, 0), "pink": (255, 192, 203), "gold": (255, 215, 0),
}  # fmt: skip
NAME = re.compile(r"[a-z]+")
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DARK = re.compile(r"prefers-color-scheme\s*:\s*dark", re.IGNORECASE)
COMPOUND = re.compile(r"(?P<tag>[a-z][a-z0-9]*|\*)?(?P<classes>(?:\.[\w-]+)*)", re.IGNORECASE)
WANTED = ("color", GROUND, "background")
#: Properties that set a colour.
KEYS = {"color": frozenset({"color"}), GROUND: frozenset({GROUND, "background"})}


@dataclass(frozen=True, slots=True)
class Rule:
    """One selector of a style sheet with its colours; parts lead from the outside in."""

    parts: tuple[tuple[str, str, frozenset[str]], ...]
    values: tuple[tuple[str, str, bool], ...]
    is_dark: bool
    weight: tuple[int, int, int]


def look(page: Page) -> Iterator[Problem]:
    """Texts that stand out too little; each pair of colours is told once."""
    rules = style_rules(page.css)
    schemes = [False, True] if any(rule.is_dark for rule in rules) else [False]
    for is_dark in schemes:
        sheet = _Sheet(page, [one for one in rules if is_dark or not one.is_dark])
        seen: set[tuple[Colour, Colour]] = set()
        for element in page.shown():
            if not element.texts or element.tag in ("body", "html"):
                continue
            front, behind = sheet.colour(element), sheet.ground(element)
            if front is None or behind is None or (front, behind) in seen:
                continue
            ratio, least = contrast(front, behind), _least(sheet, element)
            if ratio < least:
                seen.add((front, behind))
                yield _problem(page, element, (front, behind), ratio, least, is_dark)


def _problem(
    page: Page, element: Element, pair: tuple[Colour, Colour], ratio: float, least: float,
    is_dark: bool,
) -> Problem:  # fmt: skip
    front, behind = (f"#{r:02x}{g:02x}{b:02x}" for r, g, b in pair)
    shown = int(ratio * 10) / 10  # never rounded up to what it is not
    parts = {"front": front, "behind": behind, "ratio": shown, "least": least}
    return page.problem(
        "CRM245" if is_dark else "CRM244",
        Sentence("{front} on {behind} is {ratio}:1 in dark mode; it needs {least:g}:1", **parts)
        if is_dark
        else Sentence("{front} on {behind} is {ratio}:1; it needs {least:g}:1", **parts),
        " ".join(element.texts),
        help="give text and ground a colour for dark mode" if is_dark
        else "take a darker text or a lighter ground",
    )  # fmt: skip


def _least(sheet: _Sheet, element: Element) -> float:
    size, is_bold = sheet.size(element), sheet.is_bold(element)
    is_large = size >= LARGE or (is_bold and size >= LARGE_AND_BOLD)
    return ENOUGH_FOR_LARGE if is_large else ENOUGH


class _Sheet:
    """What the rules of one scheme make of each element."""

    def __init__(self, page: Page, rules: list[Rule]) -> None:
        self.page = page
        #: Property -> rules that set it, with rank, value and importance.
        self.rules: dict[str, list[tuple[Rule, int, str, bool]]] = {"color": [], GROUND: []}
        for number, rule in enumerate(rules):
            for key, value, important in rule.values:
                self.rules[_names(key)].append((rule, number, value, important))
        #: Of each element by its `id`: what is above it is what many others stand in, too.
        self._own: dict[tuple[int, str], str | None] = {}
        self._colours: dict[int, Colour | None] = {}
        self._grounds: dict[int, Colour | None] = {}
        #: Rules for elements of this tag and these classes: a page has many elements of few kinds.
        self._fitting: dict[tuple[str, str, frozenset[str]], list[tuple[Rule, int, str, bool]]] = {}

    def colour(self, element: Element) -> Colour | None:
        """The colour of its text."""
        return _first(element, self._colours, self._own_colour, BLACK)

    def _own_colour(self, element: Element) -> Own:
        value = self.own(element, "color")
        return ABOVE if value is None or value == "inherit" else colour_of(value)

    def ground(self, element: Element) -> Colour | None:
        """What is behind it."""
        return _first(element, self._grounds, self._own_ground, WHITE)

    def _own_ground(self, element: Element) -> Own:
        value = self.own(element, GROUND)
        if value is None or value in ("transparent", "inherit", "none", "initial"):
            return ABOVE
        return None if "url(" in value or "gradient" in value else colour_of(value)

    def own(self, element: Element, name: str) -> str | None:
        """The element's own value; None where nothing says any. Unknown ones are `?`."""
        key = id(element), name
        if key not in self._own:
            self._own[key] = self._settled(element, name)
        return self._own[key]

    def _settled(self, element: Element, name: str) -> str | None:
        best: tuple[tuple[bool, int, int, int, int], str] | None = None
        for rule, number, value, important in self._candidates(element, name):
            if len(rule.parts) == 1 or _matches(rule.parts, element):
                rank = (important, *rule.weight, number)
                best = (rank, value) if best is None or rank >= best[0] else best
        for key, value in () if KEYS[name].isdisjoint(element.style) else element.style.items():
            if key in KEYS[name]:
                important = "!important" in value
                rank = (important, 1000, 0, 0, 0)
                if best is None or rank >= best[0]:
                    best = (rank, value.replace("!important", "").strip())
        written = best[1] if best else element.given.get("bgcolor") if name != "color" else None
        if written is None or (name != "color" and not _has_colour(written, self.page)):
            return None
        value_ = self.page.valued(written)
        return "?" if value_ is None else value_.strip().lower()

    def _candidates(self, element: Element, name: str) -> list[tuple[Rule, int, str, bool]]:
        """Rules that set `name` and end in such an element."""
        kind = name, element.tag, element.classes
        found = self._fitting.get(kind)
        if found is None:
            found = [one for one in self.rules[name] if _fits(one[0].parts[-1], element)]
            self._fitting[kind] = found
        return found

    def size(self, element: Element) -> float:
        """The size of its letters in pixels."""
        for one in element.above():
            found = re.fullmatch(r"([0-9.]+)px", one.style.get("font-size", ""))
            if found:
                return float(found[1])
        return 16.0

    def is_bold(self, element: Element) -> bool:
        """Whether its letters are bold."""
        for one in element.above():
            weight = one.style.get("font-weight", "bold" if one.tag in ("b", "strong") else "")
            if weight:
                return weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 700)
        return False


def _first(
    element: Element, known: dict[int, Colour | None], own: Callable[[Element], Own], last: Colour
) -> Colour | None:
    """What the nearest element that says something says; `last` where none does."""
    passed: list[Element] = []
    found: Own = last
    for one in element.above():
        found = known[id(one)] if id(one) in known else own(one)
        passed.append(one)
        if not isinstance(found, Above):
            break
    settled = last if isinstance(found, Above) else found
    known.update((id(one), settled) for one in passed)
    return settled


def _names(key: str) -> str:
    return GROUND if key == "background" else key


def _has_colour(written: str, page: Page) -> bool:
    """Whether a `background` says a colour at all, or a picture."""
    value = page.valued(written)
    return value is None or "url(" in value or "gradient" in value or _in(value) is not None


def colour_of(value: str) -> Colour | None:
    """The colour that a value names; None for what is none or is half-transparent."""
    return _in(value)


@cache
def _in(value: str) -> Colour | None:
    text = value.lower()
    if found := HEX.search(text):
        digits = found[1] if len(found[1]) == 6 else "".join(one * 2 for one in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := RGB.search(text):
        red, green, blue = (min(255, int(one)) for one in found.groups())
        return red, green, blue
    return next((NAMED[word] for word in NAME.findall(text) if word in NAMED), None)


@cache
def contrast(one: Colour, other: Colour) -> float:
    """How much two colours stand out from each other: 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    """Relative luminance, as WCAG 2 defines it for sRGB."""
    parts = [value / 255 for value in colour]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ----------------------------------------------------------------- style sheets


@cache
def style_rules(css: str) -> tuple[Rule, ...]:
    """The rules with colours in a style sheet; what a selector asks for beyond tags and classes
    is not understood, and such rules are passed over."""
    found: list[Rule] = []
    for head, body in _blocks(COMMENT.sub("", css)):
        if head.startswith("@media"):
            is_dark = bool(DARK.search(head))
            if is_dark:
                found += (one for inner, text in _blocks(body) for one in _rules(inner, text, True))
        elif not head.startswith("@"):
            found += _rules(head, body, False)
    return tuple(found)


def _blocks(css: str) -> Iterator[tuple[str, str]]:
    """`head { body }`, one after the other; a body may have blocks of its own."""
    depth, start, head = 0, 0, ""
    for match in re.finditer(r"[{}]", css):
        if match[0] == "{":
            if depth == 0:
                head, start = css[start : match.start()].strip(), match.end()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                yield head.lower() if head.startswith("@") else head, css[start : match.start()]
                start = match.end()


def _rules(head: str, body: str, is_dark: bool) -> Iterator[Rule]:
    values = tuple(
        (name, value.replace("!important", "").strip(), "!important" in value)
        for name, value in declarations(body).items()
        if name in WANTED
    )
    if not values:
        return
    for selector in head.split(","):
        parts = _parts(selector.strip())
        if parts is not None:
            classes = sum(len(one[2]) for one in parts)
            tags = sum(one[1] not in ("", "*") for one in parts)
            yield Rule(parts, values, is_dark, (0, classes, tags))


def _parts(selector: str) -> tuple[tuple[str, str, frozenset[str]], ...] | None:
    """(`>` or empty, tag, classes) for each part; None where it asks for more than these."""
    parts: list[tuple[str, str, frozenset[str]]] = []
    way = ""
    for word in selector.replace(">", " > ").split():
        if word == ">":
            way = ">"
            continue
        match = COMPOUND.fullmatch(word)
        if match is None:
            return None
        classes = frozenset(filter(None, match["classes"].split(".")))
        parts.append((way, (match["tag"] or "").lower(), classes))
        way = ""
    return tuple(parts) or None


def _matches(parts: tuple[tuple[str, str, frozenset[str]], ...], element: Element) -> bool:
    if not _fits(parts[-1], element):
        return False
    if len(parts) == 1:
        return True
    above = list(element.above())[1:]
    candidates = above[:1] if parts[-1][0] == ">" else above
    return any(_matches(parts[:-1], one) for one in candidates)


def _fits(part: tuple[str, str, frozenset[str]], element: Element) -> bool:
    _way, tag, classes = part
    return tag in ("", "*", element.tag) and classes <= element.classes
