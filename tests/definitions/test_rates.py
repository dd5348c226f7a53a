from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from crm_mailer.definitions.rates import Rates, read_rates
from crm_mailer.model.errors import DefinitionError

TEXT = "date,currency,usd\n# euros\n2026-01-01,EUR,1.05\n2026-03-01,eur,1.10\n\n"


def rates(folder: Path, text: str) -> Rates:
    path = folder / "rates.csv"
    path.write_text(text, encoding="utf-8")
    return read_rates(path)


@pytest.mark.parametrize(
    ("day", "rate"),
    [
        (date(2025, 12, 31), None),
        (date(2026, 1, 1), Decimal("1.05")),
        (date(2026, 2, 28), Decimal("1.05")),
        (date(2027, 1, 1), Decimal("1.10")),
    ],
)
def test_the_latest_rate_on_or_before_the_day_counts(
    tmp_path: Path, day: date, rate: Decimal | None
) -> None:
    assert rates(tmp_path, TEXT).on("EUR", day) == rate


def test_a_dollar_is_a_dollar_without_any_file(tmp_path: Path) -> None:
    assert read_rates(tmp_path / "none.csv").on("USD", date(2026, 1, 1)) == 1


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        rates(tmp_path, TEXT + "2026-13-01,EUR,1\n2026-01-01,EURO,1\n2026-01-01,RUB,-1\n")

    assert [problem.line for problem in caught.value.problems] == [6, 7, 8]
