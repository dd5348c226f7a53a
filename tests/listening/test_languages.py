from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from crm_mailer.listening import languages
from crm_mailer.model.words import Words

SENTENCES = {
    "en": ["Where is my parcel?", "Not received, refund please", "The zip broke after two days",
           "Can I change the colour to red?", "I have been waiting for three weeks now"],
    "es": ["¿Dónde está mi pedido?", "No me ha llegado el paquete", "Quiero un reembolso ya",
           "Muchas gracias por todo", "Llegó roto, ¿qué hago?"],
    "pt": ["Onde está o meu pedido?", "Não recebi a encomenda", "Quero o meu dinheiro de volta",
           "Muito obrigada, chegou tudo bem", "Veio quebrado, o que faço?"],
    "fr": ["Où est mon colis ?", "Je n'ai rien reçu", "Remboursez-moi s'il vous plaît",
           "Merci beaucoup, tout va bien", "Article cassé à l'arrivée"],
    "de": ["Wo ist mein Paket?", "Ware nicht angekommen", "Ich will mein Geld zurück",
           "Danke, das ist alles bestens", "Bitte eine andere Größe schicken"],
    "it": ["Dov'è il mio pacco?", "Non ho ricevuto niente", "Voglio il rimborso della spesa",
           "Grazie mille, è tutto a posto", "La taglia non è giusta"],
    "nl": ["Waar is mijn pakket?", "Ik heb niets ontvangen", "Ik wil mijn geld terug",
           "Bedankt, het is goed zo", "Graag een andere maat voor mijn zoon"],
    "pl": ["Gdzie jest moja paczka?", "Nie otrzymałem przesyłki", "Chcę zwrot pieniędzy",
           "Dziękuję, wszystko dobrze", "Proszę zmienić rozmiar"],
    "tr": ["Benim kargom nerede?", "Ürün elime ulaşmadı", "Paramı geri istiyorum",
           "Teşekkürler, her şey yolunda", "Kırık geldi ne yapmalıyım"],
    "ru": ["Где моя посылка?", "Верните деньги"], "uk": ["Де моя посилка, її немає"],
    "zh": ["我的包裹在哪里", "请退款"], "ja": ["荷物が届きません", "返金してください"],
    "ko": ["택배가 안 왔어요", "환불해 주세요"], "ar": ["أين طلبي؟", "أريد استرداد المال"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("guess", "least"), [(languages.guess, 0.95), (languages.guess_by_words, 0.85)]
)
def test_short_sentences_are_known_with_and_without_the_library(
    words: Words, guess: Callable[..., str], least: float
) -> None:
    found = [
        guess(said, words.lexicons) == code for code, texts in SENTENCES.items() for said in texts
    ]

    assert sum(found) / len(found) >= least


@pytest.mark.parametrize("guess", [languages.guess, languages.guess_by_words])
def test_what_is_too_short_to_tell_is_in_the_customers_language(
    words: Words, guess: Callable[..., str]
) -> None:
    assert guess("ok, super", words.lexicons, "de") == "de"
    assert guess("12345 !!", words.lexicons, "fr") == "fr"
    assert guess("https://shop.example/the/and/of", words.lexicons, "es") == "es"
    assert guess("", words.lexicons, "tr") == "tr"


def test_a_script_says_more_than_the_customers_language(words: Words) -> None:
    assert languages.guess("где?", words.lexicons, "en") == "ru"


def test_nothing_breaks_where_numpy_is_missing() -> None:
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from crm_mailer.definitions.words_reader import read_words\n"
        "from crm_mailer.listening import languages\n"
        "print(languages.guess('Wo ist das Paket, das ich bestellt habe?', read_words().lexicons))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert done.stdout.strip() == b"de"
