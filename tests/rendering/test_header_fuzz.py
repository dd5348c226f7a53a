from __future__ import annotations

import os

import pytest

from benchmarks import header_fuzz
from crm_mailer.rendering import headers

#: `CRM_MAILER_FUZZ=1000000` tries a million; benchmarks/header_fuzz.py does the same.
HEADERS = int(os.environ.get("CRM_MAILER_FUZZ", "20000"))


@pytest.mark.timeout(120 + HEADERS // 500)
def test_no_random_name_subject_or_address_escapes_from_its_header() -> None:
    result = header_fuzz.run(HEADERS)

    assert result.escapes == []
    assert result.headers >= HEADERS
    assert 0 < result.refused < result.addresses / 2


@pytest.mark.skipif(not headers.__file__.endswith(".py"), reason="compiled rules cannot be broken")
@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("_words", lambda text: [text]),
        ("_phrase", lambda text: [text] if text else []),
        ("_phrase", lambda text: [f'"{text}"'] if text.isascii() else headers._encoded(text)),
        ("WORD_BYTES", 60),
    ],
)
def test_the_fuzz_finds_a_writer_that_leaves_out_a_rule(
    monkeypatch: pytest.MonkeyPatch, rule: str, broken: object
) -> None:
    monkeypatch.setattr(headers, rule, broken)

    assert header_fuzz.run(3000).escapes != []
