"""What one user may ask for, over all projects. Requests and streams are counted at the door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from services.gateway.domain.errors import Refusal

WINDOW: Final = timedelta(days=1)
CURRENCY: Final = "USD"


@dataclass(frozen=True)
class Quotas:
    """`generations` in any 24 hours, each variant counted; `spend` in US dollars per calendar month (UTC). None: as
    many as they like. Whoever asks for many at once may go over by as many."""

    generations: int | None = None
    spend: Decimal | None = None


def start_of_month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def too_many_generations(quota: int, room_at: datetime, now: datetime) -> Refusal:
    """`room_at`: when the oldest ones in the way are a day old."""
    seconds = max(1.0, (room_at - now).total_seconds())
    return Refusal(
        "rate-limited",
        f"You have asked for {quota} generations within 24 hours, which is all you may.",
        f"Ask again {_in(seconds)}; uploads, decisions and films go on.",
        delay_s=seconds,
        policy="generations",
    )


def too_much_spent(cap: Decimal, spent: Decimal) -> Refusal:
    return Refusal(
        "spend-cap-reached",
        "Your runs have cost what you may spend this month.",
        "Wait for the next month, or let whoever operates this installation raise your limit.",
        cap={"amount": str(cap), "currency": CURRENCY, "period": "month"},
        spent={"amount": str(spent), "currency": CURRENCY},
    )


def _in(seconds: float) -> str:
    if seconds < 90:
        return f"in {seconds:.0f} s"
    return f"in {seconds / 60:.0f} minutes" if seconds < 5400 else f"in {seconds / 3600:.0f} hours"
