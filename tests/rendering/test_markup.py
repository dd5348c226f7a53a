from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_mailer.rendering import sources
from crm_mailer.rendering.context import CustomerFields, ShopFields, StepFields
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.markup import MjmlCompiler, MjmlError
from crm_mailer.rendering.masking import mask
from tests.rendering.conftest import Write

VALUES = {
    "customer": CustomerFields(given_name="Anna", city="A<b>&"),
    "shop": ShopFields(name="Lotus", url="https://shop.example/?a=1&b=2"),
    "step": StepFields(number=2, of=5),
    "subject": "S",
}


def html(templates: Path, content: str, write: Write) -> str:
    write("a/b.en.mjml", content)
    return TemplateLibrary(templates).get("a/b", "en").html.render(VALUES)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<mj-text>{% if step.number < 3 %}small{% endif %}</mj-text>", "small"),
        ('<mj-text>{{ "}}" }}{{ customer.given_name }}</mj-text>', "}}Anna"),
        ('<mj-button href="{{ shop.url ~ "#top" }}">go</mj-button>', 'a=1&amp;b=2#top"'),
        ('<mj-text color="{{ "#fff" if step.number < 3 else "#000" }}">q</mj-text>', "color:#fff"),
        ("<mj-text>{{ customer.city }}</mj-text>", "A&lt;b&gt;&amp;"),
        (
            "{% for n in range(2) %}<mj-text>row{{ n }}</mj-text>{% endfor %}",
            "row1",
        ),
        (
            "<mj-table>{% for n in range(2) %}<tr><td>r{{ n }}</td></tr>{% endfor %}</mj-table>",
            "<tr><td>r0</td></tr><tr><td>r1</td></tr>",
        ),
    ],
)
def test_jinja_survives_mjml(templates: Path, write: Write, content: str, expected: str) -> None:
    assert expected in html(templates, content, write)


def test_a_tag_that_mjml_drops_is_an_error_with_its_place(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", '<mj-image src="x.png" alt="" width="{{ step.number }}px" />')

    with pytest.raises(TemplateFault, match="MJML drops") as caught:
        TemplateLibrary(templates).get("a/b", "en")

    assert (caught.value.problem.line, caught.value.problem.column) == (5, 37)


def test_defaults_of_elements_that_are_not_used_may_be_dropped(
    templates: Path, write: Write
) -> None:
    head = '<mj-attributes><mj-button background-color="{{ shop.color }}" /></mj-attributes>'
    write("a/b.en.mjml", "<mj-text>x</mj-text>", head=head)

    assert TemplateLibrary(templates).get("a/b", "en")


@pytest.mark.parametrize(("code", "direction"), [("en", "ltr"), ("ar", "rtl")])
def test_language_and_direction_are_set(
    templates: Path, write: Write, code: str, direction: str
) -> None:
    write(
        f"a/b.{code}.mjml",
        '<mjml lang="xx"><mj-head><mj-title>t</mj-title></mj-head><mj-body><mj-section><mj-column>'
        "<mj-text>x</mj-text></mj-column></mj-section></mj-body></mjml>",
    )

    page = TemplateLibrary(templates).get("a/b", code).html.render(VALUES)

    assert re.search(rf'<html lang="{code}" dir="{direction}"', page)
    assert "xx" not in page


def test_no_font_or_picture_of_a_third_party_is_linked(templates: Path, write: Write) -> None:
    page = html(templates, "<mj-text>x</mj-text>", write)

    assert "googleapis" not in page
    assert not re.findall(r'(?:src|href)="https?://(?!shop\.example)', page)


def test_a_title_keeps_the_blanks_that_french_wants(templates: Path, write: Write) -> None:
    write("a/b.fr.mjml", "<mj-text>x</mj-text>", title="Votre  commande&nbsp;:\n que faire&#8239;?")
    template = TemplateLibrary(templates).get("a/b", "fr")

    assert template.subject.render(VALUES) == "Votre commande\u00a0: que faire\u202f?"


def test_the_title_is_the_subject_and_rendered_once(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-text>x</mj-text>", title="Hi {{ customer.given_name }} &amp; co")
    template = TemplateLibrary(templates).get("a/b", "en")

    assert template.subject.render(VALUES) == "Hi Anna & co"
    assert "<title>S</title>" in template.html.render(VALUES)


def test_an_error_for_one_customer_names_the_place_in_the_file(
    templates: Path, write: Write
) -> None:
    write("layout/foot.mjml", "<mj-text>\n  {{ order.number }}</mj-text>")
    write(
        "a/b.en.mjml", '<mj-text>{{ shop.name }}</mj-text><mj-include path="../layout/foot.mjml"/>'
    )
    template = TemplateLibrary(templates).get("a/b", "en")

    for part in (template.html, template.text):
        with pytest.raises(TemplateFault, match="order") as caught:
            part.render(VALUES)
        assert caught.value.problem.place == "templates/layout/foot.mjml:2:3"


def test_forty_templates_are_compiled_in_one_go(templates: Path, write: Write) -> None:
    for number in range(40):
        write(f"a/t{number}.en.mjml", f"<mj-text>{number} {{{{ shop.name }}}}</mj-text>")
    library = TemplateLibrary(templates)

    library.prepare(library.names)

    assert "39 Lotus" in library.get("a/t39", "en").html.render(VALUES)


def test_a_text_that_kills_the_compiler_harms_no_other() -> None:
    good = "<mjml><mj-body></mj-body></mjml>"
    deadly = (
        "<mjml><mj-body>" + "<mj-wrapper>" * 4000 + "</mj-wrapper>" * 4000 + "</mj-body></mjml>"
    )

    answers = MjmlCompiler().compile_all([good, deadly, good + " "])

    assert [isinstance(answer, MjmlError) for answer in answers] == [False, True, False]


def test_compiled_markup_outlives_the_process(tmp_path: Path) -> None:
    text = "<mjml><mj-body></mj-body></mjml>"
    first = MjmlCompiler(tmp_path / "cache").compile_all([text])
    kept = next((tmp_path / "cache").glob("*.html"))
    kept.write_text("<p>from the cache</p>")

    assert first != ["<p>from the cache</p>"]
    assert MjmlCompiler(tmp_path / "cache").compile_all([text]) == ["<p>from the cache</p>"]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    answers = MjmlCompiler(tmp_path / "cache").compile_all(["<mjml><mj-body></mj-body></mjml>"])

    assert answers[0].startswith("<!doctype html>")


def test_masking_and_unmasking_gives_the_source_back(templates: Path, write: Write) -> None:
    path = write("a/b.en.mjml", "<mjml>{{ a }} j7q1z {%- if x < 1 -%} y {% endif %}{# no #}</mjml>")
    masked = mask(sources.read(path, templates))

    assert "{" not in masked.text
    assert "j7q1z" in masked.text
    assert masked.plain(masked.text) == "<mjml>{{ a }} j7q1z{%- if x < 1 -%} y {% endif %}</mjml>"


@pytest.mark.parametrize(
    ("content", "said", "column"),
    [
        ("<mj-text>ok {{ name </mj-text>", "Jinja", 13),
        ("<mj-text>{% if x %}a</mj-text>", "Jinja", 10),
        ("<mj-text>{% raw %}a{% endraw %}</mj-text>", "raw", 10),
        ("<mj-text>{% include 'x' %}</mj-text>", "include", 10),
        ("<mj-text>{{ shop.name|safe }}</mj-text>", "no filter `safe`", 10),
        ("<mj-text>{{ shop.name is nonsense }}</mj-text>", "Jinja", 10),
    ],
)
def test_broken_or_forbidden_jinja_is_told_with_its_place(
    templates: Path, write: Write, content: str, said: str, column: int
) -> None:
    write("a/b.en.mjml", content)

    with pytest.raises(TemplateFault, match=said) as caught:
        TemplateLibrary(templates).get("a/b", "en")

    assert (caught.value.problem.line, caught.value.problem.column) == (5, column)


def test_indentation_is_left_out_unless_blanks_count(templates: Path, write: Write) -> None:
    assert "\n " not in html(templates, "<mj-text>\n    <b>in</b>\n  </mj-text>", write)
    assert "\n  two" in html(templates, "<mj-text><pre>one\n  two</pre></mj-text>", write)


def test_what_mjml_says_against_a_template_is_never_taken_for_a_mail(
    templates: Path, write: Write, tmp_path: Path
) -> None:
    write("a/b.en.mjml", "<mj-text>Prices < 5 dollars</mj-text>")
    for _day in range(2):  # the second time, there is a memory of the first
        with pytest.raises(TemplateFault, match="MJML: unable to parse"):
            TemplateLibrary(templates, tmp_path / "cache").get("a/b", "en")


@pytest.mark.parametrize(
    "between", [" ", "  \n", "\t\n", " <!-- subject -->\n", " {# allow CRM252: its name #}\n"]
)
def test_blanks_and_remarks_may_stand_behind_the_tags_of_the_head(
    templates: Path, write: Write, between: str
) -> None:
    head = between.join(
        [
            "<mjml>\n<mj-head>",
            "<mj-title>A</mj-title>",
            "<mj-preview>b</mj-preview>",
            "<mj-attributes>",
            '<mj-text color="#111111" />',
            "</mj-attributes>",
            "</mj-head>",
        ]
    )
    body = "<mj-body><mj-section><mj-column><mj-text>x</mj-text></mj-column></mj-section></mj-body>"
    (templates / "a").mkdir(exist_ok=True)
    (templates / "a" / "b.en.mjml").write_text(f"{head}{body}</mjml>", encoding="utf-8")

    assert "color:#111111" in TemplateLibrary(templates).get("a/b", "en").html.render(VALUES)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("<mj-text>{{ customer.city }} кот</mj-text>\n<?php x ?>", (6, 1)),
        ("<mj-text>Prices < 5</mj-text>", (5, 17)),
        ("<mj-text>a</mj-text>\n<mj-text align=left>b</mj-text>", (6, 1)),
    ],
)
def test_what_mjml_refuses_has_its_place(
    templates: Path, write: Write, content: str, place: tuple[int, int]
) -> None:
    write("a/b.en.mjml", content)

    with pytest.raises(TemplateFault, match="MJML") as caught:
        TemplateLibrary(templates).get("a/b", "en")

    assert (caught.value.problem.line, caught.value.problem.column) == place
    assert "position" not in str(caught.value)
