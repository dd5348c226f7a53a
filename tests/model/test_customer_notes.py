from __future__ import annotations

import pytest

from crm_mailer.i18n import say
from crm_mailer.model import customer_notes
from crm_mailer.model.flag import FlagKind, NewFlag


def flag(kind: FlagKind, evidence: str = "", case: int | None = None) -> str:
    new = NewFlag(customer_id=1, kind=kind, reason="lies", evidence=evidence, case_id=case)
    return customer_notes.flagged(new)


@pytest.mark.parametrize(
    ("note", "english", "chinese"),
    [
        (flag(FlagKind.FRAUD), "flagged (fraud): lies", "列入黑名单（欺诈）：lies"),
        (
            flag(FlagKind.FRAUD, "a.png, b.png", 3),
            "flagged (fraud): lies [a.png, b.png, case 3]",
            "列入黑名单（欺诈）：lies（a.png, b.png，个案 3）",
        ),
        (
            flag(FlagKind.BAD_REVIEW, case=3),
            "flagged (bad review): lies [case 3]",
            "列入黑名单（恶意差评）：lies（个案 3）",
        ),
        (customer_notes.unflagged("a: b"), "unflagged: a: b", "移出黑名单：a: b"),
        (customer_notes.suppressed("asked"), "suppressed: asked", "停发营销邮件：asked"),
        (
            customer_notes.mailed_again(["hard_bounce", "by_hand"], "asked"),
            "mailed again (was hard bounce, by hand): asked",
            "恢复发信（此前禁发：硬退信，人工禁发）：asked",
        ),
        ("calls at night", "calls at night", "calls at night"),
        ("mailed again (was nice)", "mailed again (was nice)", "mailed again (was nice)"),
    ],
)
def test_a_note_is_said_in_either_language(note: str, english: str, chinese: str) -> None:
    found = customer_notes.heard(note)
    assert (found, say(found, "zh_CN")) == (english, chinese)
