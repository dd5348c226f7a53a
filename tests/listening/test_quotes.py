from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm_mailer.listening import plain, quotes

ANSWER = "The parcel came.\nThank you."
QUOTED = "Dear Anna, your parcel is on its way.\nTrack it any time you like, with the number below."

#: How programs announce the answered mail, in the languages of our customers.
HEADERS = [
    "On Mon, Mar 4, 2024 at 9:05 AM Shop <care@shop.example> wrote:",
    "On 04/03/2024 09:05, Shop wrote:",
    "On Monday, March 4, 2024 at 09:05:11 AM GMT+1, Shop <care@shop.example> wrote:",
    "On Mon, Mar 4, 2024 at 9:05 AM Shop With A Long Name And More\n<care@shop.example> wrote:",
    "On Mon, Mar 4, 2024 at 9:05 AM Shop With A Long Name\nAnd More Of It\n<care@shop.example>\n"
    "wrote:",
    "At 3/4/2024 09:05 PM, you wrote:",
    "Le lun. 4 mars 2024 à 09:05, Shop <care@shop.example> a écrit :",
    "Le 04/03/2024 à 09:05, Shop a écrit :",
    "El lun, 4 mar 2024 a las 9:05, Shop (<care@shop.example>) escribió:",
    "El 4/3/24 a las 9:05, Shop escribió:",
    "Am Mo., 4. März 2024 um 09:05 Uhr schrieb Shop <care@shop.example>:",
    "Am 04.03.2024 um 09:05 schrieb Shop:",
    "Em seg., 4 de mar. de 2024 às 09:05, Shop <care@shop.example> escreveu:",
    "Em 04/03/2024 09:05, Shop escreveu:",
    "пн, 4 мар. 2024 г. в 09:05, Shop <care@shop.example>:",
    "4 марта 2024 г., в 09:05, Shop <care@shop.example> написал(а):",
    "04.03.2024 09:05, Shop пишет:",
    "Понедельник, 4 марта 2024, 9:05 +03:00 от Shop <care@shop.example>:",
    "04.03.2024, 09:05, \"Shop\" <care@shop.example>:",
    "Shop <care@shop.example> 于2024年3月4日周一 09:05写道：",
    "在 2024年3月4日，09:05，Shop <care@shop.example> 写道：",
    "在 2024-03-04 09:05:11，\"Shop\" <care@shop.example> 写道：",
    "Il giorno lun 4 mar 2024 alle ore 09:05 Shop <care@shop.example> ha scritto:",
    "Il 04/03/2024 09:05, Shop ha scritto:",
    "Op ma 4 mrt 2024 om 09:05 schreef Shop <care@shop.example>:",
    "Op 04-03-2024 om 09:05 schreef Shop:",
    "pon., 4 mar 2024 o 09:05 Shop <care@shop.example> napisał(a):",
    "W dniu 04.03.2024 o 09:05, Shop pisze:",
    "Shop <care@shop.example>, 4 Mar 2024 Pzt, 09:05 tarihinde şunu yazdı:",
    "2024年3月4日(月) 9:05 Shop <care@shop.example>:",
    "2024/03/04 9:05、Shop <care@shop.example>のメール:",
    "2024년 3월 4일 (월) 오전 9:05, Shop <care@shop.example>님이 작성:",
    "في الاثنين، 4 مارس 2024 في 9:05 ص تمت كتابة ما يلي بواسطة Shop <care@shop.example>:",
    "Den mån 4 mars 2024 kl 09:05 skrev Shop <care@shop.example>:",
    "man. 4. mar. 2024 kl. 09.05 skrev Shop <care@shop.example>:",
    "ma 4. maalisk. 2024 klo 9.05 Shop <care@shop.example> kirjoitti:",
    "po 4. 3. 2024 v 9:05 odesílatel Shop <care@shop.example> napsal:",
    "пн, 4 бер. 2024 р. о 09:05 Shop <care@shop.example> пише:",
    "---- On Mon, 04 Mar 2024 09:05:11 +0100 Shop <care@shop.example> wrote ----",
    "Quoting Shop <care@shop.example>:",
    "Shop <care@shop.example> schrieb am Mo., 4. März 2024, 09:05:",
    "2024-03-04 9:05 GMT+01:00 Shop <care@shop.example>:",
    "-----Original Message-----",
    "-------- Forwarded Message --------",
    "---------- Forwarded message ---------\nFrom: Shop <care@shop.example>\n"
    "Date: Mon, Mar 4, 2024\n"
    "Subject: Your parcel\nTo: anna@example.com",
    "-----Mensaje original-----",
    "-----Mensagem original-----",
    "-----Message d'origine-----",
    "-----Ursprüngliche Nachricht-----",
    "-------- Исходное сообщение --------",
    "-------- Пересылаемое сообщение--------",
    "-----Messaggio originale-----",
    "-----Oorspronkelijk bericht-----",
    "-----Wiadomość oryginalna-----",
    "-----Orijinal Mesaj-----",
    "------------------ 原始邮件 ------------------",
    "-----邮件原件-----",
    "-----元のメッセージ-----",
    "-----원본 메시지-----",
    "-----الرسالة الأصلية-----",
    "Begin forwarded message:",
    "##- Please type your reply above this line -##",
    "________________________________\nFrom: Shop <care@shop.example>\n"
    "Sent: Monday, March 4, 2024\n"
    "To: Anna\nSubject: Your parcel",
    "From: Shop <care@shop.example>\nSent: Monday, March 4, 2024 9:05 AM\nTo: Anna\nSubject: "
    "Parcel",
    "*From:* Shop <care@shop.example>\n*Sent:* Monday, March 4, 2024\n*To:* Anna\n*Subject:* "
    "Parcel",
    "De : Shop <care@shop.example>\nEnvoyé : lundi 4 mars 2024 09:05\nÀ : Anna\nObjet : Parcel",
    "De: Shop <care@shop.example>\nEnviado el: lunes, 4 de marzo de 2024\nPara: Anna\nAsunto: "
    "Parcel",
    "De: Shop <care@shop.example>\nEnviada em: segunda-feira, 4 de março\nPara: Anna\nAssunto: "
    "Parcel",
    "Von: Shop <care@shop.example>\nGesendet: Montag, 4. März 2024\nAn: Anna\nBetreff: Parcel",
    "Gesendet: Montag, 4. März 2024 um 09:05\nVon: Shop <care@shop.example>\nAn: Anna\nBetreff: "
    "Parcel",
    "От: Shop <care@shop.example>\nОтправлено: 4 марта 2024 г. 9:05\nКому: Anna\nТема: Parcel",
    "Da: Shop <care@shop.example>\nInviato: lunedì 4 marzo 2024\nA: Anna\nOggetto: Parcel",
    "Van: Shop <care@shop.example>\nVerzonden: maandag 4 maart 2024\nAan: Anna\nOnderwerp: Parcel",
    "Od: Shop <care@shop.example>\nWysłano: poniedziałek, 4 marca 2024\nDo: Anna\nTemat: Parcel",
    "Kimden: Shop <care@shop.example>\nGönderildi: 4 Mart 2024 Pazartesi\nKime: Anna\nKonu: Parcel",
    "发件人: Shop <care@shop.example>\n发送时间: 2024年3月4日 9:05\n收件人: Anna\n主题: Parcel",
    "差出人: Shop <care@shop.example>\n送信日時: 2024年3月4日\n宛先: Anna\n件名: Parcel",
    "보낸 사람: Shop <care@shop.example>\n날짜: 2024년 3월 4일\n받는 사람: Anna\n제목: Parcel",
    "من: Shop <care@shop.example>\nتم الإرسال: 4 مارس 2024\nإلى: Anna\nالموضوع: Parcel",
]  # fmt: skip

#: Lines that telephones, programs and companies add.
ADDED = [
    "-- \nAnna Example\nExample Ltd", "Sent from my iPhone", "Sent from Outlook for Android",
    "Get Outlook for iOS<https://aka.ms/x>", "Sent from Yahoo Mail on Android",
    "Отправлено с iPhone", "Отправлено из мобильной Почты Mail.ru", "Enviado desde mi iPhone",
    "Enviado do meu Galaxy", "Envoyé de mon iPhone", "Envoyé à partir de Outlook pour Android",
    "Von meinem iPhone gesendet", "Gesendet mit der GMX Mail App", "Inviato da iPhone",
    "Verzonden vanaf mijn iPhone", "Wysłane z iPhone'a", "iPhone'umdan gönderildi",
    "发自我的iPhone", "來自我的 iPhone", "iPhoneから送信", "나의 iPhone에서 보냄",
    "تم الإرسال من الـ iPhone", "Virus-free. www.avast.com",
    "CONFIDENTIALITY NOTICE: this mail is for the person it was sent to.",
]  # fmt: skip

#: Sentences that look a little like a header or a signature.
OWN_WORDS = [
    "On the surface this looks like a quote header but it's not.",
    "On Monday I wrote to you and you never wrote back: where is my parcel?",
    "I sent from my office the photos you asked for.",
    "From: Berlin\nTo: Paris\nPlease change the address.",
    "Date: tomorrow would be fine",
    "My answers:\n- it is broken\n- I want it replaced",
    "It costs 5 > 3 dollars more than on the page.",
    "Here is what he wrote me last week, in short: never again.",
    "Delivered 2024-03-04 9:05, but I have nothing here.",
    "Я писал вам 4 марта, ответа нет: где посылка?",
]


@pytest.mark.parametrize("header", HEADERS)
def test_what_is_below_a_header_is_cut(header: str) -> None:
    below = f"{ANSWER}\n\n{header}\n\n{QUOTED}\n"

    assert quotes.own_text(below) == ANSWER


@pytest.mark.parametrize("header", HEADERS)
def test_an_answer_below_the_quote_is_kept(header: str) -> None:
    marked = "\n".join(f"> {line}" for line in QUOTED.splitlines())

    assert quotes.own_text(f"{header}\n\n{marked}\n\n{ANSWER}\n") == ANSWER


@pytest.mark.parametrize("added", ADDED)
def test_what_programs_add_is_no_part_of_the_answer(added: str) -> None:
    assert quotes.own_text(f"{ANSWER}\n\n{added}") == ANSWER


@pytest.mark.parametrize("said", OWN_WORDS)
def test_words_that_only_look_like_a_header_are_kept(said: str) -> None:
    assert quotes.own_text(f"Hello,\n\n{said}\n\nAnna") == f"Hello,\n\n{said}\n\nAnna"


def test_answers_between_quotes_are_kept_in_order() -> None:
    text = (
        "Hello,\nOn 4 March 2024 09:05, Shop wrote:\n> Did it arrive?\nYes.\n> Is it whole?\n"
        "No, the lid is broken.\n> > earlier\n>\nAnna\n"
    )

    assert quotes.own_text(text) == "Hello,\nYes.\nNo, the lid is broken.\nAnna"


def test_a_reply_that_is_all_quote_keeps_its_text() -> None:
    assert quotes.own_text("> yes\n> please") == "> yes\n> please"
    assert "parcel" in quotes.own_text("From: Shop <care@shop.example>\nTo: x\nSubject: parcel\n")


def test_a_doubtful_cut_that_leaves_hardly_anything_is_not_made() -> None:
    long = "I have waited for weeks and nobody tells me where it is. " * 8

    assert "weeks" in quotes.own_text(f"Hi\nAnna wrote:\n{long}")
    assert quotes.own_text(f"Hi\n-----Original Message-----\n{long}") == "Hi"


def test_a_signature_line_above_the_text_cuts_nothing() -> None:
    assert quotes.own_text("-- \nWhere is it?") == "-- \nWhere is it?"
    assert quotes.own_text("Sent from my iPhone\n\nWhere is it?") == "Where is it?"


HTML = [
    '<div class="gmail_quote"><div class="gmail_attr">Shop schrob:<br></div>'
    '<blockquote>{}</blockquote></div>',
    '<div class="moz-cite-prefix">Shop:<br></div><blockquote type="cite">{}</blockquote>',
    '<div id="divRplyFwdMsg">x</div><div>{}</div>',
    '<div id="appendonsend"></div><hr><div>{}</div>',
    '<div id="x_appendonsend"></div><div>{}</div>',
    '<div id="yahoo_quoted_1" class="yahoo_quoted"><div>{}</div></div>',
    '<div class="protonmail_quote"><div>{}</div></div>',
    "<div class=OutlookMessageHeader>From</div><div>{}</div>",
    "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in "
    "0in'>From</div><p>{}</p>",
    '<div style="border-style: solid none none; border-top: 1pt solid rgb(225, 225, '
    '225)">From</div>{}',
    "<div>------------------&nbsp;原始邮件&nbsp;------------------</div><div>{}</div>",
    '<div class="mail-quote-collapse"><blockquote>{}</blockquote></div>',
    '<div>04.03.2024, 09:05, "Shop" &lt;care@shop.example&gt;:</div><blockquote>{}</blockquote>',
    '<blockquote style="border-left:1px solid #0857A6"><div class="js-helper">{}</div>'
    '</blockquote>',
    '<div class="tutanota_quote">{}</div>',
    '<div name="messageReplySection">{}</div>',
    '<hr id="zwchr"><div>{}</div>',
    '<div id="ms-outlook-mobile-reference-message">{}</div>',
    '<blockquote id="isReplyContent">{}</blockquote>',
    '<div id="isForwardContent">{}</div>',
]  # fmt: skip


@pytest.mark.parametrize("block", HTML)
def test_html_is_cut_where_its_program_marks_the_quote(block: str) -> None:
    html = f"<html><body><div>The parcel came.<br>Thank you.</div>{block}</body></html>"

    text = plain.from_html(html.format(QUOTED) if "{}" in html else html)

    assert plain.has_quotes(html)
    assert "Dear Anna" in text
    assert quotes.own_text(text) == ANSWER


def test_a_signature_that_html_names_is_cut() -> None:
    html = (
        "<div>It came.</div><div class='gmail_signature'>Anna<br>+49 30 1</div>"
        "<div class='moz-signature'>Anna</div>"
    )

    assert quotes.own_text(plain.from_html(html)) == "It came."


PIECES = st.sampled_from(
    [*HEADERS, *ADDED, *OWN_WORDS, ANSWER, QUOTED, "", "> quoted", ">", "--", "____________", "\t"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=40)), max_size=12).map("\n".join))
@example("")
@example(">\n>\n")
@example(":\xa0\x1b")
def test_no_text_is_invented_and_none_is_emptied(text: str) -> None:
    own = quotes.own_text(text)
    source = text.replace("\xa0", " ").replace("\r\n", "\n").replace("\r", "\n")

    assert all(line in source for line in own.split("\n"))
    assert bool(own.strip()) == bool(text.strip())


def test_hostile_texts_take_no_time() -> None:
    hostile = [
        "On " * 100_000 + "wrote:", "On 2024 <a@b.example>\n" * 20_000, "a:" * 200_000,
        "From: a@b\n" * 50_000, "wrote:\n" * 50_000, "-" * 400_000, "--a" * 100_000,
        "> " * 200_000, "On 4.3.2024 " + "a@b.c " * 60 + "\n" + "x wrote:\n" * 5_000,
        ("x" * 390 + " 2024 wrote:\n") * 5_000, "\n" * 400_000, "Sent from " * 40_000,
        "12:30 " * 50 + "\n" + ("1.1.2024 <" * 30 + ":\n") * 5_000,
    ]  # fmt: skip
    begun = time.process_time()

    for text in hostile:
        quotes.own_text(text)

    assert time.process_time() - begun < 10
