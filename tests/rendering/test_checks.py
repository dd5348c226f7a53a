"""What mails look like and say: links, contrast, words, inbox, mail programs, exceptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.campaign import Stream
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import check_clients, check_shop
from crm_mailer.rendering.check_contrast import contrast, style_rules
from crm_mailer.rendering.check_use import TemplateUse
from crm_mailer.rendering.lint import check_templates
from tests.rendering.conftest import Write

LINK = "<mj-text>Words before it, enough of them, and a link to <a {}>see</a> at the end.</mj-text>"
TEXT = "<mj-text>{}</mj-text>"


def use(stream: str = "transactional") -> dict[str, TemplateUse]:
    vars: dict[str, Any] = {}
    return {"a/b": TemplateUse(stream=Stream(stream), has_order=True, vars=vars)}


def found(templates: Path, code: str, **more: Any) -> list[Problem]:
    problems = check_templates(templates, more.pop("wanted", use()), **more)
    return [problem for problem in problems if problem.code == code]


LINKS = {
    "empty": ('href=""', "CRM241", "nothing"),
    "hash": ('href="#"', "CRM241", "`#`"),
    "placeholder host": ('href="https://www.example.com/x"', "CRM241", "example.com"),
    "your-shop": ('href="https://your-shop.com"', "CRM241", "your-shop"),
    "todo": ('href="https://a.shop/TODO"', "CRM241", "TODO"),
    "relative": ('href="/sale"', "CRM241", "no whole address"),
    "not encrypted": ('href="http://lamps.shop/x"', "CRM242", "not encrypted"),
    "a file": ('href="file:///etc/passwd"', "CRM232", "file:"),
    "a script in other letters": ('href="JaVaScRiPt:alert(1)"', "CRM232", "JaVaScRiPt"),
    "shortened": ('href="https://bit.ly/3xyz"', "CRM256", "bit.ly"),
}


@pytest.mark.parametrize("case", LINKS)
def test_a_link_that_leads_nowhere_is_found(templates: Path, write: Write, case: str) -> None:
    attribute, code, said = LINKS[case]
    write("a/b.en.mjml", LINK.format(attribute))

    [problem] = found(templates, code)[:1]

    assert said in problem.message
    assert (problem.line, problem.file) == (5, "templates/a/b.en.mjml")


@pytest.mark.parametrize(
    "attribute",
    ['href="https://lamps.shop"', 'href="mailto:a@lamps.shop"', 'href="tel:+861"',
     'href="{{ shop.url }}/sale"', 'href="{{ unsubscribe_url }}"'],
)  # fmt: skip
def test_a_link_that_leads_somewhere_is_left_alone(
    templates: Path, write: Write, attribute: str
) -> None:
    write("a/b.en.mjml", LINK.format(attribute))

    assert check_templates(templates, use()) == []


def test_a_link_that_says_one_address_and_leads_to_another_is_found(
    templates: Path, write: Write
) -> None:
    write("a/b.en.mjml", TEXT.format('<a href="https://evil.shop/x">www.lamps.shop</a> and more'))
    write("a/c.en.mjml", TEXT.format('<a href="https://www.lamps.shop/x">lamps.shop</a> and more'))

    [problem] = found(templates, "CRM255", wanted={})

    assert problem.message == "it says `www.lamps.shop` and leads to `evil.shop`"
    assert problem.source[problem.column - 1 :].startswith("www.lamps.shop")


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        ('<mj-image alt="Lamp" />', "CRM243"),
        ('<mj-image src="lamp.png" alt="Lamp" />', "CRM243"),
        ('<mj-image src="cid:lamp" alt="Lamp" />', "CRM243"),
        ('<mj-image src="http://lamps.shop/l.png" alt="Lamp" />', "CRM242"),
    ],
)
def test_a_picture_that_nobody_can_load_is_found(
    templates: Path, write: Write, picture: str, code: str
) -> None:
    write("a/b.en.mjml", picture + TEXT.format("Enough words. " * 10))

    assert [problem.line for problem in found(templates, code)] == [5]


def test_a_mail_of_pictures_is_found(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", '<mj-image src="https://lamps.shop/l.png" alt="All of it" />')

    assert found(templates, "CRM254")[0].severity is Severity.WARNING


# ----------------------------------------------------------------- contrast


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((0x77, 0x77, 0x77), (255, 255, 255)) == pytest.approx(4.478, abs=0.001)
    assert contrast((0x76, 0x76, 0x76), (255, 255, 255)) == pytest.approx(4.542, abs=0.001)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('<mj-text color="#777777">grey words</mj-text>', "#777777 on #ffffff is 4.4:1"),
        ('<mj-text><span style="color:#999">grey words</span></mj-text>', "#999999 on #ffffff"),
        ('<mj-text container-background-color="#222">dark</mj-text>', "#000000 on #222222"),
        ('<mj-button href="https://l.shop" background-color="#ffd700" color="white">x</mj-button>',
         "#ffffff on #ffd700"),
        ('<mj-text color="rgb(150, 150, 150)">grey words</mj-text>', "#969696 on #ffffff"),
    ],
)  # fmt: skip
def test_text_that_stands_out_too_little_is_found(
    templates: Path, write: Write, content: str, said: str
) -> None:
    write("a/b.en.mjml", content)

    [problem] = found(templates, "CRM244")

    assert said in problem.message
    assert problem.line == 5


@pytest.mark.parametrize(
    "content",
    [
        '<mj-text color="#767676">grey words</mj-text>',
        '<mj-text color="#888888" font-size="24px">large words</mj-text>',
        '<mj-text color="#888888" font-size="20px" font-weight="700">bold words</mj-text>',
        "<mj-text color=\"{{ vars.colour|default('red') }}\">who knows</mj-text>",
    ],
)
def test_text_that_can_be_read_is_left_alone(templates: Path, write: Write, content: str) -> None:
    write("a/b.en.mjml", content)

    assert found(templates, "CRM244") == []


def test_the_shops_own_colour_is_looked_at(templates: Path, write: Write) -> None:
    write("a/b.en.mjml",
          '<mj-button href="https://l.shop" background-color="{{ shop.color }}" color="#fff">x'
          "</mj-button>")  # fmt: skip

    light = found(templates, "CRM244", shop=Shop(name="x", color="#ffcc00"))
    dark = found(templates, "CRM244", shop=Shop(name="x", color="#0b6e6e"))

    assert (len(light), dark) == (1, [])


def test_dark_mode_must_change_text_and_ground_together(templates: Path, write: Write) -> None:
    style = "<mj-style>@media (prefers-color-scheme: dark) {{ .card {{ {} }} }}</mj-style>"
    text = '<mj-text css-class="card"><p class="card" style="color:#222222">words</p></mj-text>'
    write("a/b.en.mjml", text, head=style.format("background-color: #111111 !important"))
    write("a/c.en.mjml", text, head=style.format(
        "background-color: #111111 !important; color: #eeeeee !important"))  # fmt: skip

    problems = found(templates, "CRM245", wanted={})

    assert [(one.file, one.message.split(" is ")[0]) for one in problems] == [
        ("templates/a/b.en.mjml", "#222222 on #111111")
    ]


def test_rules_that_ask_for_more_than_tags_and_classes_are_passed_over() -> None:
    rules = style_rules("a:hover {color: red} p.x > b, [dir] {color: #fff} @import 'x'; .y {m: 0}")

    assert [rule.parts for rule in rules] == [
        (("", "p", frozenset({"x"})), (">", "b", frozenset()))
    ]


# ----------------------------------------------------------------- words

WORDS = {
    "spam": ("en", "Hello", "Act now and click here.", "CRM252"),
    "spam in Russian": ("ru", "Привет", "Нажмите здесь сейчас.", "CRM252"),
    "spam in Chinese": ("zh", "您好", "仅限今天，立即抢购", "CRM252"),
    "marks": ("en", "Hello!!!", "Some words.", "CRM253"),
    "capitals": ("en", "GREAT NEWS FOR YOU", "Some words.", "CRM253"),
    "capitals in the text": ("en", "Hello", "LAST CHANCE TODAY for all.", "CRM253"),
    "praise": ("en", "Hello", "Please leave us a nice positive review.", "CRM260"),
    "stars": ("en", "Hello", "Give us 5 stars!", "CRM260"),
    "reward": ("en", "Hello", "Write a review and get a coupon.", "CRM260"),
    "reward in Russian": ("ru", "Привет", "Оставьте отзыв и получите скидку.", "CRM260"),
    "reward in Spanish": ("es", "Hola", "Escribe una reseña y llévate un regalo.", "CRM260"),
    "reward in Chinese": ("zh", "您好", "给个好评，返现五元", "CRM260"),
    "reward in German": ("de", "Hallo", "Für eine Bewertung gibt es einen Gutschein.", "CRM260"),
    "reward in French": ("fr", "Bonjour", "Laissez un avis et recevez un cadeau.", "CRM260"),
    "reward in Portuguese": ("pt", "Olá", "Faça uma avaliação e ganhe um brinde.", "CRM260"),
}  # fmt: skip


@pytest.mark.parametrize("case", WORDS)
def test_words_that_do_harm_are_found(templates: Path, write: Write, case: str) -> None:
    language, subject, text, code = WORDS[case]
    write(f"a/b.{language}.mjml", TEXT.format(text), title=subject)

    problems = found(templates, code, wanted={})

    assert problems
    assert problems[0].line > 1


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Good or bad, your review helps others. We give nothing for it."),
        ("en", "Thank you for your good review. Today is your birthday: here is a gift."),
        ("en", "No coupon depends on your review."),
        ("en", "USA, UK and DHL are names. One mark is fine!"),
        ("ru", "Спасибо за отзыв. Мы рады."),
    ],
)
def test_words_that_do_none_are_left_alone(
    templates: Path, write: Write, language: str, text: str
) -> None:
    write(f"a/b.{language}.mjml", TEXT.format(text))

    assert check_templates(templates, {}) == []


def test_an_offer_in_order_mail_is_advice(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", TEXT.format("Your parcel has left. Here is a coupon for you."))

    assert [one.severity for one in found(templates, "CRM263")] == [Severity.ADVICE]
    assert found(templates, "CRM263", wanted=use("marketing")) == []


# ----------------------------------------------------------------- inbox, headings, language


def test_a_subject_that_every_program_cuts_is_advice(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", TEXT.format("x"), title="A long subject " * 5)
    write("a/c.zh.mjml", TEXT.format("x"), title="主题" * 18)
    write("a/d.en.mjml", TEXT.format("x"), title="A subject of fair length")

    problems = found(templates, "CRM250", wanted={})

    assert [one.file[-9:] for one in problems] == ["b.en.mjml", "c.zh.mjml"]
    assert "Gmail in a browser shows about 70" in problems[0].message


@pytest.mark.parametrize(
    ("preview", "said"),
    [
        ("", "no preview text"),
        ("<mj-preview>New!</mj-preview>", "takes 4 places"),
        ("<mj-preview>" + "word " * 40 + "</mj-preview>", "the end is cut off"),
        ("<mj-preview>The very subject of this mail</mj-preview>", "what the subject says"),
    ],
)
def test_a_preview_text_that_does_not_help_is_advice(
    templates: Path, write: Write, preview: str, said: str
) -> None:
    write("a/b.en.mjml",
          f"<mjml><mj-head><mj-title>The very subject of this mail</mj-title>{preview}</mj-head>"
          "<mj-body><mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section></mj-body>"
          "</mjml>")  # fmt: skip

    [problem] = found(templates, "CRM251")

    assert said in problem.message


def test_headings_out_of_order_are_advice(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", TEXT.format("<h1>One</h1><h3>Three</h3>"))
    write("a/c.en.mjml", TEXT.format("<h2>Two</h2>"))
    write("a/d.en.mjml", TEXT.format("<h1>One</h1><h2>Two</h2><h2>Two more</h2>"))

    problems = found(templates, "CRM246", wanted={})

    assert [one.message for one in problems] == ["h3 after h1", "the first heading is h2"]


def test_a_file_that_says_another_language_than_its_name_is_found(
    templates: Path, write: Write
) -> None:
    body = "<mj-head><mj-title>t</mj-title></mj-head><mj-body></mj-body></mjml>"
    write("a/b.ru.mjml", f'<mjml lang="en" dir="rtl">{body}')
    write("a/c.ar.mjml", f'<mjml lang="ar" dir="rtl">{body}')

    problems = found(templates, "CRM238", wanted={})

    assert [one.message for one in problems] == [
        'lang="en" in a file of `ru`',
        'dir="rtl" in a file of `ru`',
    ]


def test_arabic_that_is_set_to_the_left_is_advice(templates: Path, write: Write) -> None:
    write("a/b.ar.mjml", TEXT.format("مرحبا بك"))
    write("a/c.ar.mjml", '<mj-text align="right">مرحبا بك</mj-text>')

    assert [one.file for one in found(templates, "CRM247", wanted={})] == ["templates/a/b.ar.mjml"]


# ----------------------------------------------------------------- mail programs


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ('<video src="https://l.shop/v.mp4"></video>', "CRM271", "<video>"),
        ('<p style="display:flex;align-items:center">x</p>', "CRM270", "align-items"),
        ('<p style="position:absolute">x</p>', "CRM270", "position"),
        ('<p style="color:var(--c)">x</p>', "CRM271", "variables"),
        ('<img src="https://l.shop/x.heif" alt="">', "CRM271", "HEIF"),
    ],
)
def test_what_mail_programs_do_not_show_is_told_once(
    templates: Path, write: Write, content: str, code: str, said: str
) -> None:
    write("a/b.en.mjml", TEXT.format(content * 2))

    problems = [one for one in found(templates, code) if said.lower() in one.message.lower()]

    assert len(problems) == 1
    assert "not in " in problems[0].message


def test_what_is_known_of_mail_programs_has_its_date_and_licence() -> None:
    text = Path(check_clients.__file__).with_name("mail_clients.json").read_text(encoding="utf-8")

    assert '"date": "20' in text
    assert '"licence": "MIT' in text
    assert len(check_clients.features()) > 200


# ----------------------------------------------------------------- exceptions


def test_an_exception_with_a_reason_silences_its_finding(templates: Path, write: Write) -> None:
    allow = "{# allow CRM260: the coupon is for the birthday, not for the review #}"
    write("a/b.en.mjml", TEXT.format("Write a review and get a coupon." + allow))

    assert check_templates(templates, {}) == []


@pytest.mark.parametrize(
    ("allow", "said"),
    [
        ("{# allow CRM260 #}", "needs a reason"),
        ("{# allow CRM252: our readers like it #}", "nothing here is CRM252"),
        ("{# allow CRM230: the picture is an ornament #}", "cannot be allowed"),
    ],
)
def test_an_exception_without_effect_is_a_warning(
    templates: Path, write: Write, allow: str, said: str
) -> None:
    picture = '<mj-image src="https://l.shop/x.png" />' if "CRM230" in allow else ""
    write("a/b.en.mjml", TEXT.format(f"Some words. {allow}") + picture)

    [problem] = found(templates, "CRM290")

    assert said in problem.message


# ----------------------------------------------------------------- the shop


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"languages": ("en", "zh"), "subject_prefix": {"CN": ""}}, "CRM261"),
        ({"languages": ("ko",)}, "CRM261"),
        ({"languages": ("de",)}, "CRM262"),
        ({"color": "#ffcc00"}, "CRM244"),
    ],
)
def test_what_a_shop_lacks_for_its_countries_is_told(facts: dict[str, Any], code: str) -> None:
    problems = check_shop(Shop(name="x", **facts), "campaigns/shop.yaml")

    assert [problem.code for problem in problems] == [code]


def test_a_shop_that_says_it_all_has_no_finding() -> None:
    shop = Shop(
        name="x",
        languages=("de", "zh", "ko"),
        subject_prefix={"CN": "[广告] ", "KR": "(광고) "},
        phone="+49 1",
        reply_to="a@b.de",
    )

    assert check_shop(shop, "campaigns/shop.yaml") == []


# ----------------------------------------------------------------- memory


def test_what_has_not_changed_is_not_looked_at_again(
    templates: Path, write: Write, tmp_path: Path
) -> None:
    path = write("a/b.en.mjml", TEXT.format("Act now."))
    first = check_templates(templates, {}, cache=tmp_path / "cache")
    kept = (tmp_path / "cache" / "findings.json").read_text()
    second = check_templates(templates, {}, cache=tmp_path / "cache")
    marked = kept.replace("what spam says", "what was kept")
    (tmp_path / "cache" / "findings.json").write_text(marked)
    third = check_templates(templates, {}, cache=tmp_path / "cache")
    path.write_text(path.read_text().replace("Act now", "Click here"))
    fourth = check_templates(templates, {}, cache=tmp_path / "cache")

    assert first == second
    assert "what was kept" in third[0].message
    assert fourth[0].message == "`Click here` is what spam says"


@pytest.mark.parametrize("rubbish", ["", "[]", '{"x": [{"code": 1}]}', "\x00"])
def test_a_broken_memory_only_costs_time(
    templates: Path, write: Write, tmp_path: Path, rubbish: str
) -> None:
    write("a/b.en.mjml", TEXT.format("Act now."))
    (tmp_path / "findings.json").write_text(rubbish)

    assert len(check_templates(templates, {}, cache=tmp_path)) == 1
