"""Notes that the program keeps in English are found again, and said in Chinese."""

from __future__ import annotations

import pytest

from crm_mailer import i18n
from crm_mailer.learning import sayings
from crm_mailer.model.sentence import Sentence


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (
            sayings.ARRIVED.format(day="2026-11-02"),
            "客户说没有收到包裹，但按我们的记录已于 2026-11-02 送达",
        ),
        (
            "the first answer is overdue since 2026-11-02 12:00 CST (told Wei, Li)",
            "首次回复自 2026-11-02 12:00 CST 起已超期（已通知 Wei, Li）",
        ),
        (
            "severity P2 is now P1; best channel - is now phone",
            "紧急程度 由 P2 改为 P1；最佳渠道 由 - 改为 phone",
        ),
        ("P2 nad.damaged is now P1 threat.legal", "P2 由 nad.damaged 改为 P1 threat.legal"),
        (
            "case 7: our answer did not get through: 550 5.1.1; no such user; reach the customer in"
            " another way",
            "个案 7：我们的回复未能送达：550 5.1.1; no such user；请用其他方式联系客户",
        ),
        ("our mail came back: 550\nno", "我们的邮件被退回：550\nno"),
        (
            "thank for the 5-star review of order A-1: lovely\n{x}",
            "感谢订单 A-1 的 5 星评价：lovely\n{x}",
        ),
        ("answer the 3-star review: ", "回复 3 星评价："),
        (
            "Grew into a key customer: thank them in person and open a direct channel (key value)",
            "已成为重要客户：请亲自致谢，并建立直接联系方式（重要价值）",
        ),
        ("no complaint: judged no complaint", "不是投诉：判定为非投诉"),
        ("no complaint: the judgement was taken back", "不是投诉：判定已撤回"),
        ("nad.damaged (follows case 3)", "nad.damaged（接续个案 3）"),
        (
            "2026-11-02 confirmed by the customer: Yes: send it",
            "2026-11-02 客户已确认：Yes: send it",
        ),
        (
            "2026-11-02 change wanted by the customer: red, please",
            "2026-11-02 客户要求修改：red, please",
        ),
    ],
)
def test_a_note_is_said_in_chinese(monkeypatch: pytest.MonkeyPatch, note: str, said: str) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")

    assert sayings.heard(note) == note
    assert i18n.say(sayings.heard(note)) == said


@pytest.mark.parametrize("pattern", sayings.ALL)
def test_every_pattern_is_found_again(pattern: str) -> None:
    class Parts(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return {"due": "2026-11-02 12:00 CST", "day": "2026-11-02"}.get(name, "4")

    quoting = f"{sayings.CAME_BACK}: 550"
    note = quoting if pattern == sayings.SAID else pattern.format_map(Parts())

    found = sayings.heard(note)

    assert isinstance(found, Sentence)
    assert (found, found.pattern) == (note, pattern)


def test_the_words_of_a_person_stay_as_they_are() -> None:
    assert type(sayings.heard("rang her up: she is fine; will wait")) is str
