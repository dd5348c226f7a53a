"""Templates with the same tags share Jinja's code, and say what they said without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Template, TemplateSyntaxError

from crm_mailer.rendering import engine, stencils

VALUES = {"greeting": "Dear <Anna>,", "now_year": 2026, "subject": "It's here"}
TAGS = (
    "{{ greeting }}", "{{ now_year }}", "{% if now_year %}", "{% else %}", "{% endif %}",
    "{% for one in range(2) %}", "{{ one }}", "{% endfor %}", "{% set word %}", "{% endset %}",
    "{{ word }}", "{{ 'a' ~ 'b' }}", "{% set n = 2 %}", "{# a note #}", "{{- subject -}}",
    "{{ '\n' }}",
)  # fmt: skip
WORDS = st.text("abc \n\r<&'\"é名%\x02\x03\\", max_size=8)


def outcome(make: Callable[[engine.Sandbox, str], Template], text: str, to: engine.Sandbox) -> str:
    """What a template says, or how it fails."""
    try:
        return engine.render(make(to, text), VALUES)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    except Exception as error:
        return f"{type(error)}: {error}"


@given(st.lists(st.one_of(st.sampled_from(TAGS), WORDS), max_size=12))
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("environment", [engine.HTML, engine.TEXT], ids=["html", "text"])
def test_a_template_says_what_jinja_would_say(
    environment: engine.Sandbox, parts: list[str]
) -> None:
    text = "".join(parts)
    usual = outcome(engine.Sandbox.from_string, text, environment)
    assert outcome(stencils.template, text, environment) == usual


def test_languages_share_the_code_and_keep_their_words() -> None:
    text = "<p>{}{{{{ greeting }}}}</p>\n{{% if now_year %}}{}{{% endif %}}\n"
    english, russian = text.format("One", "more"), text.format("Один", "больше")
    stencils._code.cache_clear()

    said = [
        engine.render(stencils.template(engine.TEXT, one), VALUES) for one in (english, russian)
    ]

    assert said == ["<p>OneDear <Anna>,</p>\nmore", "<p>ОдинDear <Anna>,</p>\nбольше"]
    assert stencils._code.cache_info().misses == 1


def test_a_fault_keeps_its_line() -> None:
    text = "one\n\ntwo {{ greeting }}\nthree {{ nothing }}\n"
    template = stencils.template(engine.TEXT, text)
    with pytest.raises(Exception, match="nothing") as caught:
        engine.render(template, VALUES)
    assert engine.line_of(caught.value, template) == 4
