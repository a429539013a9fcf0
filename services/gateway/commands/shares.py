"""Share links: created and revoked by owners, opened by whoever has one."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from services.gateway.commands.accounts import remember_user
from services.gateway.commands.stream_events import changed_event
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import invalid, not_found
from services.gateway.domain.shares import LONGEST_LIFE, MAX_SHARES, USUAL_LIFE, Share
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message


def token_digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


async def create_share(
    store: Store,
    caller: Caller,
    share_id: str,
    token: str,
    *,
    episode_id: str,
    role: Role,
    label: str,
    expires_at: datetime | None,
) -> Share:
    """`token` opens it; only its digest is stored. `expires_at` None: in a week. Raises Refusal not-found, invalid."""
    caller.owned(await store.episodes.lock(episode_id), "episode")
    now = store.now()
    expires_at = expires_at or now + USUAL_LIFE
    if not now < expires_at <= now + LONGEST_LIFE:
        raise invalid(("/expires_at", message("problem.share_life", days=LONGEST_LIFE.days)))
    if await store.shares.count_live(caller.project_id, now) >= MAX_SHARES:
        raise invalid(("", message("problem.too_many_shares", most=MAX_SHARES)))
    share = Share(share_id, caller.project_id, episode_id, role, label, expires_at)
    await store.shares.insert(share, token_digest(token), caller.user_id, now)
    await remember_user(store, share.guest, label)
    await store.log(changed_event(caller, None, "share", share_id, now))
    return share


async def revoke_share(store: Store, caller: Caller, share_id: str) -> None:
    """Its guests lose everything at once, open streams, too. Raises Refusal not-found."""
    now = store.now()
    if not await store.shares.revoke(caller.project_id, share_id, now):
        raise not_found("share")
    await store.log(changed_event(caller, None, "share", share_id, now, deleted=True))


async def open_share(store: Store, token: str) -> Share:
    """Raises Refusal not-found."""
    share = await store.shares.of_token(token_digest(token), store.now())
    if share is None:
        raise not_found("share")
    return share
