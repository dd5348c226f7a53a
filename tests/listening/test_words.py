from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import autoreplies, wishes
from crm_mailer.listening.complaints import understand
from crm_mailer.listening.languages import guess
from crm_mailer.listening.letters import read
from crm_mailer.listening.phrases import compile_phrase, fold
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.words import Words
from tests.conftest import NOON
from tests.listening.test_complaints import LABELLED


@pytest.mark.parametrize(
    ("phrase", "text", "is_there"),
    [
        ("never arriv*", "it NEVER arrived", True),
        ("never arriv*", "never, ever arrived", False),
        ("not ... received", "not yet been received", True),
        ("not ... received", "not. I received", False),
        ("still? waiting", "waiting", True),
        ("(parcel|box) lost", "the box lost", True),
        ("cafe", "Café", True),
        ("не приш*", "НЕ ПРИШЁЛ", True),
        ("<n> weeks", "after 3 weeks", True),
        ("没收到", "我还没收到货", True),
        ("cat", "category", False),
    ],
)
def test_phrases_are_written_in_plain_words(phrase: str, text: str, is_there: bool) -> None:
    assert (compile_phrase(phrase).find(fold(text)) is not None) is is_there


def test_the_quick_test_before_a_pattern_never_hides_a_match(words: Words) -> None:
    phrases = [
        compile_phrase(sign.phrase) for lexicon in words.lexicons for sign in lexicon.signs[::3]
    ]
    texts = [fold(one["text"]) for one in LABELLED[::4]]

    assert not [
        phrase.pattern.pattern
        for phrase in phrases
        for text in texts
        if (phrase.find(text) is None) != (phrase.pattern.search(text) is None)
    ]


def test_folding_keeps_every_character_in_its_place() -> None:
    text = "Straße, Ünïcode ЁЙ ﬁ 한국 İ"

    assert len(fold(text)) == len(text)


def test_a_shop_adds_words_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "complaints.en.yaml").write_text(
        "language: en\nsigns:\n  nad.quality:\n    sure: [the flux is gone]\n"
    )

    said = understand("I think the flux is gone", read_words(tmp_path))

    assert said.reasons == ("nad.quality",)


def test_a_misspelt_reason_is_told_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "complaints.en.yaml").write_text(
        "language: en\nsigns:\n  nad.qualty:\n    sure: [x]\n"
    )

    with pytest.raises(DefinitionError, match=r"complaints\.en\.yaml:.*"):
        read_words(tmp_path)


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("unsubscribe", ""), ("Re: STOP", ""), ("Отписаться", ""), ("退订", ""),
        ("Re: News", "Please remove me from your list"), ("x", "Stop."),
        ("x", "Hello,\nplease unsubscribe me.\nThanks"), ("x", "не присылайте мне больше"),
        ("x", "no more newsletters please"), ("x", "I do not want your newsletter any more"),
        ("x", "Quiero darme de baja"), ("x", "Désabonnez-moi"), ("x", "请不要再给我发邮件"),
        ("x", "Bitte melden Sie mich vom Newsletter ab"), ("x", "Me descadastre da lista"),
    ],
)  # fmt: skip
def test_the_wish_to_get_no_more_mail_is_understood(words: Words, subject: str, text: str) -> None:
    assert wishes.evidence(subject, text, words) is not None


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("x", "I don't want this, the emails said blue"),
        ("Unsubscribe page broken", "The unsubscribe page returns 500, what a mess"),
        ("x", "Please stop the parcel, I gave you the wrong address and need to change it now"),
        ("Re: order", "Where is my order?"),
        ("x", "I would never unsubscribe from such lovely mails, thank you very much indeed"),
        ("x", "Please don't ship before Friday"),
    ],
)
def test_talk_about_stopping_is_no_wish(words: Words, subject: str, text: str) -> None:
    assert wishes.evidence(subject, text, words) is None


@pytest.mark.parametrize(
    ("head", "is_automatic"),
    [
        ("Auto-Submitted: auto-replied", True), ("Auto-Submitted: no", False),
        ("Auto-Submitted: auto-forwarded", False), ("X-Autoreply: yes", True),
        ("Precedence: auto_reply", True), ("X-Auto-Response-Suppress: All", False),
        ("Subject: Automatic reply: your order", True), ("Subject: Автоответ", True),
        ("Subject: Re: your automatic reply confuses me", False), ("Subject: 自动回复", True),
        ("Subject: I am out of patience", False),
    ],
)  # fmt: skip
def test_automatic_answers_are_told_by_header_or_subject(
    words: Words, head: str, is_automatic: bool
) -> None:
    letter = read(f"From: a@b.example\r\n{head}\r\n\r\nhello".encode())

    assert (autoreplies.evidence(letter, words) is not None) is is_automatic


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("I am away until 12 November.", "2026-11-12"), ("back on November 9th", "2026-11-09"),
        ("Меня нет до 12 ноября", "2026-11-12"), ("bis zum 12.11. nicht da", "2026-11-12"),
        ("fuera hasta el 12 de noviembre", "2026-11-12"), ("休假至11月12日", "2026-11-12"),
        ("until 2026-12-01", "2026-12-01"), ("until 3 January", "2027-01-03"),
        ("I was away until 1 November", None), ("until 31.02.", None), ("see you", None),
    ],
)  # fmt: skip
def test_the_day_of_return_is_read(text: str, day: str | None) -> None:
    found = autoreplies.return_on(text, NOON.date())

    assert (str(found) if found else None) == day


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the parcel that you have sent to me?", "en"), ("Где моя посылка?", "ru"),
        ("¿Dónde está mi pedido? Gracias", "es"), ("Onde está o meu pedido? Não chegou", "pt"),
        ("Où est ma commande, je vous prie", "fr"), ("Wo ist mein Paket, bitte?", "de"),
        ("我的包裹在哪里", "zh"), ("荷物はどこですか", "ja"), ("Де моя посилка, її немає", "uk"),
    ],
)  # fmt: skip
def test_the_language_is_guessed_by_script_and_little_words(
    words: Words, text: str, language: str
) -> None:
    assert guess(text, words.lexicons) == language
