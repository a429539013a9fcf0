"""What a prediction costs: its metrics times the model's price. Replicate has no billing API, so it is an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from services.generator.usecases.ports import Order
from shared.contracts.catalogue import Price
from shared.contracts.values import Cost

FREE: Final = Cost(amount="0", basis="estimated", calls=1)

_METRIC: Final = {"second": "video_output_duration_seconds", "image": "image_output_count",
                  "thousand_characters": "character_input_count"}


def price_of(order: Order) -> dict[str, str] | None:
    """What is kept with a call to price it later: `amount` per unit, and how many units are expected."""
    price = order.model.price
    if price is None:
        return None
    return {"unit": price.unit, "currency": price.currency, "amount": _amount(price, order),
            "expected": str(_expected(price, order))}


def _amount(price: Price, order: Order) -> str:
    if price.amount is not None:
        return price.amount
    value = order.settings.get(price.by or "")
    key = str(value).lower() if isinstance(value, bool) else str(value)
    return price.amounts.get(key) or max(price.amounts.values(), key=Decimal)  # unknown: rather too much


def _expected(price: Price, order: Order) -> Decimal:
    match price.unit:
        case "second":
            return Decimal(str(order.duration_s or 0))
        case "thousand_characters":
            return Decimal(len(order.directions))
        case "image" | "file":
            return Decimal(1)


def cost_of(price: Mapping[str, str] | None, metrics: Mapping[str, Any] | None, *, complete: bool) -> Cost:
    """`complete`: it succeeded, so where metrics lack the count what was ordered was made. Else only what they say."""
    if price is None:
        return FREE
    counted = (metrics or {}).get(_METRIC.get(price["unit"], ""))
    if isinstance(counted, int | float) and not isinstance(counted, bool):
        units = Decimal(str(counted))
    else:
        units = Decimal(price["expected"]) if complete else Decimal(0)
    if price["unit"] == "thousand_characters":
        units /= 1000
    amount = (units * Decimal(price["amount"])).quantize(Decimal("0.000001")).normalize()
    return Cost(amount=f"{amount:f}", currency=price["currency"], basis="estimated", calls=1)
