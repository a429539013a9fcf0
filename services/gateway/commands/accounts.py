"""Users: their access, their membership of projects, and their quotas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller, Resource, Role
from services.gateway.domain.errors import Refusal, invalid, invalid_state, not_found
from services.gateway.domain.quotas import (
    CURRENCY,
    WINDOW,
    Quotas,
    generations_used_up,
    spend_used_up,
    start_of_month,
    storage_used_up,
)
from services.gateway.domain.shares import is_guest
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message, problem_text
from shared.contracts.values import Actor
from shared.core.ids import is_id


async def authorize(store: Store, user_id: str, resource: Resource, resource_id: str, least: Role) -> Caller:
    """The user, with their role in the project of the resource. Raises Refusal not-found (absent, deleted, or of a
    project that the user is not a member of) or forbidden (the role is too low)."""
    caller = await store.accounts.access(user_id, resource, resource_id) if is_id(resource_id) else None
    if caller is None:
        raise not_found(resource)
    if not caller.role.at_least(least):
        raise Refusal("forbidden", *problem_text("role_too_low", least=least), required_role=least.value)
    return caller


async def remember_user(store: Store, user_id: str, name: str) -> None:
    """Stores a user who signed in, for the first time or under another name."""
    await store.accounts.remember(user_id, name, store.now())


async def set_member(store: Store, caller: Caller, user_id: str, role: Role) -> None:
    """Raises Refusal invalid (nobody has signed in with that id), invalid-state (the last owner)."""
    members = await store.accounts.lock_members(caller.project_id)
    if is_guest(user_id) or not await store.accounts.exists(user_id):
        raise invalid(
            ("path:user_id", "Nobody has signed in with this id yet; ask them to sign in once, then add them")
        )
    if role is not Role.OWNER:
        _keep_an_owner(members, user_id)
    now = store.now()
    await store.accounts.put_member(caller.project_id, user_id, role, now)
    await store.log(changed_event(caller, None, "members", user_id, now))


async def remove_member(store: Store, caller: Caller, user_id: str) -> None:
    """Owners may remove anyone, other members only themselves. Raises Refusal not-found, forbidden, invalid-state."""
    if user_id != caller.user_id and not caller.role.at_least(Role.OWNER):
        raise Refusal("forbidden", *problem_text("not_yours_to_remove"), required_role=Role.OWNER.value)
    members = await store.accounts.lock_members(caller.project_id)
    if user_id not in members:
        raise not_found("member")
    _keep_an_owner(members, user_id)
    await store.accounts.remove_member(caller.project_id, user_id)
    await store.log(changed_event(caller, None, "members", user_id, store.now(), deleted=True))


def _keep_an_owner(members: dict[str, Role], leaving: str) -> None:
    if not any(role is Role.OWNER for user_id, role in members.items() if user_id != leaving):
        raise invalid_state(
            "project", "owned by this member alone", ["owned by others too"], message("problem.last_owner.recovery")
        )


async def check_quotas(store: Store, actor: Actor, generations: int, *, free: bool) -> None:
    """Whether the actor may request so many more generations; `free`: they cost nothing, so money does not matter.

    Raises Refusal rate-limited, spend-cap-reached.
    """
    quotas, now = store.quotas, store.now()
    if actor.user_id is None:
        return
    if quotas.generations is not None:
        room = quotas.generations - generations
        blocking = await store.accounts.generations_beyond(actor.user_id, now - WINDOW, room)
        if blocking is not None:
            raise generations_used_up(quotas.generations, blocking + WINDOW, now)
    if quotas.spend is not None and not free:
        spent = await store.accounts.spent(actor.user_id, start_of_month(now), CURRENCY)
        if spent >= quotas.spend:
            raise spend_used_up(quotas.spend, spent)


async def check_storage(store: Store, project_id: str, added: int = 0) -> None:
    """Whether the project may store anything more, or a file of `added` bytes, which the caller adds in this
    transaction. Raises Refusal storage-full."""
    quota = store.quotas.storage
    if quota is None:
        return
    if added:
        await store.projects.lock_storage(project_id)
    used = await store.projects.stored_bytes(project_id)
    if used >= quota or used + added > quota:
        raise storage_used_up(quota, used, added if used < quota else 0)


@dataclass(frozen=True)
class QuotaUsage:
    """`generations` of the last 24 hours; `spent` in the month that began at `month`."""

    quotas: Quotas
    generations: int
    spent: Decimal
    month: datetime


async def read_quotas(store: Store, user_id: str) -> QuotaUsage:
    now = store.now()
    month = start_of_month(now)
    return QuotaUsage(
        store.quotas,
        await store.accounts.generations(user_id, now - WINDOW),
        await store.accounts.spent(user_id, month, CURRENCY),
        month,
    )
