"""Placeholders of other programs are told; what only looks like one is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.rendering import check_names, check_placeholders
from crm_mailer.rendering.context import FIELDS, KNOWN
from crm_mailer.rendering.lint import check_templates
from tests.rendering.conftest import Write


def words(text: str) -> list[str]:
    return [one.text for one in check_placeholders.find(text)]


@pytest.mark.parametrize(
    ("placeholder", "field"),
    [
        ("*|FNAME|*", "customer.given_name"),
        ("*|LIST:COMPANY|*", "shop.name"),
        ("*|UNSUB|*", "unsubscribe_url"),
        ("%%first_name%%", "customer.given_name"),
        ("%%First Name%%", "customer.given_name"),
        ("%%emailaddr%%", ""),
        ("{FIRST_NAME}", "customer.given_name"),
        ("{first_name}", "customer.given_name"),
        ("{name|there}", "customer.name"),
        ("{CUSTOM_FIELD}", ""),
        ("{$user.firstname}", "customer.given_name"),
        ("{!Contact.FirstName}", "customer.given_name"),
        ("[[name]]", "customer.name"),
        ("[[имя]]", "customer.given_name"),
        ("[[what was agreed]]", ""),
        ("[subscriber:firstname | default:reader]", "customer.given_name"),
        ("[FIRST_NAME]", "customer.given_name"),
        ("${name}", "customer.name"),
        ("${order.number ?: ''}", ""),
        ("%FIRSTNAME%", "customer.given_name"),
        ("%COUPON_CODE%", "benefit.code"),
        ("%orderNumber%", "order.number"),
        ("#FIRST_NAME#", "customer.given_name"),
        ("<%= name %>", "customer.name"),
    ],
)
def test_other_programs_placeholders_are_known_with_what_they_are_here(
    placeholder: str, field: str
) -> None:
    [found] = check_placeholders.find(f"Dear {placeholder}, good news")

    assert (found.text, found.start) == (placeholder, 5)
    assert found.help == (f"write {{{{ {field} }}}}" if field else check_placeholders.HELP)


@pytest.mark.parametrize(
    "text",
    [
        "Hello, 50 % off and 10%% more, 100%",
        "from 20% to 30% of them",
        "https://shop.example/?q=%D0%BF%D0%BE%D0%B8%D1%81%D0%BA&x=%2Fsale%2F",
        "[Test] a mail, [NOTE] read this, [sic], [1], [x]",
        "{} { } {a, b} {1}",
        "A ticket for #SALE# and #SALE #NEW, colour #FFFFFF, №#12#",
        "$5 {color:red} {margin: 0}",
        "*bold* | *|* and a || b",
        "名单[一]｛名｝",
        "&#8203;&#160;name&#160;",
    ],
)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert words(text) == []


def test_every_field_that_is_offered_exists() -> None:
    records = {name: FIELDS[record] for name, record in KNOWN.items() if record in FIELDS}
    for path in set(check_names.FIELDS.values()):
        name, _point, part = path.partition(".")
        assert name in KNOWN
        assert not part or part in records[name]


def test_several_are_told_each_at_its_place() -> None:
    found = list(check_placeholders.find("{FIRST_NAME} {{name}} *|A|* [[b]] %%c%%"))

    assert [(one.text, one.start) for one in found] == [
        ("{FIRST_NAME}", 0),
        ("*|A|*", 22),
        ("[[b]]", 28),
        ("%%c%%", 34),
    ]


def test_a_template_is_told_where_it_has_one(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-text>{{ greeting }} %FIRSTNAME%, {# {NAME} #} &#8203;</mj-text>")

    [problem] = [one for one in check_templates(templates, {}) if one.code == "CRM216"]

    assert (problem.file, problem.line) == ("templates/a/b.en.mjml", 5)
    assert problem.source[problem.column - 1 :][: problem.width] == "%FIRSTNAME%"
    assert problem.help == "write {{ customer.given_name }}"
    assert not problem.is_error


def test_subjects_addresses_and_shared_parts_are_looked_at_and_styles_are_not(
    templates: Path, write: Write
) -> None:
    part = templates / "layout" / "foot.mjml"
    part.parent.mkdir(exist_ok=True)
    part.write_text("<mj-text>%%account_name%%</mj-text>", encoding="utf-8")
    for code in ("en", "ru"):
        path = write(
            f"a/b.{code}.mjml",
            '<mj-text><a href="https://x.example/*|UNSUB|*">stop</a></mj-text>'
            '<mj-include path="../layout/foot.mjml" />',
        )
        text = path.read_text(encoding="utf-8")
        head = "<mj-style>img[name] {color:red} {NAME}</mj-style></mj-head>"
        text = text.replace("</mj-title>", " for {NAME}</mj-title>").replace("</mj-head>", head)
        path.write_text(text, encoding="utf-8")

    found = [one for one in check_templates(templates, {}) if one.code == "CRM216"]

    assert [(one.file, one.source[one.column - 1 :][: one.width]) for one in found] == [
        ("templates/a/b.en.mjml", "{NAME}"),
        ("templates/a/b.en.mjml", "*|UNSUB|*"),
        ("templates/a/b.ru.mjml", "{NAME}"),
        ("templates/a/b.ru.mjml", "*|UNSUB|*"),
        ("templates/layout/foot.mjml", "%%account_name%%"),
    ]


def test_an_agents_blanks_belong_into_canned_replies_alone(templates: Path, write: Write) -> None:
    for name in ("replies/b", "a/b"):
        write(f"{name}.en.mjml", "<mj-text>Until [[new ship date]], %%name%%</mj-text>")

    found = [one for one in check_templates(templates, {}) if one.code == "CRM216"]

    assert [one.file.split("/")[1] for one in found] == ["a", "a", "replies"]


def test_one_that_is_meant_can_be_allowed(templates: Path, write: Write) -> None:
    why = "{# allow CRM216: the mail explains mail merge #}"
    write("a/b.en.mjml", f"<mj-text>{why}Write *|FNAME|* there</mj-text>")

    assert "CRM216" not in [one.code for one in check_templates(templates, {})]
    assert "CRM290" not in [one.code for one in check_templates(templates, {})]
