"""Members of a project come, change their role, go; one owner always stays."""

from __future__ import annotations

from services.gateway.commands.announce import changed
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.errors import Refusal, invalid, invalid_state, not_found
from services.gateway.domain.roles import Role


async def set_member(store: Store, caller: Caller, user_id: str, role: Role) -> None:
    """Raises Refusal invalid (nobody has signed in with that id), invalid-state (the last owner)."""
    members = await store.accounts.lock_members(caller.project_id)
    if not await store.accounts.knows(user_id):
        raise invalid(("path:user_id", "nobody has signed in with this id yet: let them sign in once, then add them"))
    if role is not Role.OWNER:
        _keep_an_owner(members, user_id)
    now = store.now()
    await store.accounts.put_member(caller.project_id, user_id, role, now)
    await store.log(changed(caller, None, "members", user_id, now))


async def remove_member(store: Store, caller: Caller, user_id: str) -> None:
    """Owners remove anyone, others only themselves. Raises Refusal not-found, forbidden, invalid-state."""
    if user_id != caller.user_id and not caller.role.at_least(Role.OWNER):
        raise Refusal("forbidden", "Only owners remove others.", "Ask an owner.", required_role=Role.OWNER.value)
    members = await store.accounts.lock_members(caller.project_id)
    if user_id not in members:
        raise not_found("member")
    _keep_an_owner(members, user_id)
    await store.accounts.remove_member(caller.project_id, user_id)
    await store.log(changed(caller, None, "members", user_id, store.now(), deleted=True))


def _keep_an_owner(members: dict[str, Role], leaving: str) -> None:
    if not any(role is Role.OWNER for user_id, role in members.items() if user_id != leaving):
        raise invalid_state(
            "project", "owned by this member alone", ["owned by others too"], "Name another owner first."
        )
