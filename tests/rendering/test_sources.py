from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.rendering import sources
from crm_mailer.rendering.faults import TemplateFault
from tests.rendering.conftest import Write


def test_an_included_file_stands_where_it_was_named(templates: Path, write: Write) -> None:
    write("layout/foot.mjml", "<mj-text>foot</mj-text>")
    path = write("a/b.en.mjml", '<mjml><mj-include path="../layout/foot.mjml" /></mjml>')

    source = sources.read(path, templates)

    assert source.text == "<mjml><mj-text>foot</mj-text></mjml>"


def test_a_place_in_an_included_file_is_told_in_that_file(templates: Path, write: Write) -> None:
    write("layout/foot.mjml", "one\n  two here")
    path = write("a/b.en.mjml", '<mjml>\n<mj-include path="../layout/foot.mjml" />\nlast</mjml>')
    source = sources.read(path, templates)

    inside = source.locate(source.text.index("two"))
    after = source.locate(source.text.index("last"))

    assert (inside.file, inside.line, inside.column) == ("templates/layout/foot.mjml", 2, 3)
    assert (after.file, after.line, after.column) == ("templates/a/b.en.mjml", 3, 1)
    assert inside.source == "  two here"


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ('<mj-include path="../../secret.mjml" />', "outside"),
        ('<mj-include path="/etc/passwd" />', "outside"),
        ('<mj-include path="b.en.mjml" />', "includes itself"),
        ('<mj-include path="none.mjml" />', "does not exist"),
        ('<mj-include path="x.mjml" type="js" />', "mjml, css and html"),
        ("<mj-include />", "needs a path"),
    ],
)
def test_a_bad_include_is_told_with_its_line(
    templates: Path, write: Write, include: str, said: str
) -> None:
    path = write("a/b.en.mjml", f"<mjml>\n  {include}\n</mjml>")

    with pytest.raises(TemplateFault, match=said) as caught:
        sources.read(path, templates)

    problem = caught.value.problem
    assert (problem.line, problem.column, problem.code) == (2, 3, "CRM201")


def test_a_link_out_of_the_folder_is_refused(templates: Path, write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret.mjml").write_text("secret")
    (templates / "a").mkdir()
    (templates / "a" / "link.mjml").symlink_to(tmp_path / "secret.mjml")
    path = write("a/b.en.mjml", '<mjml><mj-include path="link.mjml" /></mjml>')

    with pytest.raises(TemplateFault, match="outside"):
        sources.read(path, templates)


def test_css_and_html_are_dressed_as_mjml(templates: Path, write: Write) -> None:
    (templates / "a").mkdir()
    (templates / "a" / "x.css").write_text("p{}")
    (templates / "a" / "x.html").write_text("<b>x</b>")
    path = write(
        "a/b.en.mjml",
        '<mjml><mj-include path="x.css" type="css"/><mj-include path="x.html" type="html"/></mjml>',
    )

    text = sources.read(path, templates).text

    assert text == "<mjml><mj-style>p{}</mj-style><mj-raw><b>x</b></mj-raw></mjml>"


def test_includes_that_double_themselves_end_in_one_error(templates: Path, write: Write) -> None:
    for number in range(9):
        inner = f'<mj-include path="l{number + 1}.mjml"/>' * 10 if number < 8 else "x" * 1000
        write(f"layout/l{number}.mjml", inner)
    path = write("a/b.en.mjml", '<mjml><mj-include path="../layout/l0.mjml"/></mjml>')

    with pytest.raises(TemplateFault, match=r"more than 100 includes|nested deeper|larger than"):
        sources.read(path, templates)


def test_a_file_that_is_not_utf8_is_refused(templates: Path, write: Write) -> None:
    path = write("a/b.en.mjml", "<mjml></mjml>")
    path.write_bytes("<mjml>Ж</mjml>".encode("cp1251"))

    with pytest.raises(TemplateFault, match="not UTF-8"):
        sources.read(path, templates)


def test_a_file_of_ten_megabytes_is_refused(templates: Path, write: Write) -> None:
    path = write("a/b.en.mjml", "<mjml>" + "x" * 10_000_000)

    with pytest.raises(TemplateFault, match="larger than 256 kB"):
        sources.read(path, templates)


def test_a_comment_hides_an_include_and_keeps_places(templates: Path, write: Write) -> None:
    path = write("a/b.en.mjml", '<mjml><!-- <mj-include path="none.mjml"/>\n{{ x } -->\nend</mjml>')

    source = sources.read(path, templates)

    assert "none" not in source.text
    assert source.locate(source.text.index("end")).line == 3
