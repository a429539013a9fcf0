"""What one user may generate and spend, over all projects, and what one project may store. The HTTP layer limits
requests and streams."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from services.gateway.domain.errors import Refusal
from shared.contracts.messages import problem_text

WINDOW: Final = timedelta(days=1)
CURRENCY: Final = "USD"


@dataclass(frozen=True)
class Quotas:
    """Per user: `generations` in any 24 hours, each variant counted; `spend` in US dollars per calendar month (UTC).
    Per project: `storage` in bytes. None: no limit.

    Concurrent requests of one user may exceed a limit of theirs by as many as they are. Files of known size never
    exceed `storage`; what is generated may, by what was already being made.
    """

    generations: int | None = None
    spend: Decimal | None = None
    storage: int | None = None


def start_of_month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def generations_used_up(quota: int, room_at: datetime, now: datetime) -> Refusal:
    """`room_at`: when enough of the counted generations will be a day old."""
    seconds = max(1.0, (room_at - now).total_seconds())
    return Refusal(
        "rate-limited",
        *problem_text("generations_used_up", quota=quota, when=_in(seconds)),
        delay_s=seconds,
        policy="generations",
    )


def spend_used_up(cap: Decimal, spent: Decimal) -> Refusal:
    return Refusal(
        "spend-cap-reached",
        *problem_text("spend_used_up"),
        cap={"amount": str(cap), "currency": CURRENCY, "period": "month"},
        spent={"amount": str(spent), "currency": CURRENCY},
    )


def storage_used_up(quota: int, used: int, added: int) -> Refusal:
    """`added`: the size of the file that does not fit; 0 if nothing fits any more."""
    text = {"quota": _gigabytes(quota), "used": _gigabytes(used)}
    cause, recovery = (
        problem_text("storage_too_small", size=_gigabytes(added), **text)
        if added
        else problem_text("storage_used_up", **text)
    )
    return Refusal("storage-full", cause, recovery, limit=quota, used=used)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 10**8 else f"{count / 1e6:.3g} MB"


def _in(seconds: float) -> str:
    if seconds < 90:
        return f"in {seconds:.0f} s"
    return f"in {seconds / 60:.0f} minutes" if seconds < 5400 else f"in {seconds / 3600:.0f} hours"
