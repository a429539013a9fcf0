"""Bulk actions: one action on many targets of an episode."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from services.gateway.api.schemas.base import EXAMPLE_ID, Body, Flag, GivenId, Id, Rating, Resource, absent, shown
from services.gateway.api.schemas.documents import Changes, GivenTransition
from services.gateway.api.schemas.problems import Problem
from services.gateway.api.schemas.reviews import Review

MAX_TARGETS: Final = 100
"""Each target is a transaction of some milliseconds, so that a request stays well below the timeouts of proxies."""

ActionName = Literal["approve", "reject", "regenerate", "transition"]


class BulkTarget(Body, json_schema_extra=shown({"segment_id": EXAMPLE_ID})):
    """What the action applies to: exactly one of `run_id`, `asset_id` and `segment_id`."""

    segment_id: GivenId | None = Field(None, description="A segment: its video, or with `transition` the segment.")
    asset_id: GivenId | None = Field(None, description="An asset, to decide on its waiting preview or to regenerate.")
    run_id: GivenId | None = Field(None, description="A run whose preview waits; only with approve and reject.")
    version_id: GivenId | None = Field(
        None,
        description="The version of the preview that was watched; required to approve one of several variants.",
    )


class BulkAction(
    Body,
    json_schema_extra=shown(
        {
            "action": "reject",
            "targets": [{"segment_id": EXAMPLE_ID}],
            "feedback": "Too dark",
            "suggested_changes": {"style_adjustments": "brighter"},
        }
    ),
):
    """One action on many targets. Fields that belong to another action are refused."""

    action: ActionName = Field(
        description="approve or reject the waiting preview, regenerate, or set the transition into the next segment."
    )
    targets: list[BulkTarget] = Field(
        min_length=1, max_length=MAX_TARGETS, description="The targets, each once. They are answered in this order."
    )
    rating: Rating | None = Field(None, examples=[5], description="approve, reject: from 1 to 5.")
    feedback: str | None = Field(
        None,
        max_length=4000,
        description="approve, reject: a comment on each preview. It is stored and never sent to a model.",
    )
    suggested_changes: Changes | None = Field(
        None,
        examples=[{"style_adjustments": "brighter"}],
        description="reject: what the next versions should change.",
    )
    regenerate: Flag | None = Field(
        None,
        description=(
            "reject: whether to start the next runs at once (editors). The default is true for editors who send "
            "suggested_changes."
        ),
    )
    changes: Changes = absent(
        {},
        description="regenerate: changes to the directions and settings of each target, as for a single segment.",
        examples=[{"prompt_modifications": "Pan left."}],
    )
    keep_original: Flag = Field(
        True, description="regenerate: whether to keep the replaced versions after the new ones are committed."
    )
    transition_after: GivenTransition | None = Field(
        None,
        examples=[{"style": "fade", "duration": 0.5}],
        description="transition (required): the transition into the next segment; null: as the compilation specifies.",
    )


class BulkOutcome(Resource):
    """The outcome for one target."""

    segment_id: Id | None = Field(description="The segment of the target, as it was sent; null: not sent.")
    asset_id: Id | None = Field(description="The asset of the target, as it was sent; null: not sent.")
    run_id: Id | None = Field(
        description="The run that was decided on, or the run that was started; null: there is none."
    )
    status: Annotated[int, Field(ge=200, le=599)] = Field(
        description=(
            "The HTTP status for this target: 200 (done), 202 (a run was started, or the verdict arrives on the "
            "stream), or that of the problem."
        ),
        examples=[200],
    )
    review: Review | None = Field(description="The decision; null: none was made.")
    problem: Problem | None = Field(description="Why the action was refused for this target; null: it was not.")


class BulkResult(Resource):
    """The outcome of a bulk action, target by target."""

    action: ActionName = Field(description="The requested action.")
    succeeded: int = Field(description="The number of targets without a problem.")
    failed: int = Field(description="The number of targets with a problem.")
    results: list[BulkOutcome] = Field(description="One outcome per target, in the order of the request.")
