"""What people are told of alerts: a mail's words, and a message in the shape a chat takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from crm_mailer.i18n import say
from crm_mailer.model.alert_news import Change, News
from crm_mailer.model.sentence import Sentence

_SIGNS = {Change.NEW: "!", Change.AGAIN: "!", Change.OVER: "✓"}
#: Chats that take words in a shape of their own, by the host of their address.
_DING = ("oapi.dingtalk.com", "qyapi.weixin.qq.com")
_FEISHU = ("open.feishu.cn", "open.larksuite.com")
#: Bytes of text that WeCom takes; the others take several times as much.
_LONGEST = 2_000


def subject(shop: str, news: Sequence[News]) -> str:
    """One line: the shop, and the first cause or how many there are."""
    open_ones = [one for one in news if one.change is not Change.OVER]
    if not open_ones:
        what = say(Sentence("over: {what}", what=news[0].cause.message))
    elif len(open_ones) == 1:
        what = say(open_ones[0].cause.message)
    else:
        what = say(Sentence("{number} alerts", number=len(open_ones)))
    return f"[{shop}] {what}"


def text(news: Sequence[News], place: ZoneInfo) -> str:
    """All causes, each with its remedy; times in `place`."""
    lines: list[str] = []
    for one in news:
        since = f"{one.cause.first_at.astimezone(place):%Y-%m-%d %H:%M}"
        lines.append(f"{_SIGNS[one.change]} {say(one.cause.message)}")
        match one.change:
            case Change.OVER:
                when = Sentence("It is over; it began at {since}.", since=since)
            case Change.AGAIN:
                when = Sentence("It is not over; it began at {since}.", since=since)
            case Change.NEW:
                when = Sentence("It began at {since}.", since=since)
        lines.append("  " + say(when))
        if one.cause.hint and one.change is not Change.OVER:
            lines.append("  → " + say(one.cause.hint))
        lines.append("")
    lines.append(say(Sentence("`crm-mailer status` shows what is open.")))
    return "\n".join(lines)


def body(url: str, shop: str, news: Sequence[News], place: ZoneInfo) -> bytes:
    """The message for a webhook: words for a chat, and beside them the same as data."""
    words = f"{subject(shop, news)}\n{text(news, place)}"
    host = urlsplit(url).hostname or ""
    if host in _DING:
        told: dict[str, Any] = {"msgtype": "text", "text": {"content": _cut(words)}}
    elif host in _FEISHU:
        told = {"msg_type": "text", "content": {"text": words}}
    else:
        told = {"text": words, "shop": shop, "alerts": [_data(one) for one in news]}
    return json.dumps(told, ensure_ascii=False).encode()


def refusal(url: str, said: bytes) -> str:
    """Why a chat did not take a message although it answered with HTTP 200; empty if it did.

    DingTalk and WeCom say so by `errcode`, Feishu by `code`; 0 is well.
    """
    try:
        told = json.loads(said)
    except ValueError:
        return ""
    if not isinstance(told, dict):
        return ""
    is_feishu = (urlsplit(url).hostname or "") in _FEISHU
    code = told.get("errcode") or (told.get("code") if is_feishu else 0)
    why = str(told.get("errmsg") or told.get("msg") or "")[:200]
    return f"{code} {why}".strip() if code else ""


def _cut(words: str) -> str:
    """At most so many bytes; what is missing is seen by `status`."""
    raw = words.encode()
    if len(raw) <= _LONGEST:
        return words
    return raw[:_LONGEST].decode(errors="ignore").rpartition("\n")[0] + "\n..."


def _data(one: News) -> dict[str, Any]:
    return {
        "cause": one.cause.cause,
        "change": one.change.value,
        "message": say(one.cause.message),
        "hint": say(one.cause.hint),
        "since": one.cause.first_at.isoformat(),
        "times": one.cause.times,
    }
