"""Leads the links of marketing mails past the shop's public address, and asks for openings.

Once for each campaign, links that are the same in every mail get their numbers and stand in the
template with a gap for the mail's token. A link with a field of the customer or the order in it is
looked at for each mail. Ways out (unsubscribe, preferences, web version) stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from jinja2 import nodes
from markupsafe import escape

from crm_mailer.model import tracking
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing, Purpose
from crm_mailer.model.tracking import HIDDEN, Opens, Tracking
from crm_mailer.rendering.context import FIELDS, KNOWN, BenefitFields, CustomerFields, OrderFields
from crm_mailer.rendering.envelope import wire_url
from crm_mailer.rendering.headers import UnsafeHeader

#: Stands for a field in a text that is being looked at.
MARK = re.compile("\x01(\\d+)\x02")
#: What a person follows: an anchor or a map's area.
HREF = re.compile(
    r"<(?:a|area)\b[^<>]*?\shref\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)')", re.IGNORECASE | re.DOTALL
)
END = re.compile(r"</body\s*>", re.IGNORECASE)
#: Links of one mail that are led past us; further ones stay as they are.
MOST = 62
LINKS = tuple(f"crm_link_{number}" for number in range(MOST))
#: What stands before an own link's token: a mail may have something there that is no web page.
BASES = tuple(f"crm_base_{number}" for number in range(MOST))
TRAP, OPEN = "crm_trap", "crm_open"
#: Names that a tracked mail's values have besides those that templates may use.
NAMES: frozenset[str] = frozenset({*LINKS, *BASES, TRAP, OPEN})
#: Records whose fields may stand in a link.
OF_READER = frozenset({CustomerFields, OrderFields, BenefitFields})

#: A target's number and address, as they are saved.
Link = tuple[int, str]
#: Text, or a field: record and name.
Piece = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the mails of one template in one campaign report."""

    base: str
    #: Sets of links: what the token proves, and name and end of each address.
    sets: tuple[tuple[bytes, tuple[tuple[str, str], ...]], ...]
    #: Links of each mail's own: their place, and what they are made of.
    own: tuple[tuple[int, tuple[Piece, ...]], ...]
    has_open: bool
    #: The same for all mails; saved with each.
    links: tuple[Link, ...]

    def put(self, values: dict[str, Any], touch_id: int, keys: KeyRing) -> tuple[Link, ...]:
        """Give a mail its tokens. What it has of links of its own, to be saved with it."""
        for about, ends in self.sets:
            token = keys.make_for(Purpose.CLICK, touch_id, about)
            for name, end in ends:
                values[name] = token + end
        if self.has_open:
            values[OPEN] = keys.make(Purpose.OPEN, touch_id)
        return self._put_own(values, touch_id, keys) if self.own else ()

    def _put_own(self, values: dict[str, Any], touch_id: int, keys: KeyRing) -> tuple[Link, ...]:
        found: list[Link] = []
        for place, pieces in self.own:
            text = _text(pieces, values)
            if text is None:
                continue  # the template says what is missing
            values[BASES[place]], values[LINKS[place]] = "", text
            address = tracking.target(text)
            if not address:
                continue
            link = tracking.number(tracking.link_set((address,)), 0)
            token = keys.make_for(Purpose.CLICK, touch_id, tracking.set_bytes(link))
            values[BASES[place]] = f"{self.base}/c/"
            values[LINKS[place]] = f"{token}/{tracking.code(link)}"
            found.append((link, address))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Tracker:
    """Marks templates of one shop."""

    base: str
    tracking: Tracking
    #: Where the link leads that nobody sees.
    trap: str
    _of: dict[str, Marks | None] = field(default_factory=dict)

    def of(self, country: str) -> Marks | None:
        """What is done to mails for readers in a country; None: nothing."""
        if country not in self._of:
            clicks, opens = self.tracking.has_clicks(country), self.tracking.has_opens(country)
            self._of[country] = Marks(self, clicks, opens) if clicks or opens else None
        return self._of[country]


@dataclass(frozen=True, slots=True)
class Marks:
    """Which marks a mail gets."""

    tracker: Tracker
    has_clicks: bool
    has_open: bool

    @property
    def key(self) -> str:
        """Tells mails with other marks apart."""
        return f"{'c' if self.has_clicks else ''}{'o' if self.has_open else ''}"

    def put_into(self, tree: nodes.Template) -> Tracked:
        """Mark a template, once what all its mails share is written in; `tree` is changed."""
        marking = _Marking(self.tracker.base, _bound(tree))
        outputs = [tree, *tree.find_all(nodes.Node)]
        written = [one for one in outputs if isinstance(one, nodes.Output)]
        if self.has_clicks:
            for one in written:
                marking.rewrite(one, marking.links_of)
        has_trap = self.has_clicks and self.tracker.tracking.honeypot and bool(self.tracker.trap)
        last = next((one for one in reversed(written) if END.search(_constant(one))), None)
        end = marking.end(has_trap=has_trap and last is not None, has_open=self.has_open)
        if last is not None and end:
            marking.rewrite(last, lambda text: _before_end(text, end))
        tree.set_environment(tree.environment)  # type: ignore[arg-type]
        sets, links = marking.sets(self.tracker.trap if has_trap and last is not None else "")
        return Tracked(
            base=self.tracker.base,
            sets=sets,
            own=tuple(marking.own),
            has_open=self.has_open and last is not None,
            links=links,
        )


def tracker(shop: Shop) -> Tracker | None:
    """What marks a shop's templates; None where it has no public address, or wants to know nothing.

    Nor where its address cannot be written in ASCII: then each of its mails is refused anyway.
    """
    wanted = shop.tracking
    is_wanted = wanted.clicks or wanted.opens is not Opens.OFF
    if not shop.public_url.startswith("https://") or not is_wanted:
        return None
    try:
        base = wire_url(shop.public_url.rstrip("/"))
    except UnsafeHeader:
        return None
    return Tracker(base=base, tracking=wanted, trap=tracking.target(shop.url))


class _Marking:
    """One template, being marked."""

    def __init__(self, base: str, bound: frozenset[str]) -> None:
        self.base = base
        self.bound = bound
        self.shared: dict[str, int] = {}
        self.own: list[tuple[int, tuple[Piece, ...]]] = []
        self.items: list[nodes.Expr] = []

    def rewrite(self, output: nodes.Output, change: Callable[[str], str]) -> None:
        """Change the text of an output; what is not text stands in it as marks."""
        self.items = []
        text = "".join(map(self._seen, output.nodes))
        if any("\x01" in one.data for one in output.nodes if isinstance(one, nodes.TemplateData)):
            return
        changed = change(text)
        if changed == text:
            return
        parts = MARK.split(changed)  # text, number, text, number ... text
        output.nodes = [
            self.items[int(part)] if place % 2 else nodes.TemplateData(part, lineno=output.lineno)
            for place, part in enumerate(parts)
            if place % 2 or part
        ]

    def _seen(self, node: nodes.Expr) -> str:
        if isinstance(node, nodes.TemplateData):
            return node.data
        if isinstance(node, nodes.Const):
            return str(escape(node.value))
        return self._mark(node)

    def _mark(self, node: nodes.Expr) -> str:
        self.items.append(node)
        return f"\x01{len(self.items) - 1}\x02"

    def gap(self, name: str) -> str:
        """A place for one of our values."""
        return self._mark(nodes.Name(name, "load", lineno=1))

    def links_of(self, text: str) -> str:
        """The text with its links led past us."""
        parts, done = [], 0
        for match in HREF.finditer(text):
            group = 1 if match[1] is not None else 2
            led = self._led(match[group])
            if led:
                parts += [text[done : match.start(group)], led]
                done = match.end(group)
        return "".join([*parts, text[done:]])

    def _led(self, content: str) -> str:
        """What stands in place of a link; empty where it stays."""
        pieces = self._pieces(content)
        if pieces is None or len(self.shared) + len(self.own) >= MOST:
            return ""
        if any(isinstance(one, tuple) for one in pieces):
            place = MOST - 1 - len(self.own)  # from behind: those that are shared come from before
            self.own.append((place, pieces))
            return self.gap(BASES[place]) + self.gap(LINKS[place])
        address = tracking.target("".join(map(str, pieces)).strip())
        if not address:
            return ""
        place = self.shared.setdefault(address, len(self.shared))
        return f"{self.base}/c/{self.gap(LINKS[place])}"

    def _pieces(self, content: str) -> tuple[Piece, ...] | None:
        """A link's parts; None where it has one that we do not understand."""
        found: list[Piece] = []
        for place, part in enumerate(MARK.split(content)):
            if not place % 2:
                found.append(unescape(part))
                continue
            named = _field(self.items[int(part)])
            if named is None or named[0] in self.bound:
                return None
            found.append(named)
        return tuple(found)

    def end(self, *, has_trap: bool, has_open: bool) -> Callable[[], str] | None:
        """What stands at the end of the page; None: nothing."""
        if not has_trap and not has_open:
            return None

        def written() -> str:
            text = ""
            if has_trap:
                text += (
                    f'<a href="{self.base}/c/{self.gap(TRAP)}" style="display:none" '
                    'aria-hidden="true" tabindex="-1" rel="nofollow"></a>'
                )
            if has_open:
                text += (
                    f'<img src="{self.base}/o/{self.gap(OPEN)}.gif" width="1" height="1" alt="" '
                    'style="display:block;border:0;width:1px;height:1px;">'
                )
            return text

        return written

    def sets(
        self, trap: str
    ) -> tuple[tuple[tuple[bytes, tuple[tuple[str, str], ...]], ...], tuple[Link, ...]]:
        """The links by set, and all of them to be saved; `trap` is where the hidden one leads."""
        targets = list(self.shared)
        sets, links = [], []
        for begin in range(0, max(len(targets), 1 if trap else 0), HIDDEN):
            some = tuple(targets[begin : begin + HIDDEN])
            number = tracking.link_set(some or (trap,))
            known = [(tracking.number(number, place), one) for place, one in enumerate(some)]
            ends = [
                (LINKS[begin + place], f"/{tracking.code(link)}")
                for place, (link, _address) in enumerate(known)
            ]
            if trap and not begin:
                hidden = tracking.number(number, HIDDEN)
                known.append((hidden, trap))
                ends.append((TRAP, f"/{tracking.code(hidden)}"))
            about = tracking.set_bytes(tracking.number(number, 0))
            sets.append((about, tuple(ends)))
            links += known
        return tuple(sets), tuple(links)


def _before_end(text: str, written: Callable[[], str]) -> str:
    place = [match.start() for match in END.finditer(text)][-1]
    return f"{text[:place]}{written()}{text[place:]}"


def _constant(output: nodes.Output) -> str:
    return "".join(one.data for one in output.nodes if isinstance(one, nodes.TemplateData))


def _bound(tree: nodes.Template) -> frozenset[str]:
    """Names to which the template itself gives another meaning."""
    return frozenset(name.name for name in tree.find_all(nodes.Name) if name.ctx != "load")


def _field(node: nodes.Expr) -> tuple[str, str] | None:
    """Record and name of a field of the reader's; None for anything else."""
    if not isinstance(node, nodes.Getattr) or not isinstance(node.node, nodes.Name):
        return None
    record = KNOWN.get(node.node.name)
    if record not in OF_READER or node.attr not in FIELDS[record]:
        return None
    return node.node.name, node.attr


def _text(pieces: tuple[Piece, ...], values: Mapping[str, Any]) -> str | None:
    """The address for one mail; None where a record is missing."""
    found: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            found.append(piece)
            continue
        record = values.get(piece[0])
        if record is None:
            return None
        found.append(str(getattr(record, piece[1])))
    return "".join(found).strip()
