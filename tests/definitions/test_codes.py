from __future__ import annotations

import re
from pathlib import Path

import pytest

import crm_mailer
from crm_mailer.definitions import codes
from crm_mailer.definitions.problems import Severity
from crm_mailer.model.errors import NotFound

PACKAGE = Path(crm_mailer.__file__).parent
CODE = re.compile(r"CRM[0-9]{3}")
#: Said of codes in general, in help texts.
EXAMPLES = {PACKAGE / "cli" / "checking.py"}


def test_every_code_that_is_used_is_registered_and_the_other_way_round() -> None:
    used = {
        code
        for path in PACKAGE.rglob("*.py")
        if path not in EXAMPLES
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }

    assert used == set(codes.registry())


def test_codes_stand_in_order_and_speak_in_sentences() -> None:
    registry = codes.registry()

    assert list(registry) == sorted(registry)
    assert [code for code, one in registry.items() if not one.why.endswith(".")] == []
    assert [code for code, one in registry.items() if one.title.endswith(".")] == []
    assert {one.severity for one in registry.values()} == set(Severity)


def test_a_code_is_found_whatever_its_case() -> None:
    name, found = codes.find(" crm113 ")

    assert (name, found.severity) == ("CRM113", Severity.ERROR)
    assert found.as_text(name).splitlines()[0] == f"CRM113 (error): {found.title}"


def test_an_unknown_code_names_the_nearest() -> None:
    with pytest.raises(NotFound, match="no code `CRM999`") as caught:
        codes.find("CRM999")

    assert caught.value.hint


PAGE = Path(__file__).resolve().parents[2] / "docs" / "checks.md"


def test_the_page_of_checks_has_every_code_as_the_registry_says_it() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert codes.as_page() in page, (
        "python -m crm_mailer.definitions.codes writes docs/checks.md anew"
    )


def test_what_mjml_refuses_is_not_said_to_have_no_place() -> None:
    _, found = codes.find("CRM221")  # tests/rendering/test_markup.py: it mostly has one

    assert found.why == "It does not always say where."
