"""In which encoding a text file is written: by its mark, by trying, by guessing last."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence

BLOCK = 1 << 20
#: Bytes that a guess is made from.
GUESSED_FROM = 256_000
#: Ideographs from which on their kind says something, and the share of common ones in real text.
FEW, LIKELY = 4, 0.6
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """An encoding that fits the whole file, how it was found, and the file's SHA-256."""

    encoding: str
    is_guess: bool
    digest: str


def find_encoding(path: Path, encodings: Sequence[str] = ()) -> Found:
    """The encoding of the file at `path`, tried on all of it.

    Raises:
        SourceError: none fits.
    """
    mark = _mark(path)
    if mark:
        digest, offset = _decodes(path, mark)
        if offset is None:
            return Found(mark, False, digest)
        raise _broken(path, mark, offset)
    digest, offset = _decodes(path, "utf-8")
    if offset is None:
        return Found("utf-8", False, digest)
    for name in encodings:
        if _is_known(name) and _decodes(path, name)[1] is None and _is_likely(path, name):
            return Found(name, False, digest)
    guess = _guess(path)
    if guess and _decodes(path, guess)[1] is None:
        return Found(guess, True, digest)
    raise _broken(path, "utf-8", offset)


def _broken(path: Path, name: str, offset: int) -> SourceError:
    return SourceError(
        Sentence(
            "the encoding of {path} cannot be found: it is not {name} (byte {offset:,})",
            path=path,
            name=name,
            offset=offset,
        ),
        hint="save it as CSV UTF-8, or name its encoding: `--encoding gb18030` (Chinese), "
        "`--encoding cp1251` (Russian)",
    )


def _mark(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    return next((name for mark, name in MARKS if head.startswith(mark)), "")


def _decodes(path: Path, name: str) -> tuple[str, int | None]:
    """The file's digest, and the first byte that does not fit (about), None when all do."""
    decoder = codecs.getincrementaldecoder(name)()
    digest, done, misfit = hashlib.sha256(), 0, None
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            if misfit is None:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    misfit = done + error.start
            done += len(block)
    if misfit is None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            misfit = done
    return digest.hexdigest(), misfit


def _is_known(name: str) -> bool:
    try:
        codecs.lookup(name)
    except LookupError:
        raise SourceError(
            Sentence("there is no encoding called `{name}`", name=name),
            hint="such as utf-8, gb18030, cp1251, cp1252, shift_jis",
        ) from None
    return True


def _is_likely(path: Path, name: str) -> bool:
    """Whether text read as Chinese is Chinese: nearly all letters of real text are common ones.

    Chinese encodings take nearly any bytes, so that Cyrillic or accented letters would pass as rare
    ideographs. The common ones, level 1 of GB 2312, have lead bytes B0 to D7.
    """
    if not codecs.lookup(name).name.startswith("gb"):
        return True
    with path.open("rb") as file:
        text = file.read(GUESSED_FROM).decode(name, errors="ignore")
    leads = [letter.encode(name)[0] for letter in text if "\u4e00" <= letter <= "\u9fff"]
    common = sum(0xB0 <= lead <= 0xD7 for lead in leads)
    return len(leads) < FEW or common >= len(leads) * LIKELY


def _guess(path: Path) -> str:
    from charset_normalizer import from_bytes

    with path.open("rb") as file:
        sample = file.read(GUESSED_FROM)
    if len(sample) == GUESSED_FROM:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    best = from_bytes(sample).best()
    return best.encoding if best is not None else ""
