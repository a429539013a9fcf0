"""Who may do what: membership of the project that a thing belongs to; foreign things look absent."""

from __future__ import annotations

from services.gateway.commands.ports import Caller, Resource, Store
from services.gateway.domain.errors import Refusal, not_found
from services.gateway.domain.roles import Role
from shared.core.ids import is_id


async def authorize(store: Store, user_id: str, resource: Resource, resource_id: str, least: Role) -> Caller:
    """Raises Refusal not-found (absent, deleted, or not the user's) or forbidden (too low a role)."""
    caller = await store.accounts.access(user_id, resource, resource_id) if is_id(resource_id) else None
    if caller is None:
        raise not_found(resource)
    if not caller.role.at_least(least):
        raise Refusal(
            "forbidden", f"This needs the role {least}.", "Ask an owner of the project.", required_role=least.value
        )
    return caller


async def see_user(store: Store, user_id: str, name: str) -> None:
    """Somebody signed in whom we may not know yet."""
    await store.accounts.see(user_id, name, store.now())
