"""Bulk actions: one action on many targets of an episode, each answered on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from client.models import BulkResult, BulkTarget
from client.resources.base import Resource, parse, path, without_none
from client.transport import Request, json_of, new_key

MAX_TARGETS: Final = 100  # the gateway's maximum per request
TIMEOUT_S: Final = 60.0  # a hundred transactions, and five seconds each for commits and verdicts


class Bulk(Resource):
    """A refused target does not stop the others: see the `error` of each outcome. At most MAX_TARGETS targets."""

    async def approve(
        self,
        episode_id: str,
        targets: Sequence[BulkTarget],
        *,
        rating: int | None = None,
        feedback: str | None = None,
        key: str | None = None,
    ) -> BulkResult:
        """Accept waiting previews."""
        return await self._send("approve", episode_id, targets, {"rating": rating, "feedback": feedback}, key)

    async def reject(
        self,
        episode_id: str,
        targets: Sequence[BulkTarget],
        *,
        rating: int | None = None,
        feedback: str | None = None,
        suggested_changes: dict[str, Any] | None = None,
        regenerate: bool | None = None,
        key: str | None = None,
    ) -> BulkResult:
        """Reject waiting previews. `suggested_changes` start new runs, unless `regenerate` is False."""
        body = {
            "rating": rating,
            "feedback": feedback,
            "suggested_changes": suggested_changes or None,
            "regenerate": regenerate,
        }
        return await self._send("reject", episode_id, targets, body, key)

    async def regenerate(
        self,
        episode_id: str,
        targets: Sequence[BulkTarget],
        changes: dict[str, Any] | None = None,
        *,
        keep_original: bool | None = None,
        key: str | None = None,
    ) -> BulkResult:
        """Regenerate assets, or the videos of segments; this closes waiting previews."""
        return await self._send(
            "regenerate", episode_id, targets, {"changes": changes, "keep_original": keep_original}, key
        )

    async def transition(
        self,
        episode_id: str,
        targets: Sequence[BulkTarget],
        transition_after: dict[str, Any] | None,
        *,
        key: str | None = None,
    ) -> BulkResult:
        """Set the transition into the next segment; None: as the compilation specifies."""
        return await self._send("transition", episode_id, targets, {}, key, transition_after=transition_after)

    async def _send(
        self,
        action: str,
        episode_id: str,
        targets: Sequence[BulkTarget],
        fields: dict[str, Any],
        key: str | None,
        **nullable: Any,
    ) -> BulkResult:
        """`nullable`: fields in which null has a meaning."""
        body = {"action": action, "targets": [without_none(t) for t in targets], **without_none(fields), **nullable}
        request = Request(
            "POST", path("episodes", episode_id, "bulk"), json=body, key=key or new_key(), timeout_s=TIMEOUT_S
        )
        return parse(BulkResult, json_of(await self._transport.send(request)))
