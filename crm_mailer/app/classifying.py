"""Says what mails are and what they want, file by file, without a shop and without keeping any."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO

from crm_mailer import home as homes
from crm_mailer.app.wiring import open_app
from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import beside_wish, complaints, kinds, letters
from crm_mailer.listening.kinds import SortedMail
from crm_mailer.listening.letters import Letter, Part
from crm_mailer.model.errors import NotFound, SourceError
from crm_mailer.model.json_reasons import reason
from crm_mailer.model.reply import Evidence, Intent, ReplyKind
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.words import Words

#: The longest line of JSON, and the longest mail, that is read.
LINE_BYTES = 4 * 1024 * 1024
MAIL_BYTES = 32 * 1024 * 1024

_ASKED = {Intent.COMPLAINT: "complaint", Intent.QUESTION: "question", Intent.PRAISE: "praise"}
#: A plain wish to cancel is neither question nor complaint.
_OTHER = {"ask.cancel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """One mail, understood: what `inbox classify --json` prints."""

    kind: str
    intent: str
    reasons: tuple[str, ...] = ()
    severity: str | None = None
    asks: str = "none"
    own_text: str = ""
    language: str = ""
    score: float = 0.0
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file or a line that is no mail: where, and why not."""

    where: str
    why: str
    hint: str = ""


def words_of(given_home: str | None) -> Words:
    """The shop's word files; those that ship where there is no shop and none was named.

    Raises:
        NotFound: the named folder is no shop.
        DefinitionError: a word file of the shop is wrong.
    """
    try:
        homes.find_home(given_home)
    except NotFound:
        if given_home:
            raise
        return read_words()
    app = open_app(given_home)
    try:
        return app.words
    finally:
        app.close()


def classify(
    names: Iterable[str], stdin: BinaryIO, words: Words, now: datetime
) -> Iterator[Classified | Unreadable]:
    """Each mail of the files in turn, read as it is asked for.

    Args:
        names: files; `-` is `stdin`. One that begins with `{` holds JSON lines, others one mail.
        stdin: bytes.
        words: the word files.
        now: the present instant, for the day of return of automatic answers.
    """
    for name in names:
        try:
            with _opened(name, stdin) as file:
                yield from _file(name, file, words, now)
        except OSError as error:
            why = Sentence("cannot be read: {why}", why=error.strerror or error)
            yield Unreadable(where=name, why=why)


def classify_letter(letter: Letter, words: Words, now: datetime, language: str = "") -> Classified:
    """What a mail is, and what a person's mail says."""
    sorted_ = kinds.sort(letter, words, None, now)
    if sorted_.kind not in (ReplyKind.HUMAN, ReplyKind.UNSUBSCRIBE):
        return Classified(
            kind=sorted_.kind.value,
            intent=Intent.OTHER.value,
            own_text=sorted_.own_text,
            language=language,
            evidence=tuple(_machine_evidence(sorted_)),
        )
    text = complaints.with_subject(letter.subject, sorted_.own_text)
    said = complaints.understand(text, words, customer_language=language)
    if sorted_.kind is ReplyKind.UNSUBSCRIBE:
        said = beside_wish.without_wish(said, sorted_.own_text, words)
    finest = said.finest
    kind = _ASKED.get(said.intent, "other") if finest not in _OTHER else "other"
    return Classified(
        kind=kind if sorted_.kind is ReplyKind.HUMAN else sorted_.kind.value,
        intent=finest,
        reasons=tuple(code for code in said.reasons if code in words.reasons),
        severity=said.severity.value if said.severity else None,
        asks=said.asks,
        own_text=sorted_.own_text,
        language=said.language,
        score=said.score,
        evidence=(*_machine_evidence(sorted_), *said.evidence),
    )


def _opened(name: str, stdin: BinaryIO) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(stdin) if name == "-" else Path(name).open("rb")


def _file(
    name: str, file: IO[bytes], words: Words, now: datetime
) -> Iterator[Classified | Unreadable]:
    head = _first_line(file)
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        raw = head + file.read(MAIL_BYTES + 1 - len(head))
        if not raw.strip():
            yield Unreadable(where=name, why=Sentence("is empty"))
        elif len(raw) > MAIL_BYTES:
            most = MAIL_BYTES // 1024**2
            yield Unreadable(where=name, why=Sentence("is larger than {number} MB", number=most))
        else:
            yield classify_letter(letters.read(raw), words, now)
        return
    number = 1 + head.count(b"\n") - head.endswith(b"\n")
    line = head.rsplit(b"\n", 2)[-2 if head.endswith(b"\n") else -1]
    while line:
        if line.strip():
            yield _line(f"{name}:{number}", line, words, now)
        line, number = file.readline(LINE_BYTES), number + 1


def _first_line(file: IO[bytes]) -> bytes:
    """Up to the first line that says something."""
    head = b""
    while len(head) < LINE_BYTES and (line := file.readline(LINE_BYTES)):
        head += line
        if line.strip():
            break
    return head


def _line(where: str, line: bytes, words: Words, now: datetime) -> Classified | Unreadable:
    try:
        subject, body, language = _told(line)
    except SourceError as error:
        return Unreadable(where=where, why=str(error), hint=error.hint)
    part = Part(kind="text/plain", text=body, size=len(body))
    headers = (("subject", " ".join(subject.split())),) if subject else ()
    return classify_letter(Letter(headers=headers, parts=(part,)), words, now, language)


def _told(line: bytes) -> tuple[str, str, str]:
    """Subject, body and language of one line.

    Raises:
        SourceError: it is no JSON object with a text `body`.
    """
    example = Sentence(
        'a line is such as {"subject": "Re: order 12", "body": "Where is it?", "lang": "en"}'
    )
    try:
        told: Any = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SourceError(
            Sentence("is not UTF-8 text (byte {number})", number=error.start), hint=example
        ) from error
    except (ValueError, RecursionError) as error:
        if len(line) >= LINE_BYTES:
            most = LINE_BYTES // 1024**2
            raise SourceError(
                Sentence("the line is longer than {number} MB", number=most), hint=example
            ) from error
        raise SourceError(
            Sentence("is not JSON: {why}", why=reason(error)), hint=example
        ) from error
    body = told.get("body", told.get("text")) if isinstance(told, dict) else None
    if not isinstance(body, str):
        raise SourceError("has no text `body`", hint=example)
    subject, language = told.get("subject") or "", told.get("lang") or ""
    if not isinstance(subject, str) or not isinstance(language, str):
        raise SourceError("`subject` and `lang` are texts", hint=example)
    return subject, body, language[:2].casefold()


def _machine_evidence(sorted_: SortedMail) -> Iterator[Evidence]:
    if sorted_.evidence is not None:
        yield sorted_.evidence
    for bounce in sorted_.bounces:
        said = " ".join(f"{bounce.recipient} {bounce.status} {bounce.diagnostic}".split())
        yield Evidence(code=f"bounce.{bounce.reason.value}", weight=5.0, words=said[:200])
