"""The structure of a mail: entities with raw headers, and the text or the entities within.

It reads whatever bytes come as the standard library's parser does, faults of senders included (the
tests hold both against each other), in a seventh of its time: lines are looked at once, a boundary
needs no pattern of its own, and nothing is kept that nobody asks for. Half of the time that a mail
takes from its bytes to its meaning was spent there.
"""

from __future__ import annotations

import base64
import binascii
import re
from email.charset import UNKNOWN8BIT
from email.header import Header
from email.message import Message
from email.utils import collapse_rfc2231_value, unquote
from io import StringIO

#: Deeper entities, and more groups of fields in one report, are no mail: they are left unread.
DEPTH = 24
GROUPS = 2_000

#: A line that belongs to headers: a name with its colon, a continuation, or mbox's own line.
_OF_HEADERS = re.compile(r"From |([!-9;-~]*):|[\t ]")
_UUENCODED = ("x-uuencode", "uuencode", "uue", "x-uue")

#: As the standard library tells a parameter: text, or charset, language and text (RFC 2231).
ParamValue = str | tuple[str | None, str | None, str]


class Entity:
    """A mail, or a part of one (RFC 2045)."""

    __slots__ = ("_first", "_params", "children", "headers", "kind", "payload")

    def __init__(self, headers: list[tuple[str, str]], default_type: str = "text/plain") -> None:
        #: Names and values as they came, raw bytes as lone surrogates.
        self.headers = headers
        self._first = {name.lower(): value for name, value in reversed(headers)}
        self._params: dict[str, list[tuple[str, ParamValue]]] = {}
        #: The content type in lower case.
        self.kind = self._kind(default_type)
        self.payload = ""
        #: What lies within a multipart or a message; None for a leaf, whose `payload` is its text.
        self.children: list[Entity] | None = None

    def get(self, name: str) -> str | None:
        """The first header called `name` (lower case); raw bytes in it as U+FFFD."""
        value = self._first.get(name)
        return value if value is None or value.isascii() else _without_bytes(value, name)

    def params(self, header: str = "content-type") -> list[tuple[str, ParamValue]]:
        """The value itself, then the parameters of a header; none where the header is missing."""
        found = self._params.get(header)
        if found is None:
            value = self.get(header)
            found = [] if value is None else _params(value)
            self._params[header] = found
        return found

    def param(self, name: str, header: str = "content-type") -> ParamValue | None:
        """One parameter of a header."""
        for key, value in self.params(header):
            if key.lower() == name:
                return value
        return None

    @property
    def file_name(self) -> str:
        """The name that its sender gave it; empty for none."""
        name = self.param("filename", "content-disposition")
        if name is None:
            name = self.param("name")
        return "" if name is None else collapse_rfc2231_value(name).strip()

    @property
    def boundary(self) -> str | None:
        """What stands between the parts of a multipart."""
        told = self.param("boundary")
        return None if told is None else collapse_rfc2231_value(told).rstrip()

    def content(self) -> bytes:
        """The bytes of a leaf, its transfer encoding undone as far as it can be."""
        raw = self.payload.encode("ascii", "surrogateescape")
        encoding = (self.get("content-transfer-encoding") or "").lower()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        if encoding == "base64":
            return _from_base64(b"".join(raw.splitlines()))
        return _from_uu(self.payload, raw) if encoding in _UUENCODED else raw

    def _kind(self, default_type: str) -> str:
        value = self.get("content-type")
        if value is None:
            return default_type
        kind = value.partition(";")[0].strip().lower()
        return kind if kind.count("/") == 1 else "text/plain"


def parse(text: str) -> Entity:
    """The mail in `text`.

    Raises:
        ValueError, TypeError: a parameter that is beyond repair.
    """
    lines = StringIO(text, newline="").readlines()
    return _Parser(lines).entity(0, len(lines), "text/plain", DEPTH)


class _Parser:
    """Reads entities from lines; each knows the line before which it must end."""

    __slots__ = ("dashed", "last", "lines")

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        #: Where a line begins with two dashes: nothing else is a boundary.
        self.dashed: list[int] | None = None
        #: The entity that was begun last: the line end before a boundary is none of its own.
        self.last: Entity | None = None

    def entity(self, place: int, limit: int, default_type: str, depth: int) -> Entity:
        headers, place = self._headers(place, limit)
        entity = Entity(headers, default_type)
        self.last = entity
        major = entity.kind.partition("/")[0]
        if major not in ("message", "multipart"):
            entity.payload = "".join(self.lines[place:limit])
        elif depth == 0:
            entity.children = []
        elif major == "multipart":
            self._parts(entity, place, limit, depth - 1)
        elif entity.kind == "message/delivery-status":
            self._groups(entity, place, limit, depth - 1)
        else:
            entity.children = [self.entity(place, limit, "text/plain", depth - 1)]
        return entity

    def _headers(self, place: int, limit: int) -> tuple[list[tuple[str, str]], int]:
        """The headers from `place`, and where the body begins."""
        lines = self.lines
        first, envelope = place, -1
        found: list[tuple[str, str]] = []
        name, value = "", ""
        while place < limit:
            line = lines[place]
            told = _OF_HEADERS.match(line)
            if told is None:
                break
            if told.lastindex is None and line[0] != "F":  # it goes on
                value += line if name else ""
            else:
                if name:
                    found.append((name, value.rstrip("\r\n")))
                name, value = told[1] or "", line[told.end() :].lstrip(" \t")
                envelope = place if told.lastindex is None else -1  # mbox's, and no header
            place += 1
        if name:
            found.append((name, value.rstrip("\r\n")))
        end = place
        if place < limit and lines[place][0] in "\r\n":
            place += 1
        if first < envelope == end - 1:  # the body begins with the word
            place -= 1
            lines[place] = lines[envelope]
        return found, place

    def _parts(self, entity: Entity, place: int, limit: int, depth: int) -> None:
        boundary = entity.boundary
        marks = [] if boundary is None else self._marks(f"--{boundary}", place, limit)
        if not marks or marks[0][1]:
            end = marks[0][0] if marks else limit
            entity.payload = "".join(self.lines[place:end])
            return
        entity.children = []
        inner = "message/rfc822" if entity.kind == "multipart/digest" else "text/plain"
        count = 0
        while count < len(marks) and not marks[count][1]:
            place = marks[count][0]
            while count < len(marks) and marks[count][0] == place:  # one upon another
                place, count = place + 1, count + 1
            end = marks[count][0] if count < len(marks) else limit
            entity.children.append(self.entity(place, end, inner, depth))
            self._end_before_mark()
            self.last = entity

    def _marks(self, separator: str, place: int, limit: int) -> list[tuple[int, bool]]:
        """The lines that are this boundary, and whether each is the last one."""
        if self.dashed is None:
            self.dashed = [n for n, line in enumerate(self.lines) if line.startswith("--")]
        found = []
        for number in self.dashed:
            if not place <= number < limit or not self.lines[number].startswith(separator):
                continue
            rest = self.lines[number][len(separator) :]
            is_last = rest.startswith("--")
            if not (rest[2:] if is_last else rest).strip(" \t\r\n"):
                found.append((number, is_last))
        return found

    def _end_before_mark(self) -> None:
        """The line end before a boundary belongs to the boundary (RFC 2046)."""
        last = self.last
        if last is None or last.children is not None or last.kind.startswith("multipart/"):
            return
        if last.payload.endswith("\r\n"):
            last.payload = last.payload[:-2]
        elif last.payload.endswith(("\r", "\n")):
            last.payload = last.payload[:-1]

    def _groups(self, entity: Entity, place: int, limit: int, depth: int) -> None:
        """The groups of fields of a delivery report, blank lines between them."""
        entity.children = []
        while len(entity.children) < GROUPS:
            end = place
            while end < limit and self.lines[end][0] not in "\r\n":
                end += 1
            entity.children.append(self.entity(place, end, "text/plain", depth))
            place = end + 1
            if place >= limit:
                return


def _params(value: str) -> list[tuple[str, ParamValue]]:
    if "*" in value:
        return _params_rfc2231(value)
    found: list[tuple[str, ParamValue]] = []
    for piece in _pieces(value) if '"' in value else value.split(";"):
        name, _equals, told = piece.partition("=")
        name = name.strip()
        found.append((name.lower() if _equals else name, unquote(told.strip())))
    return found


def _pieces(value: str) -> list[str]:
    """`value` cut at semicolons that are not between quotation marks."""
    found: list[str] = []
    while True:
        end = value.find(";")
        while end > 0 and (value.count('"', 0, end) - value.count('\\"', 0, end)) % 2:
            end = value.find(";", end + 1)
        if end < 0:
            return [*found, value]
        found.append(value[:end])
        value = value[end + 1 :]


def _params_rfc2231(value: str) -> list[tuple[str, ParamValue]]:
    """In several pieces, or with a charset: rare, and best left to the library."""
    message = Message()
    message["content-type"] = value
    found: list[tuple[str, ParamValue]] = []
    found += message.get_params([])
    return found


def _without_bytes(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        return str(Header(value, charset=UNKNOWN8BIT, header_name=name))
    return value


def _from_base64(raw: bytes) -> bytes:
    """What can be read of it: strictly, then without strange letters, then with padding."""
    missing = b"=" * (-len(raw) % 4)
    for content, is_strict in ((raw + missing, True), (raw, False), (raw + b"==", False)):
        try:
            return base64.b64decode(content, validate=is_strict)
        except binascii.Error:
            continue
    return raw


def _from_uu(payload: str, raw: bytes) -> bytes:
    message = Message()
    message["content-transfer-encoding"] = "x-uuencode"
    message.set_payload(payload)
    content = message.get_payload(decode=True)
    return content if isinstance(content, bytes) else raw
