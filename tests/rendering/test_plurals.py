"""Plural forms in templates: every language's own, and what `check` says of those that lack."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.model.campaign import Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import RenderError
from crm_mailer.rendering import TemplateUse, check_templates, formats, plurals
from crm_mailer.rendering.compose import Composer, Occasion
from tests.rendering.conftest import whole

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAYS: dict[str, dict[str, str]] = {
    "en": {"one": "# day", "other": "# days"},
    "ru": {"one": "# день", "few": "# дня", "many": "# дней"},
    "es": {"one": "# día", "other": "# días"},
    "pt": {"one": "# dia", "other": "# dias"},
    "fr": {"one": "# jour", "other": "# jours"},
    "de": {"one": "# Tag", "other": "# Tage"},
    "zh": {"other": "# 天"},
    "ar": {
        "zero": "# يوم", "one": "يوم واحد", "two": "يومان", "few": "# أيام", "many": "# يومًا",
        "other": "# يوم",
    },
    "pl": {"one": "# dzień", "few": "# dni", "many": "# dni"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "number", "written"),
    [
        ("en", 0, "0 days"),
        ("en", 1, "1 day"),
        ("en", 1234, "1,234 days"),
        ("ru", 1, "1 день"),
        ("ru", 3, "3 дня"),
        ("ru", 11, "11 дней"),
        ("ru", 21, "21 день"),
        ("ru", 112, "112 дней"),
        ("es", 1, "1 día"),
        ("es", 2, "2 días"),
        ("es", 1_000_000, "1.000.000 días"),
        ("pt", 0, "0 dia"),
        ("pt", 2, "2 dias"),
        ("fr", 0, "0 jour"),
        ("fr", 1.5, "1,5 jour"),
        ("fr", 2, "2 jours"),
        ("de", 1, "1 Tag"),
        ("de", 1234, "1.234 Tage"),
        ("zh", 1, "1 天"),
        ("ar", 0, "0 يوم"),
        ("ar", 1, "يوم واحد"),
        ("ar", 2, "يومان"),
        ("ar", 7, "7 أيام"),
        ("ar", 11, "11 يومًا"),
        ("ar", 100, "100 يوم"),
        ("pl", 22, "22 dni"),
    ],
)
def test_a_number_asks_for_its_form(code: str, number: float, written: str) -> None:
    assert plurals.of(formats.locale_for(code, ""))(number, **DAYS[code]) == written


@pytest.mark.parametrize("code", list(DAYS))
def test_the_forms_that_a_language_needs_are_known(code: str) -> None:
    assert plurals.needed(formats.locale_for(code, "")) == tuple(DAYS[code])


def test_portugal_counts_nought_as_many_and_brazil_as_one() -> None:
    here, there = (plurals.of(formats.locale_for("pt", place)) for place in ("PT", "BR"))

    assert here(0, **DAYS["pt"]) == "0 dias"
    assert there(0, **DAYS["pt"]) == "0 dia"


def test_nought_may_have_a_text_of_its_own() -> None:
    count = plurals.of(formats.locale_for("de", ""))

    assert count(0, none="kein Artikel", one="# Artikel", other="# Artikel") == "kein Artikel"
    assert count(3, none="kein Artikel", one="# Artikel", other="# Artikel") == "3 Artikel"


@pytest.mark.parametrize(
    ("number", "forms", "message"),
    [
        ("three", {"other": "x"}, "plural() counts a number, not `three`"),
        (True, {"other": "x"}, "plural() counts a number, not `True`"),
        (3, {"others": "x"}, "plural() has no form `others`"),
        (3, {}, "plural() has no form"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    number: Any, forms: dict[str, str], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        plurals.of(formats.locale_for("en", ""))(number, **forms)

    assert str(caught.value) == message


def shown(composer: Composer, code: str, country: str = "") -> str:
    reader = Customer(id=1, email="a@example.com", language=code, country=country)
    occasion = Occasion(
        touch_id=1, customer=reader, order=None, stream=Stream.MARKETING, template="care/days"
    )
    return composer.show(occasion, NOW).text


def test_templates_count_in_html_text_and_subject(
    write: Callable[..., Path], compose_with: Callable[[], Composer]
) -> None:
    forms = 'plural(step.of + 4, one="# день", few="# дня", many="<b> # дней")'
    write(
        "care/days.ru.mjml",
        f"<mj-text>Осталось {{{{ {forms} }}}}</mj-text>",
        title=f"Ещё {{{{ {forms} }}}}",
    )
    reader = Customer(id=1, email="a@example.com", language="ru")
    occasion = Occasion(
        touch_id=1, customer=reader, order=None, stream=Stream.MARKETING, template="care/days"
    )
    composer = compose_with()

    mail = composer.compose(occasion, NOW)

    assert mail.subject == "Ещё <b> 5 дней"
    assert "Осталось &lt;b&gt; 5 дней" in mail.html
    assert "Осталось <b> 5 дней" in mail.text


def test_a_form_that_is_missing_does_not_stop_the_mail(
    write: Callable[..., Path], compose_with: Callable[[], Composer]
) -> None:
    write("care/days.ru.mjml", '<mj-text>{{ plural(3, one="день", many="дней") }}</mj-text>')

    assert "дней" in shown(compose_with(), "ru")


def test_what_is_no_number_is_a_fault_of_the_template(
    write: Callable[..., Path], compose_with: Callable[[], Composer]
) -> None:
    write("care/days.en.mjml", '<mj-text>{{ plural(greeting, other="x") }}</mj-text>')

    with pytest.raises(RenderError, match=r"days\.en\.mjml:\d+:\d+: plural\(\) counts a number"):
        shown(compose_with(), "en")


@pytest.mark.parametrize(
    ("code", "call", "message", "help_"),
    [
        (
            "ru",
            'plural(2, one="a", many="b")',
            "the language `ru` also needs the form `few`",
            'write plural(n, one="...", few="...", many="...")',
        ),
        (
            "en",
            'plural(2, one="a")',
            "the language `en` also needs the form `other`",
            'write plural(n, one="...", other="...")',
        ),
        ("en", 'plural(2, ones="a")', "plural() has no form `ones`", "did you mean `one`?"),
        ("zh", 'plural(2, other="a")', "", ""),
        ("ru", 'plural(2, one="a", few="b", many="c", none="d")', "", ""),
    ],
)
def test_check_asks_for_every_form_of_the_language(
    write: Callable[..., Path], templates: Path, code: str, call: str, message: str, help_: str
) -> None:
    write(f"care/days.{code}.mjml", f"<mj-text>{{{{ {call} }}}}</mj-text>")
    use = TemplateUse(stream=Stream.TRANSACTIONAL, has_order=False)

    found = [one for one in check_templates(templates, {"care/days": use}) if one.code == "CRM215"]

    assert [(one.message, one.help) for one in found] == ([(message, help_)] if message else [])
    assert all(one.source[one.column - 1 :].startswith("plural") for one in found)


def test_check_sees_a_part_in_another_language(write: Callable[..., Path], templates: Path) -> None:
    for code in ("en", "de", "pt"):
        write(f"layout/footer.{code}.mjml", "<mj-text>...</mj-text>")
    body = '<mj-include path="../layout/footer.{}.mjml" />'
    hidden = '<!-- <mj-include path="../layout/footer.en.mjml" /> -->'
    write("care/sale.de.mjml", body.format("en") + hidden)
    write("care/sale.pt-BR.mjml", body.format("pt"))
    write("care/sale.en.mjml", body.format("en"))

    found = [one for one in check_templates(templates, {}) if one.code == "CRM239"]

    assert [(one.file, one.message, one.help) for one in found] == [
        (
            "templates/care/sale.de.mjml",
            "a part in `en` stands in a template in `de`",
            "include footer.de.mjml",
        )
    ]
    assert found[0].source[found[0].column - 1 :].startswith("footer.en.mjml")


def test_a_whole_template_is_no_fault(write: Callable[..., Path], templates: Path) -> None:
    write("care/days.en.mjml", whole("<mj-text>plural(1) is only a word here</mj-text>"))

    assert not [one for one in check_templates(templates, {}) if one.code == "CRM215"]


def test_a_language_without_the_campaigns_texts_is_tried_all_the_same(
    write: Callable[..., Path], templates: Path
) -> None:
    write("care/days.en.mjml", "<mj-text>{{ vars.what }}</mj-text>")
    write("care/days.de.mjml", "<mj-text>{{ plural(vars.what, one='x', other='y') }}</mj-text>")
    use = TemplateUse(stream=Stream.TRANSACTIONAL, has_order=False, vars={"what": {"en": "five"}})

    found = check_templates(templates, {"care/days": use})

    assert ("CRM240", "templates/care/days.de.mjml") in [(one.code, one.file) for one in found]


def test_what_is_no_number_is_told_by_its_text_alone() -> None:
    """Half of the findings come from another process, which cannot be told a generator."""
    with pytest.raises(TypeError) as refused:
        plurals.of(formats.locale_for("en", ""))((one for one in [1]), other="# days")

    said = str(refused.value)
    assert said.startswith("plural() counts a number, not `<generator")
    assert pickle.loads(pickle.dumps(said)) == said
