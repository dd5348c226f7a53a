from __future__ import annotations

import pytest

from crm_mailer.listening.complaints import understand, with_subject
from crm_mailer.model.reply import Intent, Severity
from crm_mailer.model.words import Words


@pytest.mark.parametrize(
    ("text", "finest"),
    [
        ("Where can I find the tracking number?", "ask.tracking"),
        ("Yes, the address is correct, go ahead.", "confirm"),
        ("It would be nice if you offered gift cards.", "suggestion"),
        ("Not now, maybe next month.", "objection.time"),
        ("Too expensive for me, I'm afraid.", "objection.price"),
        ("I can't afford it at the moment", "objection.money"),
        ("I'd have to ask my boss.", "objection.authority"),
        ("Please cancel my order 12.", "ask.cancel"),
        ("Спасибо, очень понравилось, рекомендую!", "praise"),
        ("Сейчас не нужно, может быть позже", "objection.time"),
        ("Ok", "other"),
    ],
)
def test_a_mail_that_is_no_complaint_has_the_finest_code(
    words: Words, text: str, finest: str
) -> None:
    assert understand(text, words).finest == finest


def test_an_objection_with_a_question_is_the_question(words: Words) -> None:
    said = understand("A bit too expensive for me. Is there a discount for two?", words)

    assert said.finest == "ask.price"
    assert "objection.price" in said.reasons


@pytest.mark.parametrize(
    "text",
    [
        "Refund please.", "I want my money back", "Верните деньги", "quiero mi dinero", "退款",
        "Please cancel my order, I changed my mind. Sorry!", "Ich möchte bitte stornieren",
        "Where is my order?", "When will my parcel arrive?", "Где мой заказ?",
    ],
)  # fmt: skip
def test_a_bare_demand_or_a_plain_question_is_no_complaint(words: Words, text: str) -> None:
    assert understand(text, words).intent is not Intent.COMPLAINT


@pytest.mark.parametrize(
    "text",
    [
        "REFUND NOW PLEASE!! I am angry", "Верните деньги, безобразие!",
        "I want my money back 😡",
    ],
)  # fmt: skip
def test_a_demand_with_displeasure_is_one(words: Words, text: str) -> None:
    said = understand(text, words)

    assert (said.intent, said.asks) == (Intent.COMPLAINT, "refund")


def test_a_follow_up_to_an_unanswered_mail_needs_less_to_be_a_complaint(words: Words) -> None:
    text = "This is frustrating. Any news?"

    assert understand(text, words).intent is not Intent.COMPLAINT
    assert understand(text, words, is_followup=True).intent is Intent.COMPLAINT


def test_safety_absorbs_the_defect(words: Words) -> None:
    said = understand("The charger is faulty, it stopped working and caught fire.", words)

    assert said.reasons == ("safety",)
    assert said.severity is Severity.P1


def test_the_cause_comes_before_the_threat_which_still_makes_it_grave(words: Words) -> None:
    said = understand("The vase arrived broken. I will open a dispute with PayPal.", words)

    assert said.reasons == ("nad.damaged", "threat.dispute")


def test_privacy_counts_when_asked_politely(words: Words) -> None:
    said = understand("Would you kindly erase all data you hold on me? Many thanks!", words)

    assert (said.intent, said.reasons[0]) == (Intent.COMPLAINT, "privacy")


@pytest.mark.parametrize(
    ("text", "is_complaint"),
    [
        ("I gave it 1 star in my review.", True), ("★★☆☆☆ meh", True),
        ("5 stars from me!", False), ("★★★★★", False), ("Is the 2 star pendant sold?", False),
    ],
)  # fmt: skip
def test_few_stars_speak_in_any_language(words: Words, text: str, is_complaint: bool) -> None:
    assert (understand(text, words).intent is Intent.COMPLAINT) is is_complaint


@pytest.mark.parametrize(
    "text",
    [
        "posylka ne prishla, vernite dengi", "Gde moj zakaz? Uzhe dva mesyaca zhdu!",
        "tovar prishel slomannyj, ochen plohoe kachestvo",
    ],
)  # fmt: skip
def test_russian_in_latin_letters_is_read(words: Words, text: str) -> None:
    said = understand(text, words)

    assert (said.language, said.intent) == ("ru", Intent.COMPLAINT)
    assert all(one.words in text for one in said.evidence)


@pytest.mark.parametrize(
    "text", ["mi pedido no llego y nadie contesta", "YA VAN DOS MESES Y NO ME LLEGA NADA"]
)
def test_accents_may_be_left_out(words: Words, text: str) -> None:
    assert understand(text, words).intent is Intent.COMPLAINT


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Parcel never arrived", "Parcel never arrived\n\nHello"), ("Re: Your order", "Hello"),
        ("AW: [2] Winter sale", "Hello"), ("回复：优惠", "Hello"), ("", "Hello"),
    ],
)  # fmt: skip
def test_a_subject_counts_unless_it_is_ours(subject: str, text: str) -> None:
    assert with_subject(subject, "Hello") == text
