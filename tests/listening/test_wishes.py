from __future__ import annotations

import pytest

from crm_mailer.listening import complaints, wishes
from crm_mailer.listening.beside_wish import without_wish
from crm_mailer.model.reply import REASONS, Intent
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
    "STOP please", "Not interested, stop", "I am not interested. Please stop sending me these.",
    "I'd like to be taken off your mailing list.", "no thanks, unsubscribe",
    "Unsubscribe me please, thank you very much and have a nice day", "Cut it out. No more promos.",
    "Стоп рассылка", "Не интересно, стоп", "Больше не пишите мне", "Отстаньте от меня!",
    "Отпишите, пожалуйста, меня от вашей рассылки", "не присылайте мне больше ничего",
    "no me interesa, STOP", "Dame de baja por favor", "No me escriban más", "basta de publicidad",
    "me tira dessa lista", "Não tenho interesse, pare", "Parem de me mandar e-mail",
    "Je ne veux plus de vos mails", "Pas intéressé, stop", "Laissez-moi tranquille !",
    "Hör auf mir zu schreiben", "Kein Interesse, bitte abmelden", "Schluss mit dem Spam",
    "Lasst mich in Ruhe", "不要再发了", "不感兴趣,请停止", "别烦我了", "麻烦取消订阅,谢谢",
    "dość tych maili", "Nie piszcie do mnie więcej", "لا أريد رسائل", "توقفوا",
    "please no more emails", "Hi, please no more emails, thanks", "Sorry no more emails",
    "por favor no me escriban más", "Por favor no me contacten más",
    "por favor não me enviem mais", "Ich möchte den Newsletter nicht mehr erhalten",
    "Ich möchte den Newsletter nicht mehr bekommen", "Ich möchte den Newsletter nicht mehr",
    "não quero mais receber", "Não desejo mais receber", "не хочу получать",
    "больше не хочу получать", "eliminen mi correo", "quitar mi correo", "stop mailing me these",
    "no, unsubscribe me please", "No gracias, no me escriban más",
    "Why don't you stop sending me emails?", "Stop sending me emails about your products",
    "Please remove me from your mailing list as soon as possible",
    "stop sending me emails every day", "I don't want any more emails from you people",
    "No quiero recibir más correos de ustedes",
    "Je ne veux plus recevoir vos mails tous les jours", "不要再给我发广告邮件了",
    "不想再收到你们的邮件了",
    "停止推送",
    "不要广告了", "别再给我推送广告了,谢谢", "Quiero cancelar la suscripción",
    "Cancelar mi suscripción por favor",
    "Quiero cancelar la suscripción al boletín", "Keine Mails bitte", "Keine Werbung!",
    "Bitte keine weiteren E-Mails an mich", "Keine weiteren Nachrichten bitte",
    "keine Mails mehr von Ihnen", "ni un correo mas", "Ningún correo más, por favor",
    "Can you unsubscribe me?", "I did not subscribe, remove me from your list",
    "I never subscribed to this, please unsubscribe me",
    "No more emails, I don't need them",
    "Please, no more of your marketing emails. Thank you",
    "Я не подписывался, отпишите меня",
    "不要再发广告给我了",
    "以后别发了",
    "Basta email",
    "Ich möchte keinen Newsletter mehr erhalten",
    "从列表里去掉我的邮箱",
    "Please do not contact me by email any more",
    "how do I unsubscribe",
    "No, no quiero más correos",
    "怎么退订",
    "Why don't you unsubscribe me",
    "нет, отпишите меня",
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
    "No more delays please", "Удалите, пожалуйста, вторую позицию из заказа",
    "Не отправляйте заказ", "Не хочу получать посылку", "Хватит мне врать",
    "Стоп, я ошиблась размером", "Больше не присылайте мне брак", "stop by your shop",
    "Stop sending me broken parts", "Don't send me the red one", "no more than two pieces please",
    "Please stop. The parcel went to the wrong address.", "Stop! Don't ship it yet",
    "Eliminen, por favor, el segundo artículo del pedido", "No me envíen el rojo",
    "No quiero recibir el paquete", "dejen de enviarme productos rotos",
    "Não quero receber o pedido", "Não mandem o azul", "parem de enviar errado",
    "Je ne veux plus recevoir ce colis", "Ne m'envoyez plus ce colis", "Arrêtez la commande",
    "Merci de ne plus m'envoyer de colis cassés", "Ich möchte keine Nachlieferung mehr",
    "Bitte keine weiteren Änderungen", "Schicken Sie mir keine Ware mehr",
    "Stopp, falsche Größe!", "别寄了,我要退款", "不想收到坏的货", "停,地址写错了,先别发货",
    "No further emails from me.", "把我的第二件删掉", "Take me off the waiting list for the lamp",
    "Quiero la baja de precio", "Chega hoje?", "别给我发红色的",
    "Nie chcę otrzymywać tej paczki", "لا ترسل الطلب",
    "Hola, no recibí ningún correo. ¿Dónde está mi pedido?", "No me llegó ningún correo",
    "Keine Mail erhalten", "Keine weiteren Mails erhalten",
    "Keine weiteren Nachrichten von DHL, wo bleibt es?",
    "Keine E-Mail erhalten. Wo ist meine Bestellung?",
    "No email from you. Did my order go through?", "Ich habe keine weiteren Nachrichten bekommen",
    "Please don't stop sending me your emails", "I never want to stop receiving your emails!",
    "Don't want to miss your newsletter!",
    "I did not ask to unsubscribe, please keep sending me emails",
    "I did not mean to unsubscribe from your emails",
    "I don't want to be removed from your newsletter", "Wait, don't cancel the newsletter",
    "Не отписывайте меня от рассылки", "Не отписывайте меня", "Я не хотела отписаться от рассылки",
    "No quiero perderme sus ofertas", "Je ne veux pas rater vos offres",
    "Ich möchte keine Angebote verpassen", "Please do not unsubscribe me",
    "Why did you unsubscribe me?", "Did you unsubscribe me?", "不要退订",
    "No quiero cancelar la suscripción", "No quiero darme de baja",
    "Não quero cancelar a inscrição", "Bitte nicht abmelden", "Ich will mich nicht abmelden",
    "Ne me désabonnez pas", "Je ne veux pas me désabonner", "Не хочу отписываться",
    "Не удаляйте меня из рассылки", "Hope you don't stop sending me emails",
    "Не хочу пропустить ваши акции", "Não quero perder as promoções", "我没有退订", "为什么退订我",
    "No quiero recibir el paquete por correo, lo recojo", "No envíen por correo, prefiero SEUR",
    "Don't send mail, use DHL please", "No mail today, please deliver tomorrow",
    "I don't want offers, I want my parcel", "No quiero mas ofertas, quiero mi dinero",
    "Bitte schicken Sie mir keine E-Mail, rufen Sie mich an",
    "Quiero cancelar la suscripción de té", "Стоп! Не тот адрес указала.", "不要广告贺卡",
    "不要促销价的那个",
    "停止促销了吗?",
    "I never asked you to remove me",
    "Bitte streichen Sie mich nicht aus dem Verteiler",
    "Warum wurde ich abgemeldet?",
    "No me den de baja, por favor",
    "Não me removam da lista",
    "Ne me retirez pas de la liste",
    "别退订我",
    "keine weiteren Angebote gefunden",
    "No mail arrived",
    "Ich will keine Angebote, ich will mein Geld zurück",
    "Не присылайте письма, позвоните мне",
    "Don't email me, call me instead",
    "不要广告款,要白色的",
    "Cancelar a inscrição do curso",
    "Stop. I changed my address",
]  # fmt: skip


@pytest.mark.parametrize("said", WISHES)
def test_the_wish_for_no_more_mail_is_heard(words: Words, said: str) -> None:
    assert wishes.evidence("Re: A gift for you", said, words) is not None


@pytest.mark.parametrize("said", OTHERS)
def test_other_wishes_are_none(words: Words, said: str) -> None:
    assert wishes.evidence("Re: A gift for you", said, words) is None


def test_a_subject_of_ones_own_says_what_a_mere_stop_means(words: Words) -> None:
    assert wishes.evidence("Order 4411: cancel", "Please stop.", words) is None
    assert wishes.evidence("Re: Your order 4411", "Please stop.", words) is not None


def test_a_wish_is_looked_for_in_the_first_lines_only(words: Words) -> None:
    text = "The shoes are fine.\nI like them.\nThe colour too.\nunsubscribe"

    assert wishes.evidence("Re: shoes", text, words) is None


def test_a_line_of_a_million_letters_takes_no_time(words: Words) -> None:
    assert wishes.evidence("Re: x", "a" * 1_000_000 + "@", words) is None


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("Больше не пишите мне", set()),
        ("不要再发了", set()),
        ("не присылайте мне больше ничего", set()),
        ("No quiero recibir más correos", set()),
        ("I never want to receive any mail from you again", set()),
        ("Stop sending me emails. I am fed up with you!", set()),
        ("Unsubscribe me. The lamp I ordered arrived broken.", {"nad.damaged"}),
        ("Отпишите меня. Посылка так и не пришла!", {"nr.in_transit"}),
        ("Remove me from your list or my lawyer will write to you", {"threat.legal"}),
    ],
)
def test_a_wish_is_a_complaint_only_for_a_reason_of_its_own(
    words: Words, text: str, reasons: set[str]
) -> None:
    said = without_wish(complaints.understand(text, words), text, words)

    assert {code for code in said.reasons if code in REASONS} == reasons
    assert (said.intent is Intent.COMPLAINT) is bool(reasons)
