"""From an MJML file to HTML that still holds its Jinja: once for each template and language."""

from __future__ import annotations

import hashlib
import html as entities
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from crm_mailer.model import language
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.rendering import clean, mjml_child, sources
from crm_mailer.rendering.context import SUBJECT
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.masking import Masked, Ruled, Tag, mask
from crm_mailer.rendering.sources import Source

#: One call of the child compiles at most so many templates in at most so many seconds.
BATCH, SECONDS = 200, 10
#: Of what is remembered on disk. Before 2, what MJML said against a template lay among it.
FORM = 2

ROOT = re.compile(r"<mjml\b([^>]*)>", re.IGNORECASE)
LANG_OR_DIR = re.compile(r"\s(?:lang|dir)\s*=\s*(?:\"[^\"]*\"|'[^']*')", re.IGNORECASE)
TITLE = re.compile(r"(<mj-title\b[^>]*>)(.*?)(</mj-title\s*>)", re.DOTALL | re.IGNORECASE)
HEAD = re.compile(r"<mj-head\b.*?</mj-head\s*>", re.DOTALL | re.IGNORECASE)
#: Blanks between two tags that do not begin with a line break.
BLANKS_BETWEEN = re.compile(r"(?<=>)[ \t]\s*(?=<)")
ATTRIBUTES = re.compile(r"<mj-attributes\b.*?</mj-attributes\s*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A template read and masked, ready for MJML. `title` is masked too: the subject."""

    name: str
    language: str
    source: Source
    masked: Masked
    mjml: str
    title: str
    #: Tags that MJML may drop: those of the title, and defaults of elements that are not used.
    optional: frozenset[int]
    #: Its Jinja alone, with lines that lead to places: the text between says nothing of it.
    ruled: Ruled

    @property
    def version(self) -> str:
        """A short hash of all that the template is made of."""
        return hashlib.sha256(self.source.text.encode()).hexdigest()[:12]


def draft(name: str, code: str, path: Path, root: Path) -> Draft:
    """Read and mask the template `name` in language `code`.

    Raises:
        TemplateFault: it cannot be read, or its Jinja is broken.
    """
    return draft_of(name, code, sources.read(path, root))


def draft_of(name: str, code: str, source: Source) -> Draft:
    """The same of a source that was read.

    Raises:
        TemplateFault: its Jinja is broken.
    """
    masked = mask(source)
    title, optional = "", set(_inside(ATTRIBUTES, masked))
    found = TITLE.search(masked.text)
    text = masked.text
    if found:
        title = clean.BLANKS.sub(" ", entities.unescape(found[2])).strip()
        optional |= {int(word[1]) for word in masked.word.finditer(found[2])}
        masked = replace(masked, tags=(*masked.tags, Tag(f"{{{{ {SUBJECT} }}}}", -1)))
        word = masked.word_for(len(masked.tags) - 1)
        text = text[: found.start(2)] + word + text[found.end(2) :]
    return Draft(
        name=name,
        language=code,
        source=source,
        masked=masked,
        mjml=_with_language(_broken_lines(text), code),
        title=title,
        optional=frozenset(optional),
        ruled=masked.tags_alone(),
    )


def _inside(region: re.Pattern[str], masked: Masked) -> list[int]:
    return [
        int(word[1])
        for stretch in region.finditer(masked.text)
        for word in masked.word.finditer(stretch[0])
    ]


def _broken_lines(mjml: str) -> str:
    """In the head the compiler takes blanks between tags for text, unless a line break comes first.

    Such blanks are the end of a line, or all that is left of a remark.
    """
    return HEAD.sub(lambda head: BLANKS_BETWEEN.sub("\n", head[0]), mjml, count=1)


def _with_language(mjml: str, code: str) -> str:
    direction = "rtl" if language.base(code) in language.RIGHT_TO_LEFT else "ltr"

    def opened(match: re.Match[str]) -> str:
        rest = LANG_OR_DIR.sub("", match[1])
        return f'<mjml lang="{code.replace("_", "-")}" dir="{direction}"{rest}>'

    return ROOT.sub(opened, mjml, count=1)


Child = subprocess.Popen[bytes]


class MjmlCompiler:
    """Compiles in a child process, and remembers what it compiled by content.

    Args:
        cache: folder in which results outlive the process; None keeps them in memory only.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._known: dict[str, str] = {}
        self._cache = cache
        self._version = version("mjml-python")
        self._spare: Child | None = None

    def keep_spare(self) -> None:
        """From now on have a child waiting: whoever edits shall not wait until one has started."""
        self._spare = self._spare or _start()

    def close(self) -> None:
        """Let the waiting child go."""
        if self._spare is not None:
            self._spare.kill()
            self._spare.communicate()
            self._spare = None

    def compile_all(self, texts: Sequence[str]) -> list[str | MjmlError]:
        """HTML, or what MJML said, for each text."""
        keys = [self._key(text) for text in texts]
        answers: dict[str, str | MjmlError] = {}
        todo: dict[str, str] = {}
        for key, text in zip(keys, texts, strict=True):
            known = self._known.get(key) or self._read(key)
            if known is None:
                todo[key] = text
            else:
                self._known[key] = answers[key] = known
        for key, answer in zip(todo, self._run(list(todo.values())), strict=True):
            answers[key] = answer
            if not isinstance(answer, MjmlError):  # which is a text, too, and no mail
                self._known[key] = answer
                self._write(key, answer)
        return [answers[key] for key in keys]

    def _run(self, texts: list[str]) -> list[str | MjmlError]:
        """One answer for each text; a text that kills the child gets an error, the rest go on."""
        answers: list[str | MjmlError] = []
        while len(answers) < len(texts):
            batch = texts[len(answers) : len(answers) + BATCH]
            got, end = _ask(self._spare or _start(), batch)
            answers += got
            if len(got) < len(batch):
                answers.append(Unanswered("{said}", said=end))
            if self._spare is not None:
                self._spare = _start()
        return answers

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{FORM}\0{self._version}\0{text}".encode()).hexdigest()

    def _read(self, key: str) -> str | None:
        if self._cache is None:
            return None
        try:
            html = (self._cache / f"{key}.html").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        return html if html.startswith("<") else None  # older programs kept what MJML said, too

    def _write(self, key: str, html: str) -> None:
        if self._cache is None:
            return
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            part = self._cache / f"{key}.part"
            part.write_text(html, encoding="utf-8")
            part.replace(self._cache / f"{key}.html")
        except OSError:  # a cache that cannot be written only costs time
            self._cache = None


class MjmlError(Sentence):
    """What MJML said against a template."""

    __slots__ = ()


class Unanswered(MjmlError):
    """That the compiler gave no answer. Of the next one there may be one."""

    __slots__ = ()


def _start() -> Child:
    """A child that waits for texts; it ends when nobody can send it any."""
    return subprocess.Popen(
        [sys.executable, "-P", str(Path(mjml_child.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def _ask(waiting: Child, texts: list[str]) -> tuple[list[str | MjmlError], Sentence]:
    """What the child answered before its end, and how it ended."""
    with waiting as child:
        try:
            out, err = child.communicate(json.dumps(texts).encode(), timeout=SECONDS)
            end = Sentence("the MJML compiler broke on it (exit {code})", code=child.returncode)
            if child.returncode > 0 and err:
                last = err.decode(errors="replace").strip().splitlines()[-1]
                end = Sentences(end, last, between=": ")
        except subprocess.TimeoutExpired:
            child.kill()
            out, _err = child.communicate()
            end = Sentence("the MJML compiler took longer than {seconds} seconds", seconds=SECONDS)
    return [_answer(row) for row in out.decode().splitlines()], end


def _answer(row: str) -> str | MjmlError:
    said = json.loads(row)
    return str(said["html"]) if "html" in said else MjmlError(said["error"])


INDENTED = re.compile(r"\n\s+")
#: Where blanks count.
KEPT = re.compile(r"<(?:pre|textarea)\b", re.IGNORECASE)


def tidy(html: str) -> str:
    """The same HTML without indentation: a tenth of what MJML writes is blanks."""
    return html if KEPT.search(html) else INDENTED.sub("\n", html)


def check_words(draft: Draft, html: str) -> None:
    """See that MJML kept every tag.

    Raises:
        TemplateFault: it dropped one; the message names its place.
    """
    kept = {int(word[1]) for word in draft.masked.word.finditer(html)}
    for number, tag in enumerate(draft.masked.tags):
        if number not in kept and number not in draft.optional and tag.position >= 0:
            raise TemplateFault(
                draft.source.problem(
                    "CRM220",
                    Sentence("MJML drops `{text}` here", text=tag.text),
                    tag.position,
                    width=len(tag.text),
                    help="write a number here; MJML computes with widths, heights and font links",
                )
            )


#: Where MJML says that it stood, in bytes; it does not always.
STOOD = re.compile(r" in root template(?: at position (\d+):\d+)?$")
#: What it stumbles over without a word: a `<` that begins no tag, a value without quotes.
STRAY = re.compile(r"<(?![A-Za-z/!?])|<mj-[\w-]+(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*"
                   r"\s+[\w:-]+\s*=\s*[^\s\"'>]")  # fmt: skip


def refuse(draft: Draft, error: MjmlError) -> TemplateFault:
    """What MJML said, as a fault of the template, near the place where it is."""
    stood = STOOD.search(error)
    own = draft.masked.plain(error[: stood.start()] if stood else error)
    said = error.parts.get("said", own)
    if stood and stood[1]:
        place = _tag_before(draft, int(stood[1]))
    else:
        stray = STRAY.search(draft.masked.blanked)
        place = stray.start() if stray else 0
    return TemplateFault(
        draft.source.problem(
            "CRM221", Sentence("MJML: {said}", said=said), place, help="is a tag not closed?"
        ),
        is_passing=isinstance(error, Unanswered),
    )


def _tag_before(draft: Draft, byte: int) -> int:
    """Where in the source the tag is at which, or behind which, MJML stood: they are counted."""
    before = draft.mjml.encode()[: byte + 1].count(b"<")
    begins = [match.start() for match in re.finditer("<", draft.masked.blanked)]
    return begins[before - 1] if len(begins) == draft.mjml.count("<") and before else 0
