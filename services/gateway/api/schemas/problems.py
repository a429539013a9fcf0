"""Problems: the body of every response that is not a success (RFC 9457)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from services.gateway.api.schemas.accounts import RoleName
from services.gateway.api.schemas.base import Id, Money, Resource
from services.gateway.domain.problems import Slug


class FieldError(Resource):
    """One field that is not valid."""

    pointer: str = Field(
        description="A JSON Pointer into the body, or `query:name`, `header:name`.", examples=["/rating"]
    )
    detail: str = Field(description="What is wrong with it.", examples=["rating must be at most 5."])


class ReachedCap(Money):
    """The spend cap that was reached."""

    period: Literal["month", "total"] = Field(description="month (a calendar month in UTC) or total.")


class UncompilableSegment(Resource):
    """A segment that cannot go into a film."""

    segment_id: str = Field(description="The segment's id, as it was sent.")
    segment_number: int | None = Field(None, description="Its number in film order.")
    reason: Literal["unapproved", "not_in_episode", "repeated"] = Field(description="Why it cannot be compiled.")


def _is_absent(value: object) -> bool:
    return value is None


def _only_own_members(schema: dict[str, Any]) -> None:
    """The members of single types are absent in problems of other types, and never null."""
    for name, member in schema["properties"].items():
        if name not in schema["required"]:
            member.pop("default", None)
            present = [s for s in member.pop("anyOf", []) if s != {"type": "null"}]
            if present:
                schema["properties"][name] = present[0] | member


class Problem(Resource):
    """RFC 9457. The closed set is `type`; the members below `recovery` belong to single types."""

    model_config = ConfigDict(
        extra="allow", json_schema_serialization_defaults_required=False, json_schema_extra=_only_own_members
    )

    type: Literal[tuple(f"/problems/{slug}" for slug in Slug)] = Field(  # type: ignore[valid-type]
        description="The kind of problem: clients switch on it."
    )
    title: str = Field(description="A summary of the kind of problem.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request.")
    instance: str = Field(description="The path of the request.")
    trace_id: str | None = Field(description="Quote it when you report the problem; null: the request was not traced.")
    recovery: str = Field(description="What you can do about it.")
    errors: list[FieldError] | None = Field(
        None, exclude_if=_is_absent, description="invalid: one entry per field that is not valid."
    )
    cap: ReachedCap | None = Field(
        None, exclude_if=_is_absent, description="spend-cap-reached: the cap of the project."
    )
    spent: Money | None = Field(
        None, exclude_if=_is_absent, description="spend-cap-reached: what the project has spent."
    )
    required_role: RoleName | None = Field(
        None, exclude_if=_is_absent, description="forbidden: the role that the request needs."
    )
    active_id: Id | None = Field(None, exclude_if=_is_absent, description="busy: the run or batch that is active.")
    outcome: str | None = Field(None, exclude_if=_is_absent, description="already-decided: the outcome of the preview.")
    review_id: Id | None = Field(
        None, exclude_if=_is_absent, description="already-decided: the review that decided it."
    )
    current: str | None = Field(None, exclude_if=_is_absent, description="invalid-state: the current state.")
    allowed: list[str] | None = Field(
        None, exclude_if=_is_absent, description="invalid-state: the states in which the request is allowed."
    )
    policy: str | None = Field(None, exclude_if=_is_absent, description="rate-limited: the policy that was exceeded.")
    etag: str | None = Field(None, exclude_if=_is_absent, description="stale: the current ETag.")
    limit: int | None = Field(
        None,
        exclude_if=_is_absent,
        description="too-large: the greatest size in bytes; storage-full: what the project may store, in bytes.",
    )
    used: int | None = Field(
        None, exclude_if=_is_absent, description="storage-full: what the project stores, in bytes."
    )
    segments: list[UncompilableSegment] | None = Field(
        None, exclude_if=_is_absent, description="not-compilable: the segments that cannot be compiled."
    )


class ProblemType(Resource):
    """What a problem type means."""

    type: str = Field(description="The `type` of its problems.", examples=["/problems/busy"])
    status: int = Field(description="The HTTP status.")
    title: str = Field(description="A summary of the kind of problem.")
    recovery: str = Field(description="What to do about it.")
    extensions: list[str] = Field(description="The members that its problems add.")
    sample: Problem = Field(description="A problem of this type.")
