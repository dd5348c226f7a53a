from __future__ import annotations

import pytest

from crm_mailer.listening import wishes
from crm_mailer.model.words import Words

#: Said by people who want no more mail.
WISHES = [
    "unsubscribe", "Please unsubscribe me.", "UNSUBSCRIBE!!!", "Stop", "STOP sending me emails",
    "Remove me from your list please", "Take me off this list",
    "I don't want your emails anymore", "No more emails please",
    "Please remove my email address from your database", "Kindly unsubscribe", "opt-out",
    "Отпишите меня от рассылки", "Прошу больше не присылать мне письма", "Не пишите мне больше",
    "Удалите мой адрес из рассылки", "Хватит спамить", "Отписаться", "Darme de baja por favor",
    "No me envíen más correos", "Quiero dejar de recibir sus correos",
    "Por favor elimínenme de su lista", "Não quero mais receber e-mails", "Me remova da lista",
    "Cancelar inscrição", "Désabonnez-moi", "Merci de ne plus m'envoyer de mails",
    "Je ne veux plus recevoir vos mails", "Veuillez me désinscrire",
    "Bitte keine weiteren E-Mails", "Nehmen Sie mich aus dem Verteiler",
    "Ich möchte keine Werbung mehr", "Bitte abmelden", "Newsletter abbestellen", "退订",
    "请不要再给我发邮件了", "请把我从邮件列表中删除", "取消订阅", "别再发广告了",
    "Cancellatemi dalla lista", "Non voglio più ricevere le vostre email",
    "Proszę mnie wypisać", "Nie chcę otrzymywać maili", "Graag afmelden",
    "Ik wil geen mails meer ontvangen", "Listeden çıkmak istiyorum", "Bana mail atmayın",
    "配信停止をお願いします", "メールを送らないでください", "수신거부", "메일 보내지 마세요",
    "إلغاء الاشتراك", "أرجو عدم إرسال رسائل", "Hello,\nplease unsubscribe me\nThanks",
    "Stop it.", "leave me alone", "unsubscribe anna@example.com",
]  # fmt: skip

#: Said by people who want something else stopped, removed or cancelled.
OTHERS = [
    "The unsubscribe page returns 500",
    "I tried to unsubscribe and it does not work, where is my parcel?",
    "Stop the shipment please", "Please stop my order",
    "Please remove the blue shirt from my order",
    "Can I cancel my subscription to the coffee box?",
    "How do I unsubscribe from SMS but keep email?", "Remove item 3",
    "I don't want the parcel anymore", "Отмените заказ", "Удалите мой отзыв",
    "Не хочу больше ждать, верните деньги", "Quiero cancelar mi pedido",
    "No quiero el producto", "Cancelar pedido", "Je ne veux plus de cette commande",
    "Ich möchte die Bestellung stornieren", "Bitte keine Lieferung an Nachbarn", "退订单",
    "取消订单", "不要给我发错货了", "Stop lying to me",
    "Please don't send it to the old address", "Do not send the red one",
    "I don't want to receive a damaged box again", "unsubscribe link is broken",
    "注文をキャンセルしたい", "배송 중지해 주세요", "Nie chcę tej paczki",
    "Ik wil geen vervanging", "Please send me no more replacements, I want a refund",
    "Please stop by the office", "Don't contact me by phone, email is better",
    "No more delays please",
]  # fmt: skip


@pytest.mark.parametrize("said", WISHES)
def test_the_wish_for_no_more_mail_is_heard(words: Words, said: str) -> None:
    assert wishes.evidence("Re: A gift for you", said, words) is not None


@pytest.mark.parametrize("said", OTHERS)
def test_other_wishes_are_none(words: Words, said: str) -> None:
    assert wishes.evidence("Re: A gift for you", said, words) is None


def test_a_wish_is_looked_for_in_the_first_lines_only(words: Words) -> None:
    text = "The shoes are fine.\nI like them.\nThe colour too.\nunsubscribe"

    assert wishes.evidence("Re: shoes", text, words) is None


def test_a_line_of_a_million_letters_takes_no_time(words: Words) -> None:
    assert wishes.evidence("Re: x", "a" * 1_000_000 + "@", words) is None
