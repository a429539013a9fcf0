"""Before a run is admitted: has who asks for it something left of what a user may ask for and spend?"""

from __future__ import annotations

from services.gateway.commands.ports import Store
from services.gateway.domain.quotas import CURRENCY, WINDOW, month_of, too_many_generations, too_much_spent
from shared.contracts.values import Actor


async def check_quotas(store: Store, actor: Actor, generations: int) -> None:
    """Raises Refusal rate-limited, spend-cap-reached."""
    quotas, now = store.quotas, store.now()
    if actor.user_id is None:
        return
    if quotas.generations is not None:
        room = quotas.generations - generations
        blocking = await store.accounts.generations_beyond(actor.user_id, now - WINDOW, room)
        if blocking is not None:
            raise too_many_generations(quotas.generations, blocking + WINDOW, now)
    if quotas.spend is not None:
        spent = await store.accounts.spent(actor.user_id, month_of(now), CURRENCY)
        if spent >= quotas.spend:
            raise too_much_spent(quotas.spend, spent)
