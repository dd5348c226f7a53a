"""Reads a template with its includes as one text that still knows where each letter came from."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.faults import TemplateFault

MAX_FILE_BYTES = 256_000
MAX_EXPANDED = 500_000
MAX_DEPTH = 8
MAX_INCLUDES = 100

INCLUDE = re.compile(r"<mj-include\b([^>]*?)/?>(?:\s*</mj-include\s*>)?", re.IGNORECASE)
ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
#: Comments for people. Conditional comments (`<!--[if mso]>`) are markup and stay.
COMMENT = re.compile(r"<!--(?!\s*\[if)(?!<!\[endif).*?-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file, counted from 1, with the line itself."""

    file: str
    line: int
    column: int
    source: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the whole text that was taken from one file."""

    start: int
    offset: int
    file: str
    text: str


class Source:
    """A template's text with all its includes in place; `locate` leads back to the files."""

    def __init__(self, chunks: list[Chunk], text: str) -> None:
        self.text = text
        self._chunks = chunks
        self._starts = [chunk.start for chunk in chunks]

    @property
    def origins(self) -> list[tuple[str, int, int]]:
        """File, its offset and the place in the whole text of each stretch."""
        return [(one.file, one.offset, one.start) for one in self._chunks]

    def locate(self, position: int) -> Place:
        """The place in its file of the letter at `position`."""
        chunk = self._chunks[max(0, bisect_right(self._starts, position) - 1)]
        return place_in(chunk.file, chunk.text, chunk.offset + position - chunk.start)

    def problem(
        self,
        code: str,
        message: str,
        position: int,
        *,
        help: str = "",
        width: int = 1,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        """A fault at `position` of the whole text."""
        return problem_at(
            self.locate(position), code, message, help=help, width=width, severity=severity
        )


@lru_cache(256)
def without_comments(text: str) -> tuple[str, tuple[re.Match[str], ...]]:
    """A file's text with blanks for its comments, and its includes: many files have one part."""
    blanked = COMMENT.sub(_blank, text)
    return blanked, tuple(INCLUDE.finditer(blanked))


def place_in(file: str, text: str, offset: int) -> Place:
    """Line and column of `offset` in one file's text."""
    offset = min(max(offset, 0), len(text))
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return Place(
        file=file,
        line=text.count("\n", 0, offset) + 1,
        column=offset - begin + 1,
        source=text[begin : end if end >= 0 else None],
    )


def problem_at(
    place: Place,
    code: str,
    message: str,
    *,
    help: str = "",
    width: int = 1,
    severity: Severity = Severity.ERROR,
) -> Problem:
    """A fault at a place."""
    return Problem(
        code=code,
        message=message,
        file=place.file,
        line=place.line,
        column=place.column,
        width=width,
        source=place.source,
        help=help,
        severity=severity,
    )


def read(path: Path, root: Path) -> Source:
    """The template at `path` with every `<mj-include>` expanded.

    Raises:
        TemplateFault: a file is missing, too large, not UTF-8, outside `root`, or includes itself.
    """
    reader = _Reader(root.resolve())
    if not path.resolve().is_relative_to(reader.root):
        shown = reader.name(path.parent.resolve() / path.name)
        message = "the file is a link to a place outside the template folder"
        raise TemplateFault(Problem(code="CRM201", file=shown, message=message))
    reader.take(path.resolve(), None, ())
    if not reader.chunks:  # an empty file: its faults stand at its beginning
        reader.chunks.append(Chunk(0, 0, reader.name(path.resolve()), ""))
    return Source(reader.chunks, "".join(reader.parts))


class _Reader:
    """Collects the text of a template and its includes, depth first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside = f"{root}{os.sep}"
        self._base = len(self._inside) - len(root.name) - 1
        self.chunks: list[Chunk] = []
        self.parts: list[str] = []
        self.length = 0
        self.includes = 0

    def take(self, path: Path, asked: Problem | None, above: tuple[Path, ...]) -> None:
        file, done = self.name(path), 0
        text = _text_of(path, file, asked)
        blanked, includes = without_comments(text)
        for match in includes:
            self.add(file, text, blanked[done : match.start()], done)
            self.include(match, path, text, (*above, path))
            done = match.end()
        self.add(file, text, blanked[done:], done)

    def include(self, match: re.Match[str], path: Path, text: str, above: tuple[Path, ...]) -> None:
        place = place_in(self.name(path), text, match.start())
        width = match.end() - match.start()
        wanted = {
            m[1].lower(): m[2] if m[2] is not None else m[3] for m in ATTRIBUTE.finditer(match[1])
        }
        target = (path.parent / wanted.get("path", "")).resolve()
        self.includes += 1
        if fault := self._refusal(wanted, target, above):
            raise TemplateFault(problem_at(place, "CRM201", fault, width=width))
        asked = problem_at(
            place,
            "CRM201",
            Sentence("the included file `{path}` does not exist", path=wanted["path"]),
            width=width,
            help="the path is relative to the file that includes it",
        )
        self.wrapped(wanted.get("type", "mjml"), wanted, target, asked, above)

    def _refusal(self, wanted: dict[str, str], target: Path, above: tuple[Path, ...]) -> str:
        if not wanted.get("path"):
            return Sentence("mj-include needs a path")
        if not self._is_inside(str(target)) or Path(wanted["path"]).is_absolute():
            path = wanted["path"]
            return Sentence("the included file `{path}` is outside the template folder", path=path)
        if target in above:
            names = " -> ".join(p.name for p in (*above[above.index(target) :], target))
            return Sentence("the file includes itself: {names}", names=names)
        if wanted.get("type", "mjml") not in {"mjml", "css", "html"}:
            return Sentence(
                "mj-include knows the types mjml, css and html, not `{type}`", type=wanted["type"]
            )
        if len(above) > MAX_DEPTH:
            return Sentence("includes are nested deeper than {most}", most=MAX_DEPTH)
        if self.includes > MAX_INCLUDES:
            return Sentence("more than {most} includes", most=MAX_INCLUDES)
        return ""

    def wrapped(
        self,
        kind: str,
        wanted: dict[str, str],
        target: Path,
        asked: Problem,
        above: tuple[Path, ...],
    ) -> None:
        """Take the file in, dressed as MJML where it is CSS or HTML."""
        before, after = "", ""
        if kind == "css":
            inline = ' inline="inline"' if wanted.get("css-inline") == "inline" else ""
            before, after = f"<mj-style{inline}>", "</mj-style>"
        elif kind == "html":
            before, after = "<mj-raw>", "</mj-raw>"
        file, text = asked.file, ""
        self.add(file, text, before, 0)
        self.take(target, asked, above)
        self.add(file, text, after, 0)

    def add(self, file: str, text: str, part: str, offset: int) -> None:
        if not part:
            return
        self.chunks.append(Chunk(self.length, offset, file, text))
        self.parts.append(part)
        self.length += len(part)
        if self.length > MAX_EXPANDED:
            raise TemplateFault(
                Problem(
                    code="CRM202",
                    file=file,
                    message=Sentence(
                        "with its includes it is larger than {size} kB",
                        size=MAX_EXPANDED // 1000,
                    ),
                )
            )

    def name(self, path: Path) -> str:
        """How people know the file: from the template folder's own name on."""
        whole = str(path)
        return whole[self._base :].replace(os.sep, "/") if self._is_inside(whole) else whole

    def _is_inside(self, whole: str) -> bool:
        """Whether a resolved path lies below the template folder: texts are compared sooner."""
        return whole.startswith(self._inside)


def _text_of(path: Path, name: str, asked: Problem | None) -> str:
    missing = asked or Problem(code="CRM201", file=name, message="the template does not exist")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TemplateFault(
                Problem(
                    code="CRM202",
                    file=name,
                    message=Sentence(
                        "the file is larger than {size} kB",
                        size=MAX_FILE_BYTES // 1000,
                    ),
                )
            )
        text = path.read_bytes().decode("utf-8-sig")
    except OSError:
        raise TemplateFault(missing) from None
    except UnicodeDecodeError as error:
        raise TemplateFault(
            Problem(
                code="CRM203",
                file=name,
                message=Sentence("the file is not UTF-8 text (byte {offset})", offset=error.start),
                help="save it as UTF-8 in your editor",
            )
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _blank(match: re.Match[str]) -> str:
    """As many blanks as the comment had letters, so that places stay true."""
    return "".join("\n" if letter == "\n" else " " for letter in match[0])
