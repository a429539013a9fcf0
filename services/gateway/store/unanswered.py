"""Commands that were published and that nobody answers: perhaps the broker lost them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from shared.postgres.pool import Connection

_PUBLISH_AGAIN: Final = """
    with unanswered (topic, key, subject) as (
        select 'regenerate-requested', asset_id::text, run_id::text from runs
        where made = 'requested' and verdict = 'none' and not held and created_at < $1
        union all
        select 'cancel-requested', asset_id::text, run_id::text from runs
        where made in ('requested', 'queued', 'generating') and verdict = 'none' and cancel_requested_at < $1
        union all
        select 'decision-submitted', asset_id::text, run_id::text from reviews
        where verdict = 'pending' and submitted_at < $1
        union all
        select 'compile-requested', episode_id::text, compilation_id::text from compilations
        where state = 'pending' and rev < 0 and created_at < $1
        union all
        select 'cancel-requested', episode_id::text, compilation_id::text from compilations
        where state in ('pending', 'processing') and cancel_requested_at < $1
        union all
        select 'import-requested', episode_id::text, import_id::text from imports
        where source = 'film' and status in ('pending', 'processing') and run_rev < 0 and created_at < $1
    )
    update outbox o set published_at = null
    from unanswered u
    where o.topic = u.topic and o.key = u.key and o.headers ->> 'ce_subject' = u.subject and o.published_at < $1
    returning o.topic, u.subject
"""


async def publish_again(connection: Connection, before: datetime) -> list[tuple[str, str]]:
    """Lets the relay publish again, with the same event id, every command that was published before that time and has
    no answer yet. A consumer that knows it ignores it. Returns (topic, subject) of each."""
    rows = await connection.fetch(_PUBLISH_AGAIN, before)
    return [(row["topic"], row["subject"]) for row in rows]
