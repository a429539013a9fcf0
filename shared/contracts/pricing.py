"""The cost of a call by its model's price: expected, for the spend cap, and actual, by what was generated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from shared.contracts.catalogue import Model, Price
from shared.contracts.values import Cost

_PER_UNIT: Final = {"second": 1, "image": 1, "file": 1, "thousand_characters": 1000}
_SMALLEST: Final = Decimal("0.000001")

FREE: Final = Cost(amount="0", basis="estimated", calls=1)
"""The cost of a call that a provider does not charge for."""


@dataclass(frozen=True)
class Quote:
    """The price at the time of the call: `amount` per unit, and the expected number of units."""

    unit: str
    currency: str
    amount: Decimal
    expected: Decimal

    @property
    def total(self) -> Decimal:
        return self.of(self.expected)

    def of(self, units: Decimal) -> Decimal:
        return (units / _PER_UNIT.get(self.unit, 1) * self.amount).quantize(_SMALLEST)

    def cost(self, units: float | None = None) -> Cost:
        """`units` as counted by the provider; without a count, the expected units, as for a completed call. Of a call
        that did not complete, and for which the provider counts nothing, the cost is unknown: None, not this."""
        counted = Decimal(str(units)) if units is not None else self.expected
        return Cost(amount=f"{self.of(counted).normalize():f}", currency=self.currency, basis="estimated", calls=1)

    def stored(self) -> dict[str, str]:
        return {
            "unit": self.unit,
            "currency": self.currency,
            "amount": str(self.amount),
            "expected": str(self.expected),
        }

    @classmethod
    def restored(cls, stored: Mapping[str, str]) -> Quote:
        return cls(stored["unit"], stored["currency"], Decimal(stored["amount"]), Decimal(stored["expected"]))


def quote(model: Model, settings: Mapping[str, Any], *, duration_s: float | None, directions: str) -> Quote | None:
    """None if the model is free."""
    if model.price is None:
        return None
    price = model.price
    return Quote(price.unit, price.currency, _amount(price, settings), _expected(price, duration_s, directions))


def _amount(price: Price, settings: Mapping[str, Any]) -> Decimal:
    if price.amount is not None:
        return Decimal(price.amount)
    value = settings.get(price.by or "")
    key = str(value).lower() if isinstance(value, bool) else str(value)
    return Decimal(price.amounts[key]) if key in price.amounts else max(map(Decimal, price.amounts.values()))


def _expected(price: Price, duration_s: float | None, directions: str) -> Decimal:
    match price.unit:
        case "second":
            return Decimal(str(duration_s or 0))
        case "thousand_characters":
            return Decimal(len(directions))
        case "image" | "file":
            return Decimal(1)
