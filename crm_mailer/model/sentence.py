"""A sentence that is composed of parts and can still be said in another language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

#: Why it did not work, as the system and libraries tell us: the few whole texts that we translate
#: wherever one is a part of a sentence.
FROM_OUTSIDE = frozenset({
    "Address already in use",
    "Broken pipe",
    "Cannot assign requested address",
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "Could not parse SQLAlchemy URL from given URL string",
    "Device or resource busy",
    "Directory not empty",
    "Disk quota exceeded",
    "Exec format error",
    "File exists",
    "File name too long",
    "File too large",
    "Input/output error",
    "Invalid argument",
    "Is a directory",
    "Name or service not known",
    "Network is unreachable",
    "No address associated with hostname",
    "No route to host",
    "No space left on device",
    "No such file or directory",
    "Not a directory",
    "Operation not permitted",
    "Permission denied",
    "Read-only file system",
    "Temporary failure in name resolution",
    "Text file busy",
    "Too many levels of symbolic links",
    "Too many open files",
    "attempt to write a readonly database",
    "database disk image is malformed",
    "database or disk is full",
    "disk I/O error",
    "file is not a database",
    "timed out",
    "unable to open database file",
})  # fmt: skip


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
                parts[name] = _told(part)
        self = super().__new__(cls, pattern.format(**parts) if parts else pattern)
        self.pattern, self.parts = pattern, parts
        return self

    def __str__(self) -> Self:
        """Itself: `str` would forget what it is made of."""
        return self

    def said(self, translate: Callable[[str], str]) -> str:
        """The sentence in the language into which `translate` puts a text."""
        parts = {name: _said(part, translate) for name, part in self.parts.items()}
        pattern = translate(self.pattern)
        return pattern.format(**parts) if parts else pattern


def _said(part: object, translate: Callable[[str], str]) -> object:
    """A part of a sentence as it stands in the sentence of another language."""
    if isinstance(part, Sentence):
        return part.said(translate)
    return translate(part) if isinstance(part, str) and part in FROM_OUTSIDE else part


def _told(error: BaseException) -> str:
    """What an error says; the reason that a system gives is a part of its own."""
    said = str(error)
    if isinstance(error, OSError) and error.strerror in FROM_OUTSIDE:
        number, why, file = error.errno, error.strerror, error.filename
        told = Sentence("[Errno {number}] {why}", number=number, why=why)
        if file is not None:
            told = Sentence("{error}: {file}", error=told, file=repr(file))
        return told if told == said else said
    return said


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
        return self.between.join(str(_said(part, translate)) for part in self.parts.values())
