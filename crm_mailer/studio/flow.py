"""Draws a campaign as a flow: where it begins, its waits and mails, who leaves it, how it ends.

Works out where everything stands, as plain shapes; `looks/campaigns-flow.html` makes SVG of them,
colours come from the stylesheet. A drawing is as wide as a screen or as a telephone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a step; `live` names it for what keeps it up to date."""

    label: str
    value: str
    share: str = ""
    live: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Mails of a step that were not sent: in all, and the commonest reasons."""

    title: str
    reasons: tuple[tuple[str, str], ...] = ()
    live: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A step of the flow."""

    id: str
    href: str
    title: str
    template: str
    wait: str
    condition: str = ""
    figures: tuple[Figure, ...] = ()
    #: Arms of a test: name, share, what came of it.
    arms: tuple[tuple[str, str, str], ...] = ()
    leaving: Leaving | None = None
    #: The parts of those who began that were sent the mail, and that wait for it: 0 to 1.
    sent: float = 0.0
    waiting: float = 0.0
    #: Said to who cannot see the drawing.
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it begins or ends: a line that says so, and smaller ones."""

    title: str
    lines: tuple[str, ...] = ()
    live: str = ""


# ------------------------------------------------------------------ shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A line of text; `anchor` as SVG has it."""

    x: float
    y: float
    text: str
    kind: str
    anchor: str = "start"
    live: str = ""
    shape: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle with round corners. `live` names the figure that its width follows."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    radius: float = 14
    live: str = ""
    full: float = 0
    shape: str = "box"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, as SVG writes paths."""

    path: str
    kind: str
    shape: str = "line"


Shape = Text | Box | Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of the flow that leads somewhere."""

    id: str
    href: str
    label: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The flow at its size."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How much room there is."""

    card: float
    #: Where the boxes of those who leave begin, and how wide they are; 0: they stand in the card.
    side: float
    beside: float
    #: Left of the cards, for what goes past them.
    margin: float

    @property
    def width(self) -> float:
        """Of the whole drawing."""
        return self.side + self.beside if self.beside else self.margin + self.card

    @property
    def middle(self) -> float:
        """Where the flow runs."""
        return self.margin + self.card / 2


WIDE = Measure(card=600, side=700, beside=300, margin=36)
NARROW = Measure(card=324, side=0, beside=0, margin=16)

#: Heights, and the room between two parts of a flow.
HEAD, FIGURES, ARM, PAD, CHIP, GAP = 56, 58, 26, 18, 28, 16
TITLE, LINE = 30, 20


def draw(begin: End, stops: Sequence[Stop], end: End, measure: Measure = WIDE) -> Drawing:
    """The flow from top to bottom."""
    if not any(stop.condition for stop in stops):  # nothing goes past a mail
        measure = replace(measure, margin=1)
    pen = _Pen(measure)
    pen.end(begin)
    for stop in stops:
        pen.stop(stop)
    pen.down(GAP * 2)
    pen.end(end)
    return pen.done()


@dataclass(slots=True)
class _Pen:
    measure: Measure
    y: float = 1
    shapes: list[Shape] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    #: Where the flow was left: the lines are drawn from there.
    last: float = 1

    def down(self, far: float) -> None:
        """An arrow to the next part."""
        x, end = self.measure.middle, self.y + far
        self.shapes.append(Line(path=f"M{x:g} {self.y:g}V{end:g}", kind="way"))
        tip = f"M{x - 5:g} {end - 7:g}L{x:g} {end:g}L{x + 5:g} {end - 7:g}"
        self.shapes.append(Line(path=tip, kind="tip"))
        self.y = end

    def end(self, one: End) -> None:
        m = self.measure
        room = m.card - 2 * PAD
        lines = [part for line in one.lines for part in wrapped(line, room, 13)]
        height = PAD + TITLE - 8 + LINE * len(lines) + (PAD - 6)
        self.shapes.append(
            Box(x=m.margin, y=self.y, width=m.card, height=height, kind="end", radius=26)
        )
        y = self.y + PAD + 12
        self.shapes.append(
            Text(x=m.middle, y=y, text=fit(one.title, room, 15), kind="title", anchor="middle")
        )
        for place, line in enumerate(lines, 1):
            self.shapes.append(
                Text(
                    x=m.middle,
                    y=y + LINE * place,
                    text=line,
                    kind="small",
                    anchor="middle",
                    live=one.live if place == 1 else "",
                )
            )
        self.y += height

    def stop(self, one: Stop) -> None:
        self._chip(one.wait, "wait")
        side = fork = 0.0
        if one.condition:
            side, fork = self._chip(one.condition, "condition")
        self.down(GAP + 6)
        height = self._card(one)
        if one.condition:
            self._past(side, fork, self.y + height)
        self.y += height

    def _chip(self, text: str, kind: str) -> tuple[float, float]:
        """A wait or a condition on the line; where the left end of its first line is."""
        m = self.measure
        x = left = m.middle
        self.shapes.append(Line(path=f"M{x:g} {self.y:g}v{GAP:g}", kind="way"))
        self.y += GAP
        top = self.y
        for place, part in enumerate(wrapped(text, m.card - 80, 13)[:3]):
            wide = min(m.card - 40, width_of(part, 13) + 34)
            y = top + place * (CHIP + 3)
            left = left if place else x - wide / 2
            self.shapes.append(
                Box(x=x - wide / 2, y=y, width=wide, height=CHIP, kind=kind, radius=CHIP / 2)
            )
            self.shapes.append(Text(x=x, y=y + 19, text=part, kind=f"{kind}-word", anchor="middle"))
            self.y = y + CHIP
        return left, top + CHIP / 2

    def _past(self, start: float, fork: float, bottom: float) -> None:
        """Who does not fit goes past the mail to the next step: round the card, and back below."""
        m = self.measure
        left = m.margin / 2
        path = (
            f"M{start:g} {fork:g}H{left + 8:g}Q{left:g} {fork:g} {left:g} {fork + 8:g}"
            f"V{bottom:g}Q{left:g} {bottom + 8:g} {left + 8:g} {bottom + 8:g}H{m.middle:g}"
        )
        self.shapes.append(Line(path=path, kind="past"))

    def _card(self, one: Stop) -> float:
        m = self.measure
        is_beside = bool(m.beside)
        inside = one.leaving is not None and not is_beside
        height = HEAD + FIGURES + ARM * len(one.arms) + 26 + (ARM if inside else 0)
        shapes: list[Shape] = [
            Box(x=m.margin, y=self.y, width=m.card, height=height, kind="card"),
            *self._head(one),
            *self._figures(one),
        ]
        y = self.y + HEAD + FIGURES
        shapes += self._arms(one, y)
        y += ARM * len(one.arms)
        if inside and one.leaving is not None:
            shapes.append(_leaving_line(one.leaving, m, y + 14))
            y += ARM
        shapes += self._bar(one, y + 6)
        if one.leaving is not None and is_beside:
            self._leave(one.leaving, height)
        self.nodes.append(Node(id=one.id, href=one.href, label=one.label, shapes=tuple(shapes)))
        return height

    def _head(self, one: Stop) -> Iterable[Shape]:
        m, x, y = self.measure, self.measure.margin + PAD, self.y + 31
        title = fit(one.title, m.card * 0.5, 16)
        yield Text(x=x, y=y, text=title, kind="title")
        room = m.card - 2 * PAD - width_of(title, 16) - 16
        yield Text(
            x=m.margin + m.card - PAD,
            y=y,
            text=fit(one.template, room, 12.5),
            kind="small",
            anchor="end",
        )

    def _figures(self, one: Stop) -> Iterable[Shape]:
        m = self.measure
        if not one.figures:
            return
        wide = (m.card - 2 * PAD) / len(one.figures)
        for place, figure in enumerate(one.figures):
            x, y = m.margin + PAD + wide * place, self.y + HEAD
            yield Text(x=x, y=y + 10, text=fit(figure.label, wide - 6, 12), kind="label")
            yield Text(x=x, y=y + 32, text=figure.value, kind="figure", live=figure.live)
            if not figure.share:
                continue
            # beside the number where there is room, else below it
            right = width_of(figure.value, 19) * BOLD + 7
            is_room = bool(m.beside) and right + width_of(figure.share, 12) < wide
            yield Text(
                x=x + right if is_room else x,
                y=y + 32 if is_room else y + 47,
                text=figure.share,
                kind="small",
                live=f"{figure.live}_share" if figure.live else "",
            )

    def _arms(self, one: Stop, y: float) -> Iterable[Shape]:
        m = self.measure
        for place, (name, share, told) in enumerate(one.arms):
            line = y + ARM * place
            yield Box(
                x=m.margin + PAD, y=line, width=m.card - 2 * PAD, height=ARM - 4, kind="arm",
                radius=7,
            )  # fmt: skip
            shown = fit(f"{name} · {share}", (m.card - 2 * PAD) / 2 - 12, 12.5)
            yield Text(x=m.margin + PAD + 10, y=line + 15.5, text=shown, kind="arm-word")
            yield Text(
                x=m.margin + m.card - PAD - 10,
                y=line + 15.5,
                text=fit(told, (m.card - 2 * PAD) / 2 - 12, 12.5),
                kind="arm-word",
                anchor="end",
            )

    def _bar(self, one: Stop, y: float) -> Iterable[Shape]:
        """How many of those who began were sent it, and how many wait for it."""
        m = self.measure
        full = m.card - 2 * PAD
        x = m.margin + PAD
        yield Box(x=x, y=y, width=full, height=6, kind="track", radius=3)
        sent = full * min(1.0, one.sent)
        if one.waiting:
            both = min(full, sent + full * one.waiting)
            yield Box(x=x, y=y, width=both, height=6, kind="bar-waiting", radius=3)
        if sent:
            yield Box(x=x, y=y, width=max(3, sent), height=6, kind="bar-sent", radius=3)

    def _leave(self, one: Leaving, height: float) -> None:
        """A box beside the card: who was not sent the mail, and why."""
        m = self.measure
        lines = one.reasons
        tall = min(height, 38 + LINE * len(lines) + (8 if lines else 0))
        y = self.y + (height - tall) / 2
        path = f"M{m.margin + m.card:g} {y + 20:g}H{m.side:g}"
        self.shapes.append(Line(path=path, kind="leave"))
        self.shapes.append(
            Box(x=m.side, y=y, width=m.beside - 1, height=tall, kind="aside", radius=12)
        )
        self.shapes.append(
            Text(
                x=m.side + 14,
                y=y + 24,
                text=fit(one.title, m.beside - 28, 13),
                kind="aside-title",
                live=one.live,
            )
        )
        for place, (reason, number) in enumerate(lines, 1):
            at = y + 24 + LINE * place
            room = m.beside - 28 - width_of(number, 12.5) - 10
            self.shapes.append(
                Text(x=m.side + 14, y=at, text=fit(reason, room, 12.5), kind="small")
            )
            self.shapes.append(
                Text(x=m.side + m.beside - 15, y=at, text=number, kind="small", anchor="end")
            )

    def done(self) -> Drawing:
        return Drawing(
            width=self.measure.width,
            height=self.y + 1,
            shapes=tuple(self.shapes),
            nodes=tuple(self.nodes),
        )


def _leaving_line(one: Leaving, m: Measure, y: float) -> Text:
    told = [one.title, *(f"{reason} {number}" for reason, number in one.reasons[:1])]
    text = fit(" · ".join(told), m.card - 2 * PAD, 12.5)
    return Text(x=m.margin + PAD, y=y, text=text, kind="small")


# ------------------------------------------------------------------ letters

#: How much wider bold figures are than other letters.
BOLD = 1.3


def width_of(text: str, size: float) -> float:
    """About how wide a text is: drawings are made before any letter is."""
    return sum(_em(letter) for letter in text) * size


def _em(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in "mwMW@%":
        return 0.86
    if letter in " .,:;|!il'·":
        return 0.3
    return 0.66 if letter.isupper() else 0.55


def fit(text: str, room: float, size: float) -> str:
    """The text, cut where there is no more room."""
    if width_of(text, size) <= room:
        return text
    kept = text
    while kept and width_of(kept, size) + size > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def wrapped(text: str, room: float, size: float) -> list[str]:
    """The text in lines that have room, broken at blanks and between Chinese letters."""
    lines, line = [], ""
    for word in _words(text):
        if line and width_of(line + word.rstrip(), size) > room:
            lines.append(line.rstrip())
            line = ""
        line += word
    if line.strip():
        lines.append(line.rstrip())
    return [fit(one, room, size) for one in lines]


def _words(text: str) -> Iterable[str]:
    """Pieces between which a line may be broken, each with the blank after it."""
    start = 0
    for place, (letter, after) in enumerate(pairwise(text), 1):
        if letter == " " or unicodedata.east_asian_width(after) in "WF":
            yield text[start:place]
            start = place
    yield text[start:]
