from __future__ import annotations

import json

import pytest

from crm_mailer.i18n import say
from crm_mailer.model.json_reasons import reason


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"a" 1}', "[1 2]", "1 2", '"', '"\n"', '"\\x"', '"\\u12"', "[1,]", '{"a":1,}'],
)
def test_why_a_text_is_no_json_is_said_in_either_language(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    found = reason(caught.value)
    assert found == str(caught.value)
    assert not any(letter.isalpha() and letter.isascii() for letter in _prose(say(found, "zh_CN")))


def _prose(text: str) -> str:
    """The text without what is code: names of formats and escapes."""
    return text.replace("\\uXXXX", "")


def test_another_error_is_told_as_it_is() -> None:
    assert reason(KeyError("files")) == "'files'"
