"""Received mails as they came: their bytes, their HTML made harmless, and what was attached."""

from __future__ import annotations

import email
import email.policy
import re
from base64 import b64encode
from dataclasses import dataclass
from email.message import Message

from crm_mailer.app.wiring import App
from crm_mailer.listening import charsets, letters
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import inbound, replies

#: Pictures that a browser may show: no kind among them can act.
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
#: So many parts are offered, and so many bytes of pictures are shown inside a mail.
MOST = 40
PICTURE_BYTES = 8_000_000
_CONTENT_ID = re.compile(r"cid:([^\s\"'<>)]{1,200})", re.IGNORECASE)
#: Not what keeps us safe, which are the headers of the frame: so that nothing even tries.
_SCRIPT = re.compile(r"<script\b.*?(?:</script\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_HANDLER = re.compile(r"""\son[a-z]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
#: What a mail would fetch from others.
_FETCHED = re.compile(
    r"""\s(?:src|srcset|background|poster)\s*=\s*(?!["']?(?:data|cid):)"""
    r"""(?:"[^"]*"|'[^']*'|[^\s>]+)""",
    re.IGNORECASE,
)
_FETCHED_STYLE = re.compile(r"url\(\s*['\"]?(?!data:|cid:)[^)]*\)", re.IGNORECASE)
_REFRESH = re.compile(r"<meta\b[^>]*http-equiv[^>]*>|<base\b[^>]*>", re.IGNORECASE)
_HEAD = '<base target="_blank"><meta name="referrer" content="no-referrer">'


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """Something that came with a mail; `number` counts from 1."""

    number: int
    kind: str
    name: str
    size: int
    is_picture: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A mail as it came. `html` is empty where it had none."""

    raw: bytes
    html: str
    enclosed: tuple[Enclosed, ...]


def original(app: App, reply_id: int) -> Original:
    """The mail behind a reply.

    Raises:
        NotFound: there is no such reply, or no mail behind it.
    """
    raw = raw_bytes(app, reply_id)
    letter = letters.read(raw)
    written = next(
        (
            part.text
            for part in letter.parts
            if part.kind == "text/html" and not part.is_attachment and not part.is_returned
        ),
        "",
    )
    found = tuple(one for one, _part in _parts(raw))
    return Original(raw=raw, html=_harmless(written, raw), enclosed=found)


def enclosures(app: App, reply_id: int) -> tuple[Enclosed, ...]:
    """What came with a reply; nothing where no mail lies behind it."""
    try:
        return tuple(one for one, _part in _parts(raw_bytes(app, reply_id)))
    except NotFound:
        return ()


def enclosure(app: App, reply_id: int, number: int) -> tuple[Enclosed, bytes]:
    """One thing that came with a mail, and its bytes.

    Raises:
        NotFound: there is none of this number.
    """
    for one, part in _parts(raw_bytes(app, reply_id)):
        if one.number == number:
            return one, _payload(part)
    raise NotFound(
        Sentence("reply {reply_id} has no part {number}", reply_id=reply_id, number=number)
    )


def raw_bytes(app: App, reply_id: int) -> bytes:
    """The very bytes that the mailbox gave us.

    Raises:
        NotFound: there is no such reply, no mail behind it, or its file is gone.
    """
    with app.store.read() as connection:
        reply = replies.get(connection, reply_id)
        if reply.inbound_id is None:
            raise NotFound(
                Sentence("reply {reply_id} was logged by hand", reply_id=reply_id),
                hint="there is no mail behind it",
            )
        mail = inbound.get(connection, reply.inbound_id)
    if mail.raw is None and not mail.raw_path:
        raise NotFound(
            Sentence("the mail of reply {reply_id} is not kept any more", reply_id=reply_id),
            hint="`retention.raw_mails_days` says how long mails stay as they came; what it said "
            "is in the reply",
        )
    try:
        return mail.content(app.raw_folder)
    except OSError as error:
        raise NotFound(
            Sentence(
                "the mail of reply {reply_id} cannot be read: {why}",
                reply_id=reply_id,
                why=error.strerror or error,
            ),
            hint=Sentence(
                "look for {file} in {folder}",
                file=mail.raw_path,
                folder=app.raw_folder,
            ),
        ) from None


def _parts(raw: bytes) -> list[tuple[Enclosed, Message]]:
    """The leaves of a mail that are no text of it; none where the mail is broken beyond reading."""
    try:
        message = email.message_from_bytes(raw, policy=email.policy.compat32)
        leaves = [part for part in message.walk() if not part.is_multipart()][: letters.PARTS]
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):
        return []
    found: list[tuple[Enclosed, Message]] = []
    for part in leaves:
        kind = part.get_content_type()
        name = _name(part)
        is_text = kind in ("text/plain", "text/html") and not _is_attached(part)
        if is_text or kind.startswith("message/") or len(found) >= MOST:
            continue
        one = Enclosed(
            number=len(found) + 1,
            kind=kind,
            name=name,
            size=len(_payload(part)),
            is_picture=kind in PICTURES,
        )
        found.append((one, part))
    return found


def _name(part: Message) -> str:
    """How an attachment is called; empty where it has no name that can be read."""
    try:
        return charsets.decode_header(part.get_filename() or "")[:200]
    except (ValueError, LookupError, TypeError):
        return ""


def _is_attached(part: Message) -> bool:
    return str(part.get("content-disposition", "")).strip().lower().startswith("attachment")


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _harmless(html: str, raw: bytes) -> str:
    """The HTML for a frame that forbids scripts, forms and foreign pictures by its headers.

    Pictures inside the mail are written into it; what would lead the frame away is left out.
    """
    if not html:
        return ""
    known = _pictures(raw)
    shown = _REFRESH.sub("", _SCRIPT.sub("", html))
    shown = _TAG.sub(lambda tag: _FETCHED.sub("", _HANDLER.sub("", tag[0])), shown)
    shown = _FETCHED_STYLE.sub("none", shown)
    return _HEAD + _CONTENT_ID.sub(lambda match: known.get(match[1], "data:,"), shown)


def _pictures(raw: bytes) -> dict[str, str]:
    """The pictures of a mail by their Content-ID, as addresses that hold them."""
    found: dict[str, str] = {}
    left = PICTURE_BYTES
    for one, part in _parts(raw):
        name = str(part.get("content-id", "")).strip(" <>")
        if one.is_picture and name and one.size <= left:
            left -= one.size
            found[name] = f"data:{one.kind};base64,{b64encode(_payload(part)).decode()}"
    return found
