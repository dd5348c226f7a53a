"""A sentence that is composed of parts and can still be said in another language."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Self

from crm_mailer.model.system_texts import SYSTEM_TEXTS

#: What stands between two parts, as English writes it: texts of the catalogue, too.
MARKS = (", ", "; ", ": ")
#: A blank that Chinese has not: beside its signs, and between two of its letters.
_NO_BLANK = re.compile(
    "(?<=[，。；：！？（）、]) | (?=[，。；：！？（）、])|(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])"
)


class Sentence(str):
    """English text that remembers what it was made of: to programs it is plain text.

    Rooms know no languages. What they say to people is such a sentence, and whoever shows it
    has `pattern` and the parts translated (`said`).
    """

    __slots__ = ("parts", "pattern")

    pattern: str
    parts: dict[str, object]

    def __new__(cls, pattern: str, /, **parts: object) -> Self:
        """`pattern` has `{name}` for each of `parts`, which may be sentences or errors."""
        for name, part in parts.items():
            if isinstance(part, BaseException):  # what it says is wanted, not its traceback
                parts[name] = _of_error(part)
        self = super().__new__(cls, pattern.format(**parts) if parts else pattern)
        self.pattern, self.parts = pattern, parts
        return self

    def __str__(self) -> Self:
        """Itself: `str` would forget what it is made of."""
        return self

    def said(self, translate: Callable[[str], str]) -> str:
        """The sentence in the language into which `translate` puts a text."""
        parts = {name: part_said(part, translate) for name, part in self.parts.items()}
        pattern = translate(self.pattern)
        return pattern.format(**parts) if parts else pattern


def sentence(text: str) -> Sentence:
    """`text` as a sentence: itself, or plain text that a catalogue may have as it stands."""
    return text if isinstance(text, Sentence) else Sentence(text)


def either(names: Sequence[str]) -> Sentence:
    """`a or b or c`: names of which each would do."""
    first, *others = names
    said = sentence(first)
    for name in others:
        said = Sentence("{before} or {name}", before=said, name=name)
    return said


def pack(text: object) -> object:
    """A sentence as plain data that JSON can keep; other text and numbers as they are."""
    if isinstance(text, Sentences):
        return {"row": [pack(part) for part in text.parts.values()], "between": text.between}
    if isinstance(text, Sentence):
        return {
            "say": text.pattern,
            "with": {name: pack(part) for name, part in text.parts.items()},
        }
    return text if isinstance(text, int | float) else str(text)


def unpack(kept: object) -> str:
    """What `pack` made of a sentence, or of any text, as it was."""
    if isinstance(kept, dict) and "row" in kept:
        return Sentences(*map(unpack, kept["row"]), between=kept["between"])
    if isinstance(kept, dict):
        parts = {
            name: part if isinstance(part, int | float) else unpack(part)
            for name, part in kept["with"].items()
        }
        return Sentence(kept["say"], **parts)
    return str(kept)


#: What is said of a value that nobody knows.
NOT_KNOWN = Sentence("not known")


class Sentences(Sentence):
    """Several sentences in a row, each said for itself."""

    __slots__ = ("between",)

    between: str

    def __new__(cls, *sentences: str, between: str = " ") -> Self:
        """`sentences` with `between` between them; empty ones are passed over."""
        kept = [one for one in sentences if one]
        names = {f"part{place}": one for place, one in enumerate(kept)}
        pattern = between.join(f"{{{name}}}" for name in names)
        self = super().__new__(cls, pattern, **names)
        self.between = between
        return self

    def said(self, translate: Callable[[str], str]) -> str:
        """Each sentence in that language; the row itself is no text of the catalogue."""
        parts = [str(part_said(part, translate)) for part in self.parts.values()]
        said = translate(self.between).join(parts)
        has_blanks = translate(", ").endswith(" ")
        return said if has_blanks or self.between != " " else _tight(parts)


def _tight(parts: Sequence[str]) -> str:
    """Parts in a row, with blanks only where Chinese has them; within a part nothing changes."""
    said = parts[0] if parts else ""
    for before, part in itertools.pairwise(parts):
        said += _NO_BLANK.sub("", f"{before[-1:]} {part[:1]}")[len(before[-1:]) :] + part[1:]
    return said


def _of_error(error: BaseException) -> str:
    """What an error says; what the system says in it is a part, to be said in any language."""
    said = str(error)
    why = error.strerror if isinstance(error, OSError) else None
    if why not in SYSTEM_TEXTS or why not in said or isinstance(said, Sentence):
        return said
    before, _why, behind = said.partition(why)
    return Sentences(before, why, behind, between="")


def part_said(part: object, translate: Callable[[str], str]) -> object:
    """A part as it is said: a sentence and a text of the system's in that language."""
    if isinstance(part, BaseException):
        part = _of_error(part)
    if isinstance(part, Sentence):
        return part.said(translate)
    return translate(part) if isinstance(part, str) and part in SYSTEM_TEXTS else part
