"""What a shop's first export meets: headers that are nearly known, and a map of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.column_maps import read_map
from crm_mailer.model.errors import SourceError
from tests.importing.desk import Desk

EXPORT = (
    "Name,E-mail,Financial Status,Created,Currency,Total price\n"
    "#2001,lena@example.com,paid,2026-10-20 10:00,EUR,35.00\n"
    "#2002,olga@example.com,Partly-Refunded,2026-10-21 10:00,EUR,15.00\n"
)
OWN = """\
name: mine
zone: Europe/Berlin
columns:
  order_number: [Name]
  placed_at: [Created]
  email: [E-mail]
  state: [Financial Status]
  currency: [Currency]
  amount: [Total price]
"""


def test_a_header_that_is_nearly_known_is_named_with_what_to_do(quick: Desk) -> None:
    with pytest.raises(SourceError, match="no column map finds a column") as caught:
        quick.orders(quick.text(EXPORT))

    assert "the map `generic` looks for `placed_at` in `created_at`" in caught.value.hint
    assert "`Created`" in caught.value.hint
    assert "docs/importing.md" in caught.value.hint


def test_a_map_of_the_shop_need_not_list_our_own_words_for_states(
    quick: Desk, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OWN, encoding="utf-8")

    report = quick.orders(quick.text(EXPORT), column_map=read_map(path))

    assert quick.all("orders", "state") == ["paid", "partly_refunded"]
    assert report.notes == ()
