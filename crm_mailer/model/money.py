"""Amounts are whole numbers of a currency's smallest unit, never floats."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

#: Digits after the decimal point where it is not two (ISO 4217).
EXPONENTS = {
    **dict.fromkeys(
        ("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF").split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}


def exponent(currency: str) -> int:
    """How many digits `currency` has after the point."""
    return EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in minor units (cents, kopecks, yen) of a currency (ISO 4217, upper case)."""

    minor: int
    currency: str

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> Money:
        """`amount` in whole units, rounded half to even to the minor unit."""
        scaled = amount.scaleb(exponent(currency)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
        return cls(minor=int(scaled), currency=currency)

    @property
    def amount(self) -> Decimal:
        """The amount in whole units."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def usd_cents(self, rate: Decimal) -> int:
        """The value in US cents where one unit of the currency is worth `rate` dollars."""
        return int((self.amount * rate * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
