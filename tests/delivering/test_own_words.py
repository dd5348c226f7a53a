"""What the program wrote of a mail without a server's word is said in the reader's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_mailer import delivering
from crm_mailer.delivering import own_words
from crm_mailer.i18n import say

ROOM = Path(delivering.__file__).parent


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        ("the sender died before it heard the answer (account smtp)",
         "发送进程在收到应答前已终止（账户 smtp）"),
        ("the sender died before it heard the answer", "发送进程在收到应答前已终止"),
        ("the connection was lost (Connection reset by peer)", "连接中断（连接被对方重置）"),
        ("MAIL was answered by 354", "服务器对 MAIL 应答 354"),
        ("4.7.1 come back later", "4.7.1 come back later"),
        ("", ""),
    ],
)  # fmt: skip
def test_it_is_said_in_chinese_and_others_words_stay(kept: str, told: str) -> None:
    assert own_words.heard(kept) == kept
    assert say(own_words.heard(kept), "zh_CN") == told


def test_the_texts_are_those_that_the_room_writes() -> None:
    written = "".join(
        path.read_text(encoding="utf-8") for path in ROOM.glob("*.py") if path.stem != "own_words"
    )
    said = [re.split(r"\{\w+\}| \(account", one)[0].strip(" (") for one in own_words._PATTERNS]
    assert [one for one in (*filter(None, said), *own_words.OTHERS) if one not in written] == []
