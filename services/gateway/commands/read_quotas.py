"""What a user may still ask for and spend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.gateway.commands.ports import Store
from services.gateway.domain.quotas import CURRENCY, WINDOW, Quotas, month_of


@dataclass(frozen=True)
class Standing:
    """`generations` in the last 24 hours, `spent` in the month that began at `month`."""

    quotas: Quotas
    generations: int
    spent: Decimal
    month: datetime


async def read_quotas(store: Store, user_id: str) -> Standing:
    now = store.now()
    month = month_of(now)
    return Standing(
        store.quotas,
        await store.accounts.generations(user_id, now - WINDOW),
        await store.accounts.spent(user_id, month, CURRENCY),
        month,
    )
