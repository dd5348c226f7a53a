"""Bytes to text, whatever their sender said about them: a ladder that always ends in a text."""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from functools import lru_cache

from crm_mailer.listening import charset_guess

#: Names that mail programs write, and the wider codec that reads what they mean by it.
ALIASES = {
    **dict.fromkeys(("gb2312", "gb_2312-80", "gbk", "x-gbk", "cp936", "ms936"), "gb18030"),
    **dict.fromkeys(("ks_c_5601-1987", "ks_c_5601", "euc-kr", "euckr", "ksc5601"), "cp949"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("iso-8859-1", "iso8859-1", "latin1", "latin-1", "us-ascii"), "cp1252"),
    **dict.fromkeys(("ascii", "ansi_x3.4-1968", "x-ascii"), "cp1252"),
    **dict.fromkeys(("iso-2022-jp", "csiso2022jp"), "iso2022_jp_2"),
    "x-mac-cyrillic": "mac_cyrillic",
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-8-e": "iso8859_8",
    "x-unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "utf8": "utf-8",
    "hz-gb-2312": "hz",
    "big5-hkscs": "big5hkscs",
    "unicode-1-1-utf-7": "utf-7",
    "macintosh": "mac_roman",
    "x-mac-roman": "mac_roman",
}
#: Codecs that take almost any bytes: UTF-8 that is valid says more than they do.
_TAKES_ALL = {"cp1252", "utf-8"}
_ALLOWED = re.compile(
    r"utf[-_]?(?:8|16|32|7)(?:[-_]?[bl]e)?(?:_sig)?|(?:iso)?[-_]?8859[-_]\d+|cp\d+|koi8[-_][rut]|"
    r"gb18030|big5"
    r"(?:hkscs)?|hz|iso2022_(?:jp|kr)\w*|euc_(?:jp|kr)\w*|johab|mac_\w+|tis[-_]?620|windows[-_]\d+|"
    r"ptcp154"
)
#: Raw bytes, as the parser of headers keeps them.
_LONE = re.compile("[\udc80-\udcff]")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bqBQ])\?([^?]*)\?=")


def decode(raw: bytes, declared: str = "") -> str:
    """The text of `raw`: as declared, else UTF-8, else guessed, else Western with gaps."""
    if raw.isascii() and b"\x1b" not in raw and not _is_odd_ascii(declared):
        return raw.decode("ascii")
    codec = codec_of(declared)
    ladder = [codec, "utf-8"] if codec and codec not in _TAKES_ALL else ["utf-8", codec]
    for name in ladder:
        text = _strict(raw, name)
        if text is not None:
            return text
    return _guessed(raw) if codec is None else _most(raw, codec)


@lru_cache(maxsize=256)
def codec_of(declared: str) -> str | None:
    """The codec for a declared charset; None for one that we do not know or do not trust."""
    name = declared.strip("\"' \t").casefold()[:40]
    name = ALIASES.get(name, name)
    try:
        canonical = codecs.lookup(name).name.replace("-", "_")
    except (LookupError, ValueError):
        return None
    if not (_ALLOWED.fullmatch(name) or _ALLOWED.fullmatch(canonical)):
        return None
    return "utf-8" if canonical == "utf_8" else name


def decode_header(value: str, charset: str = "") -> str:
    """A header's text, one line: encoded words read, raw 8-bit bytes put through the ladder.

    Args:
        value: the header as it came, raw bytes as lone surrogates.
        charset: that of the body, which the sender's raw bytes are probably in.
    """
    if "=?" not in value and value.isascii():
        return " ".join(value.split())
    return " ".join(_encoded_words(value, charset).split())


def _encoded_words(text: str, body_charset: str) -> str:
    pieces: list[str] = []
    raw, charset, end = b"", "", 0
    for word in _WORD.finditer(text):
        between = text[end : word.start()]
        name = word[1].partition("*")[0]
        if raw and between.strip() == "" and name.casefold() == charset.casefold():
            raw += _word_bytes(word)  # a character may be split over two words
        else:
            pieces.append(decode(raw, charset) if raw else "")
            is_blank = raw and not between.strip()
            pieces.append("" if is_blank else _from_raw(between, body_charset))
            raw, charset = _word_bytes(word), name
        end = word.end()
    pieces += [decode(raw, charset) if raw else "", _from_raw(text[end:], body_charset)]
    return "".join(pieces)


def _word_bytes(word: re.Match[str]) -> bytes:
    content = word[3].encode("utf-8", "surrogateescape")
    if word[2] in "qQ":
        return quopri.decodestring(content.replace(b"_", b" "), header=False)
    try:
        content = re.sub(rb"[^A-Za-z0-9+/]", b"", content)
        return base64.b64decode(content + b"=" * (-len(content) % 4))
    except binascii.Error:
        return content


def _strict(raw: bytes, codec: str | None) -> str | None:
    if codec is None:
        return None
    try:
        return raw.decode(codec)
    except (UnicodeError, ValueError, LookupError):
        return None


def _most(raw: bytes, codec: str) -> str:
    """Read as declared where nearly all of it can be, else guessed."""
    try:
        text = raw.decode(codec, "replace")
    except (UnicodeError, ValueError, LookupError):
        return _guessed(raw)
    return text if text.count("\ufffd") * 10 <= len(text) else _guessed(raw)


def _guessed(raw: bytes) -> str:
    codec = charset_guess.guess(raw)
    return raw.decode(codec if codec_of(codec) else "cp1252", "replace")


def _is_odd_ascii(declared: str) -> bool:
    """Charsets that hide other letters in plain ASCII bytes."""
    return declared.strip("\"' ").casefold() in {"utf-7", "unicode-1-1-utf-7", "hz-gb-2312", "hz"}


def _from_raw(text: str, charset: str) -> str:
    """Raw 8-bit bytes, which the parser keeps as lone surrogates, put through the ladder."""
    if not text.isascii() and _LONE.search(text):
        return decode(text.encode("utf-8", "surrogateescape"), charset)
    return text
