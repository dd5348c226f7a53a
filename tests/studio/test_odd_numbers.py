"""Numbers that are none, or that no database holds, get a clear answer and no traceback."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from crm_mailer.studio import given
from tests.studio.conftest import Studio

#: A digit that is no decimal, and numbers that are too long for the database.
ODD = ["²", "1" * 20, "9" * 25, "7" * 5000]
IDS = ["superscript", "20 digits", "25 digits", "5000 digits"]


@pytest.mark.parametrize("odd", ODD, ids=IDS)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/replies/quarantine/retry", "number"),
        ("/cases/1/merge", "into"),
        ("/cases/1/take", "seen"),
        ("/campaigns/welcome/do/live", "mails"),
    ],
)
def test_an_odd_number_in_a_form_is_no_fault_of_ours(
    studio: Studio, path: str, name: str, odd: str
) -> None:
    answer = studio.post(path, on="/me", **{name: odd})
    data = studio.ask(
        path, method="POST", body=f"csrf={studio.csrf('/me')}&{name}={quote(odd)}",
        Origin=studio.url, Accept="application/json",
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip

    assert answer.status == 303
    assert data.status in (200, 400)


def test_a_case_that_is_not_there_cannot_have_changed(studio: Studio) -> None:
    answer = studio.ask(
        "/cases/999/take", method="POST", body=f"csrf={studio.csrf('/me')}&seen=5",
        Origin=studio.url, Accept="application/json",
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip

    assert answer.status == 404


@pytest.mark.parametrize(
    "number", ["-9223372036854775809", "-1", "9223372036854775808", "%C2%B2", "7" * 5000]
)
@pytest.mark.parametrize("page", ["customers", "cases", "outbox", "replies"])
def test_a_page_of_an_odd_number_is_not_there(studio: Studio, page: str, number: str) -> None:
    assert studio.get(f"/{page}/{number}").status == 404


@pytest.mark.parametrize("odd", ODD, ids=IDS)
def test_versions_of_an_odd_number_are_the_usual_ones(studio: Studio, odd: str) -> None:
    path = f"/campaigns/welcome/versions?older={quote(odd)}&newer={quote(odd)}"

    assert studio.get(path).status == 200


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", 0), ("42", 42), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("", None), ("-1", None),
     ("²", None), ("٣", None), ("1_0", None), (" 1", None)],
)  # fmt: skip
def test_only_plain_digits_are_a_number(text: str, found: int | None) -> None:
    assert given.number(text) == found
