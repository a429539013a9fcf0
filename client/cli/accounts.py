"""`retake me`: the caller's identity and quotas."""

from __future__ import annotations

from client.cli.command import command
from client.cli.session import Session


@command
async def me(session: Session) -> None:
    """Show your identity at the gateway, and your quotas."""
    async with session.connect() as client:
        found = await client.accounts.me()
    session.line(f"{found.name or found.user_id}  ({found.user_id})", style="bold")
    if quotas := found.quotas:
        session.line(
            f"{quotas.get('requests')} requests in {quotas.get('window_s')} s, {quotas.get('streams')} open streams"
        )
        limit = quotas.get("generations")
        used = quotas.get("generations_used", 0)
        session.line(f"{used} generations in 24 hours" + (f", of {limit}" if limit else ""))
        spent, cap = quotas.get("spent"), quotas.get("spend")
        if spent:
            limit = f", of {cap['amount']}" if cap else ""
            session.line(f"{spent['amount']} {spent['currency']} spent this month{limit}")
    if found.waiting_reviews:
        session.line(f"{found.waiting_reviews} previews wait for a decision: retake review --list --all-projects")
    session.emit(found)
