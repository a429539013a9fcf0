"""Commands that are not carried out say so, so that whoever waits is told and no lock stays held."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.generator.commands.ports import Runs
from services.generator.domain.problems import problem_of, unreadable_command
from shared.contracts.events.gateway import ImportRequested, RegenerateRequested
from shared.contracts.events.generator import Failed
from shared.contracts.values import AssetKind, Cost
from shared.core.ids import is_id
from shared.messaging.events import Cause

NOWHERE: Final = "00000000-0000-0000-0000-000000000000"  # an id that a broken command does not tell
NOTHING_SPENT: Final = Cost(amount="0", basis="reported")


async def refuse_request(
    runs: Runs, *, topic: str, key: str, subject: str | None, told: Mapping[str, Any], cause: Cause, now: datetime
) -> None:
    """A dead-lettered command: its failure, from what headers, key and body still tell."""
    if topic == RegenerateRequested.TOPIC and subject and is_id(subject):
        await runs.refuse(subject, now)
        kind = told.get("asset_kind")
        await runs.publish(
            cause,
            Failed(
                episode_id=_id(told, "episode_id") or NOWHERE,
                run_id=subject,
                asset_id=key or _id(told, "asset_id"),
                asset_kind=AssetKind(kind) if kind in list(AssetKind) else None,
                segment_id=_id(told, "segment_id"),
                run_rev=1,
                outcome="failed",
                step="queued",
                problem=problem_of(unreadable_command()),
                cost=NOTHING_SPENT,
            ),
        )
    elif topic == ImportRequested.TOPIC and subject:
        await runs.publish(
            cause,
            Failed(
                episode_id=key or NOWHERE,
                import_id=subject,
                run_rev=1,
                outcome="failed",
                step="queued",
                problem=problem_of(unreadable_command()),
                cost=NOTHING_SPENT,
            ),
        )


def _id(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    return value if isinstance(value, str) and is_id(value) else None
