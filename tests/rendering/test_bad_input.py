"""Templates that were made to do harm, or by mistake: one clear finding, and the next goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.model.campaign import Stream
from crm_mailer.rendering import markup, mjml_child
from crm_mailer.rendering.check_use import TemplateUse
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.lint import check_templates
from crm_mailer.rendering.markup import MjmlCompiler, MjmlError
from tests.rendering.conftest import PREVIEW, Write, whole

HEAD = f"<mjml>\n<mj-head><mj-title>t</mj-title>{PREVIEW}</mj-head>\n<mj-body>\n"


def use() -> dict[str, TemplateUse]:
    vars: dict[str, Any] = {}
    return {"a/b": TemplateUse(stream=Stream.TRANSACTIONAL, has_order=True, vars=vars)}


def text(content: str) -> str:
    return f"<mj-text>Some words, enough of them to read. {content}</mj-text>"


#: What stands in a template -> the code and line of its finding, and a word of it.
BOMBS: dict[str, tuple[str, str, int, str]] = {
    "a loop over a huge range": (
        text("{% for i in range(1000000000) %}x{% endfor %}"), "CRM240", 5, "at most 100"),
    "loops in loops": (
        text("{% for a in range(99) %}" * 4 + "x" + "{% endfor %}" * 4), "CRM212", 5, "nested"),
    "three loops with much text": (
        text("{% for a in range(100) %}" * 3 + "word " * 40 + "{% endfor %}" * 3),
        "CRM240", 1, "beyond 2 MB"),
    "a text times a number": (text("{{ 'a' * 1000000000 }}"), "CRM240", 5, "plain numbers"),
    "a list times a number": (text("{{ ([1] * 1000000000)|length }}"), "CRM240", 5, "plain"),
    "a power": (text("{{ 9 ** 9 ** 9 }}"), "CRM240", 5, "plain numbers"),
    "a format of huge width": (text("{{ '%999999999d' % 1 }}"), "CRM240", 5, "plain numbers"),
    "a filter that grows": (text("{{ 'x'|center(999999999) }}"), "CRM212", 5, "`center`"),
    "a text doubled in a loop": (
        text("{% set x = 'aaaaaaaaaa' %}{% for i in range(100) %}{{ x }}{{ x.replace('a','aa') }}"
             "{% endfor %}"), "CRM240", 5, "`replace`"),
    "texts joined again and again": (
        text("{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x ~ x ~ x ~ x ~ x %}" * 20
             + "{{ x|length }}"), "CRM240", 5, "beyond 2 MB"),
    "texts added again and again": (
        text("{% set x = 'aaaaaaaaaa' %}" + "{% set x = x + x + x + x %}" * 30
             + "{{ x|length }}"), "CRM240", 5, "beyond 2 MB"),
    "texts put into each other": (
        text("{% set x %}aaaaaaaaaa{% endset %}"
             + "{% set x %}{{ x }}{{ x }}{{ x }}{{ x }}{{ x }}{{ x }}{% endset %}" * 20
             + "{{ x|length }}"), "CRM240", 5, "beyond 2 MB"),
    "letters for a whole text": (
        text("{% set x = range(100)|join %}" + "{% set x = x|replace('1', x) %}" * 9
             + "{{ x|length }}"), "CRM240", 5, "beyond 2 MB"),
    "a text between its own letters": (
        text("{% set x = 'aaaaaaaaaaaaaaaaaaaa' %}" + "{% set x = x|join(x) %}" * 9
             + "{{ x|length }}"), "CRM240", 5, "beyond 2 MB"),
    "a billion laughs": (
        text("{% set x = ['ha', 'ha', 'ha', 'ha'] %}" + "{% set x = [x, x, x, x, x, x] %}" * 20
             + "{{ x }}"), "CRM240", 5, "beyond 2 MB"),
    "lists added up": (
        text("{% set x = [1, 2, 3, 4] %}" + "{% set x = [x, x]|sum(start=[]) %}" * 40
             + "{{ x|length }}"), "CRM240", 5, "plain numbers"),
    "loops over the letters of a text": (
        text("{% set x = '" + "a" * 3000 + "' %}"
             + "{% for a in x %}" * 3 + "{% endfor %}" * 3),
        "CRM240", 5, "at most 100000 turns"),
    "a recursive loop": (
        text("{% for i in order.items recursive %}{{ loop(order.items) }}{% endfor %}"),
        "CRM212", 5, "recursive"),
    "a macro": (text("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "CRM212", 5, "macro"),
    "an include of Jinja": (text("{% include 'b.en.mjml' %}"), "CRM212", 5, "include"),
    "an import": (text("{% import 'x' as y %}"), "CRM212", 5, "import"),
    "Python's inner names": (text("{{ ''.__class__.__mro__ }}"), "CRM240", 5, "__class__"),
    "a field's method": (text("{{ customer.name.upper() }}"), "CRM214", 5, "customer.name.upper"),
    "an unknown tag of Jinja": (text("{% frobnicate %}"), "CRM210", 5, "frobnicate"),
    "a tag of Jinja without an end": (text("{% if customer.name %}x"), "CRM210", 5,
                                      "`{% if customer.name %}` is never closed"),
    "a misspelt statement": (text("{% iff customer.name %}x{% endif %}"), "CRM210", 5, "`iff`"),
    "a misspelt end": (text("{% if customer.name %}x{% endiff %}"), "CRM210", 5, "`endiff`"),
    "a guessed parent": ("<mj-txt><mj-button href='https://a.example'>x</mj-button></mj-txt>",
                         "CRM205", 5, "mj-txt"),
    "an end of Jinja without a tag": (text("x{% endif %}"), "CRM210", 5, "closes nothing"),
    "two tags of Jinja that cross": (text("{% if order %}{% for a in order.items %}{% endif %}"),
                                     "CRM210", 5, "`{% for a in order.items %}` is not closed"),
    "a missing quotation mark": ('<mj-text align="left css-class="x">x</mj-text>', "CRM206", 5,
                                 "a quotation mark is missing"),
    "a misspelt tag is told once": ("<mj-txt><b>x</b></mj-text>", "CRM205", 5, "mj-txt"),
    "braces that never close": (text("{{ customer.name "), "CRM210", 5, "not closed"),
    "an unknown tag of MJML": ("<mj-txt>x</mj-txt>", "CRM205", 5, "mj-txt"),
    "a tag in the wrong place": ("<mj-section></mj-section>", "CRM208", 5, "mj-section"),
    "tags as deep as a well": (
        "<mj-text>" + "<div>" * 5000 + "</div>" * 5000 + "</mj-text>", "CRM204", 5, "deeper"),
    "Jinja as deep as a well": (text("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"),
                                "CRM210", 5, "nested too deep"),
    "Jinja blocks as deep as a well": (
        text("{% if 1 %}" * 2000 + "x" + "{% endif %}" * 2000), "CRM210", 5, "nested too deep"),
    "more blocks than Python can indent": (
        text("{% if 1 %}" * 150 + "x" + "{% endif %}" * 150),
        "CRM210",
        5,
        "nested too deep",
    ),
    "a sum without end": (text("{{ " + "1+" * 5000 + "1 }}"), "CRM210", 5, "nested too deep"),
    "a sign without end": (text("{{ " + "-" * 900 + "1 }}"), "CRM210", 5, "nested too deep"),
    "a script in a link": (text('<a href="javascript:alert(1)">x</a>'), "CRM232", 5, "javascript"),
    "a script in a picture": ('<mj-image src="data:text/html,x" alt="x" />', "CRM232", 5, "data:"),
    "an event": (text('<b onmouseover="x()">x</b>'), "CRM231", 5, "onmouseover"),
    "a picture without an address": ('<mj-image alt="x" />', "CRM243", 5, "no address"),
    "a picture that is not on the web": (
        '<mj-image src="C:/x.png" alt="x" />', "CRM243", 5, "C:"),
    "an include out of the folder": (
        '<mj-include path="../../../../etc/passwd" />', "CRM201", 5, "outside"),
    "an include of a whole path": ('<mj-include path="/etc/passwd" />', "CRM201", 5, "outside"),
    "an include of itself": ('<mj-include path="b.en.mjml" />', "CRM201", 5, "includes itself"),
    "an include that is not there": ('<mj-include path="x.mjml" />', "CRM201", 5, "does not exist"),
    "an include without a path": ("<mj-include />", "CRM201", 5, "needs a path"),
    "an include of another type": (
        '<mj-include path="x.css" type="php" />', "CRM201", 5, "knows the types"),
}  # fmt: skip


@pytest.mark.parametrize("case", BOMBS)
def test_a_hostile_template_is_one_clear_finding_and_the_next_one_is_read(
    templates: Path, write: Write, case: str
) -> None:
    content, code, line, said = BOMBS[case]
    write("a/b.en.mjml", content)
    write("a/c.en.mjml", text("Nothing is wrong here."))
    began = time.process_time()

    problems = check_templates(templates, use())

    assert time.process_time() - began < 8
    assert {problem.file for problem in problems} == {"templates/a/b.en.mjml"}
    found = [problem for problem in problems if problem.code == code]
    assert found, [problem.as_text() for problem in problems]
    assert (found[0].line, said in found[0].message) == (line, True), found[0].message


def test_a_less_than_sign_in_jinja_is_no_fault(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", text("{% if 1 < 2 and 'a' < 'b' %}{{ '<b>' }}{% endif %}"))

    assert check_templates(templates, use()) == []


def test_a_template_of_ten_megabytes_is_refused_before_it_is_read(
    templates: Path, write: Write
) -> None:
    write("a/b.en.mjml", text("x" * 10_000_000))

    [problem] = check_templates(templates, use())

    assert (problem.code, problem.message) == ("CRM202", "the file is larger than 256 kB")


def test_includes_that_double_with_each_level_are_refused(templates: Path, write: Write) -> None:
    for level in range(12):
        write(f"layout/p{level}.mjml", f'<mj-include path="p{level + 1}.mjml" />' * 2)
    write("layout/p12.mjml", text("x" * 1000))
    write("a/b.en.mjml", '<mj-include path="../layout/p0.mjml" />')

    [problem] = check_templates(templates, use())

    assert problem.code == "CRM201"
    assert problem.file.startswith("templates/layout/")


def test_a_ring_of_includes_names_its_files(templates: Path, write: Write) -> None:
    write("layout/x.mjml", '<mj-include path="y.mjml" />')
    write("layout/y.mjml", '<mj-include path="x.mjml" />')
    write("a/b.en.mjml", '<mj-include path="../layout/x.mjml" />')

    [problem] = check_templates(templates, use())

    assert problem.message == "the file includes itself: x.mjml -> y.mjml -> x.mjml"
    assert problem.place == "templates/layout/y.mjml:1:1"


def test_a_symbolic_link_out_of_the_folder_is_refused(
    templates: Path, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "secret.mjml").write_text("<mj-text>secret</mj-text>")
    (templates / "layout").mkdir()
    (templates / "layout" / "link.mjml").symlink_to(tmp_path / "secret.mjml")
    write("a/b.en.mjml", '<mj-include path="../layout/link.mjml" />')

    [problem] = check_templates(templates, use())

    assert problem.code == "CRM201"
    assert "outside the template folder" in problem.message


def test_a_template_that_is_itself_a_link_out_of_the_folder_is_refused(
    templates: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.mjml").write_text(whole(text("secret")))
    (templates / "a").mkdir()
    (templates / "a" / "b.en.mjml").symlink_to(tmp_path / "secret.mjml")

    [problem] = check_templates(templates, use())

    assert (problem.code, problem.file) == ("CRM201", "templates/a/b.en.mjml")
    assert "outside the template folder" in problem.message


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"\xff\xfe<\x00m\x00", "CRM203"), (b"<mjml>\xd0", "CRM203"), (b"", "CRM205"),
     (b"\x00\x01\x02", "CRM205")],
)  # fmt: skip
def test_bytes_that_are_no_template_are_one_finding(templates: Path, raw: bytes, code: str) -> None:
    (templates / "a").mkdir()
    (templates / "a" / "b.en.mjml").write_bytes(raw)

    assert code in [problem.code for problem in check_templates(templates, use())]


# ----------------------------------------------------------------- the MJML compiler's own process


def test_the_compiler_has_limits_of_memory_and_time() -> None:
    told = subprocess.run(
        [sys.executable, "-c",
         "import sys, json, resource; sys.path.insert(0, sys.argv[1])\n"
         "import mjml_child; mjml_child._limit()\n"
         "print(json.dumps([resource.getrlimit(resource.RLIMIT_AS)[0],"
         " resource.getrlimit(resource.RLIMIT_CPU)[0]]))\n"
         "try: bytearray(1 << 31)\n"
         "except MemoryError: print('no memory')",
         str(Path(mjml_child.__file__).parent)],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.splitlines()  # fmt: skip

    assert json.loads(told[0]) == [mjml_child.MEMORY_BYTES, mjml_child.CPU_SECONDS]
    assert told[1] == "no memory"


def test_a_template_that_takes_too_long_is_left_and_the_others_are_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "child.py"
    slow.write_text(
        "import json, sys, time\n"
        "for text in json.load(sys.stdin):\n"
        "    if 'slow' in text: time.sleep(60)\n"
        "    print(json.dumps({'html': text}), flush=True)\n"
    )
    monkeypatch.setattr(mjml_child, "__file__", str(slow))
    monkeypatch.setattr(markup, "SECONDS", 1)

    answers = MjmlCompiler().compile_all(["one", "slow", "two"])

    assert [answers[0], answers[2]] == ["one", "two"]
    assert isinstance(answers[1], MjmlError)
    assert "longer than 1 seconds" in answers[1]


def test_that_the_compiler_gave_no_answer_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, templates: Path, write: Write, tmp_path: Path
) -> None:
    write("a/b.en.mjml", text("Nothing is wrong here."))
    monkeypatch.setattr(markup, "SECONDS", 0.0)  # as on a machine that slept meanwhile
    hurried = check_templates(templates, use(), cache=tmp_path / "cache")
    monkeypatch.undo()

    assert [problem.code for problem in hurried] == ["CRM221"]
    assert check_templates(templates, use(), cache=tmp_path / "cache") == []


def test_a_mail_is_made_once_the_compiler_answers_again(
    monkeypatch: pytest.MonkeyPatch, templates: Path, write: Write
) -> None:
    write("a/b.en.mjml", text("Nothing is wrong here."))
    library = TemplateLibrary(templates)
    monkeypatch.setattr(markup, "SECONDS", 0.0)
    with pytest.raises(TemplateFault, match="took longer"):
        library.get("a/b", "en")
    monkeypatch.undo()

    assert "Nothing is wrong" in library.get("a/b", "en").masked_html


def test_a_template_that_kills_the_compiler_is_left_and_the_others_are_compiled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deadly = tmp_path / "child.py"
    deadly.write_text(
        "import json, os, signal, sys\n"
        "for text in json.load(sys.stdin):\n"
        "    if 'deadly' in text: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    print(json.dumps({'html': text}), flush=True)\n"
    )
    monkeypatch.setattr(mjml_child, "__file__", str(deadly))

    answers = MjmlCompiler().compile_all(["one", "deadly", "two"])

    assert [answers[0], answers[2]] == ["one", "two"]
    assert "broke on it" in answers[1]


BROKEN = "<mjml><mj-body><mj-section></mj-body></mjml>"


def test_what_mjml_said_is_not_kept_as_html(tmp_path: Path) -> None:
    first = MjmlCompiler(tmp_path).compile_all([BROKEN])

    assert isinstance(first[0], MjmlError)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(MjmlCompiler(tmp_path).compile_all([BROKEN])[0], MjmlError)


def test_what_mjml_said_to_an_older_program_is_no_html(tmp_path: Path) -> None:
    compiler = MjmlCompiler(tmp_path)
    (tmp_path / f"{compiler._key(BROKEN)}.html").write_text("unexpected end of stream")

    assert isinstance(compiler.compile_all([BROKEN])[0], MjmlError)
