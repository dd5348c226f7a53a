"""Reads the blocks of a rule, such as `bought`, `mailed`, `entered` and `rose`; and days."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import date
from decimal import Decimal
from typing import Any

from crm_mailer.definitions.files import Fault, Node
from crm_mailer.definitions.list_reader import ListFolder, read_list
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean
from crm_mailer.definitions.rule_values import is_turned, odd_campaign
from crm_mailer.definitions.tree import WHOLE
from crm_mailer.definitions.written import duration
from crm_mailer.model.reply import Intent
from crm_mailer.model.segment_blocks import (
    MARKS,
    ONCE,
    Bounds,
    Contact,
    Day,
    Listed,
    Move,
    Passage,
    Purchase,
)
from crm_mailer.model.sentence import Sentence

MONEY = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AGO = re.compile(r"([0-9]{1,5}) ?([dw]) ago")
_DAYS = {"today": 0, "yesterday": 1}
#: Years in which a shop's facts can lie.
_YEARS = range(1970, 2201)
_MOST = 1_000_000
_COUNTS = ("at_least", "at_most", "above", "below", "between")


class BlockReader:
    """Reads one block after another and notes each fault at its place."""

    def __init__(
        self,
        problems: list[Problem],
        lists: ListFolder | None = None,
        segments: Collection[str] | None = None,
        campaigns: Collection[str] | None = None,
    ) -> None:
        self.campaigns = campaigns
        self.problems = problems
        self.lists = lists
        self.segments = segments

    def purchase(self, name: str, node: Node) -> Purchase:
        """What was bought, when, how much of it."""
        readers: dict[str, Callable[[Node], Any]] = {
            **dict.fromkeys(("sku", "category", "title"), self._text),
            **self._window_readers(),
            "orders": self._count,
            "pieces": self._count,
            "spent_usd": self._dollars,
        }
        parts = self._block(name, node, readers, "{category: Garden, within: 90d}")
        return Purchase(**_renamed(parts, within="within_days", spent_usd="spent_usd_cents"))

    def contact(self, name: str, node: Node) -> Contact:
        """Which mails passed, when, how many; `true` for any mail at all."""
        if node.kind == "text" and node.text == "true":
            return Contact()
        readers: dict[str, Callable[[Node], Any]] = {
            "campaign": self._campaign,
            **({"intent": self._intent} if name == "replied" else {}),
            **self._window_readers(),
            "times": self._count,
        }
        parts = self._block(name, node, readers, "{within: 30d}")
        return Contact(**{"times": ONCE, **_renamed(parts, within="within_days")})

    def move(self, name: str, node: Node) -> Move:
        """Which mark moved, since when, by how much."""
        readers: dict[str, Callable[[Node], Any]] = {
            "mark": self._mark,
            "within": self._within,
            "by": self._step,
        }
        parts = self._block(name, node, readers, "{mark: total, within: 30d}")
        for key in ("mark", "within"):
            if key not in parts and node.entries and key not in node.entries:
                self._fault(
                    node, "CRM105", Sentence("`{key}` is missing in `{name}`", key=key, name=name)
                )
        moved = _renamed(parts, within="within_days")
        return Move(**{"mark": "total", "within_days": 1, **moved})

    def passage(self, name: str, node: Node) -> Passage:
        """Which segment somebody came into or left, and when."""
        readers: dict[str, Callable[[Node], Any]] = {
            "segment": self.segment,
            **self._window_readers(),
        }
        parts = self._block(name, node, readers, "{segment: cooling, within: 7d}")
        if node.kind == "map" and node.entries and "segment" not in node.entries:
            self._fault(
                node,
                "CRM105",
                Sentence("`segment` is missing in `{name}`", name=name),
                "say which one",
            )
        return Passage(**{"segment": "", **_renamed(parts, within="within_days")})

    def segment(self, node: Node) -> str:
        """The id of a segment that there is."""
        if node.kind != "text" or node.is_null:
            self._fault(node, "CRM106", "`segment` is the id of a segment, or a list of them")
            return ""
        if self.segments is not None and node.text not in self.segments:
            remedy = did_you_mean(node.text, self.segments)
            self._fault(
                node, "CRM116", Sentence("there is no segment `{text}`", text=node.text), remedy
            )
        return node.text

    def listed(self, name: str, node: Node) -> Listed:
        """The list in a file beside the segments."""
        text = self._text(node)
        if text is None:
            return Listed(file="")
        if self.lists is None:
            what = Sentence("a `{name}` belongs into a segment", name=name)
            self._fault(node, "CRM107", what, "write a segment of it and use `segment:` here")
            return Listed(file=text)
        return read_list(text, self.lists, node, self.problems)

    def day(self, node: Node) -> Day | None:
        """A day such as 2026-11-20, `30d ago`, `today` or `yesterday`."""
        text = node.text.strip() if node.kind == "text" else ""
        if text in _DAYS:
            return _DAYS[text]
        if ago := _AGO.fullmatch(text):
            return int(ago[1]) * (7 if ago[2] == "w" else 1)
        if not _DAY.fullmatch(text):
            is_no_day = Sentence("`{shown}` is no day", shown=text)
            what = is_no_day if text else Sentence("a day belongs here")
            remedy = "such as 2026-11-20, 30d ago, today, yesterday"
            self._fault(node, "CRM111", what, remedy)
            return None
        try:
            found = date.fromisoformat(text)
        except ValueError:
            self._fault(node, "CRM111", Sentence("there is no day {text}", text=text))
            return None
        if found.year not in _YEARS:
            self._fault(
                node,
                "CRM111",
                Sentence("{text} is no day of a shop's life", text=text),
                "1970 to 2200",
            )
            return None
        return found

    # ------------------------------------------------------------------ parts of blocks

    def _block(
        self, name: str, node: Node, readers: dict[str, Callable[[Node], Any]], example: str
    ) -> dict[str, Any]:
        if node.kind != "map" or not node.entries:
            self._fault(
                node,
                "CRM106",
                Sentence("`{name}` is a block", name=name),
                Sentence("such as `{name}: {example}`", name=name, example=example),
            )
            return {}
        parts: dict[str, Any] = {}
        for key, value in node.entries.items():
            if key not in readers:
                what = Sentence("unknown key `{key}` in `{name}`", key=key, name=name)
                remedy = did_you_mean(key, readers)
                self.problems.append(node.problem("CRM104", what, key, key=True, help=remedy))
                continue
            read = readers[key](value)
            if read is not None:
                parts[key] = read
        if is_turned(parts.get("since"), parts.get("until")):
            what = Sentence(
                "`until` of `{name}` is before its `since`: nothing lies between them", name=name
            )
            self.problems.append(
                node.problem("CRM107", what, "until", help="change one of the two days")
            )
        return parts

    def _campaign(self, node: Node) -> str | None:
        text = self._text(node)
        odd = odd_campaign(text, self.campaigns) if text is not None else None
        if odd is not None:
            self.problems.append(
                node.problem("CRM143", odd.what, help=odd.remedy, severity=Severity.WARNING)
            )
        return text

    def _window_readers(self) -> dict[str, Callable[[Node], Any]]:
        return {"within": self._within, "since": self.day, "until": self.day}

    def _text(self, node: Node) -> str | None:
        if node.kind != "text" or not node.text.strip() or node.is_null:
            self._fault(node, "CRM106", "one value is needed here")
            return None
        return node.text.strip()

    def _within(self, node: Node) -> int | None:
        try:
            days = duration(node.text.strip()).days
        except Fault as fault:
            self._fault(node, fault.code, str(fault), "such as 90d or 4w")
            return None
        if days < 1:
            self._fault(node, "CRM110", "`within` is a day at least", "such as 90d or 4w")
        return days

    def _intent(self, node: Node) -> str | None:
        return self._one_of(node, "intent", [one.value for one in Intent])

    def _mark(self, node: Node) -> str | None:
        return self._one_of(node, "mark", MARKS)

    def _one_of(self, node: Node, name: str, known: Collection[str]) -> str | None:
        text = self._text(node)
        if text is not None and text not in known:
            what = Sentence("`{text}` is not known as `{name}`", text=text, name=name)
            self._fault(node, "CRM107", what, did_you_mean(text, known))
            return None
        return text

    def _step(self, node: Node) -> int | None:
        number = self._number(node)
        if number == 0:
            self._fault(node, "CRM107", "`by` is 1 at least")
        return number

    # ------------------------------------------------------------------ how many

    def _count(self, node: Node) -> Bounds | None:
        return self._bounds(node, self._number, 1)

    def _dollars(self, node: Node) -> Bounds | None:
        return self._bounds(node, self._cents, 1)

    def _bounds(self, node: Node, read: Callable[[Node], int | None], step: int) -> Bounds | None:
        """`3`, or a block of `at_least`, `at_most`, `above`, `below`, `between`."""
        if node.kind == "text":
            number = read(node)
            return None if number is None else Bounds(least=number, most=number)
        if not node.entries:
            self._fault(node, "CRM106", "a number, or `{at_least: 2}`, belongs here")
        ends = [self._ends(node, key, value, read, step) for key, value in node.entries.items()]
        least = max((low for low, _high in ends), default=0)
        most = min((high for _low, high in ends if high is not None), default=None)
        if most is not None and most < least:
            self._fault(node, "CRM107", "no number is as this says")
            return None
        return Bounds(least=least, most=most)

    def _ends(
        self, node: Node, key: str, value: Node, read: Callable[[Node], int | None], step: int
    ) -> tuple[int, int | None]:
        """From where to where one comparison goes."""
        if key not in _COUNTS:
            what = Sentence("`{key}` is no comparison here", key=key)
            remedy = did_you_mean(key, _COUNTS)
            self.problems.append(node.problem("CRM107", what, key, key=True, help=remedy))
            return 0, None
        if key == "between":
            return self._both_ends(value, read)
        number = read(value)
        if number is None:
            return 0, None
        if key in ("at_least", "above"):
            return number + (step if key == "above" else 0), None
        return 0, number - (step if key == "below" else 0)

    def _both_ends(self, node: Node, read: Callable[[Node], int | None]) -> tuple[int, int | None]:
        if node.kind != "list" or len(node.items) != 2:
            self._fault(node, "CRM106", "`between` needs two values: [low, high]")
            return 0, None
        low, high = (read(one) for one in node.items)
        return low or 0, high

    def _number(self, node: Node) -> int | None:
        text = self._text(node)
        if text is None:
            return None
        if not WHOLE.fullmatch(text):
            self._fault(
                node, "CRM106", Sentence("a whole number is needed here, not `{text}`", text=text)
            )
            return None
        if len(text) > 7 or not 0 <= int(text) <= _MOST:
            self._fault(
                node,
                "CRM107",
                Sentence(
                    "a number from 0 to {most} is needed, not `{text}`", most=_MOST, text=text
                ),
            )
            return None
        return int(text)

    def _cents(self, node: Node) -> int | None:
        text = self._text(node)
        if text is None:
            return None
        if not MONEY.fullmatch(text):
            what = Sentence("an amount in US dollars is needed here, not `{text}`", text=text)
            self._fault(node, "CRM106", what, "such as 250 or 99.50")
            return None
        return int(Decimal(text) * 100)

    def _fault(self, node: Node, code: str, message: str, remedy: str = "") -> None:
        self.problems.append(node.problem(code, message, help=remedy))


def _renamed(parts: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in parts.items()}
