"""What a request would start, cost and take (`dry_run`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.api.schemas.base import Flag, Id, Kind, Money, Resource

DryRun = Annotated[
    Flag, Field(description="true: nothing is started or stored; the response is 200 with the estimate of it.")
]


class PlannedRun(Resource):
    """A run that would be started."""

    asset_id: Id
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(description="The segment's number in film order, from 1; null: music.")
    kind: Kind = Field(description="The kind of asset.")
    variants: int = Field(description="The number of versions to choose from.")
    model: str | None = Field(description="The slug of the model; null: the named model cannot be used.")
    provider: str | None = Field(description="The provider, such as animatic or replicate.")
    cost: Money = Field(description="By the model's price, of all variants together; 0: free of charge.")
    seconds: float | None = Field(
        description="The median of the model's newest runs in this project; null: it has not been used here yet."
    )


class MissingPiece(Resource):
    """What would still be missing at the end."""

    segment_number: int | None = Field(description="The segment's number in film order, from 1; null: music.")
    kind: Kind = Field(description="The kind of asset.")
    cause: str = Field(description="Why it would be missing, for users.")
    recovery: str = Field(description="What you can do about it.")


class Estimate(Resource):
    """The estimate of a request with `dry_run`. Nothing was started or stored."""

    dry_run: Literal[True] = Field(description="Always true.")
    runs: list[PlannedRun] = Field(description="Every run that would be started, if each preview is accepted.")
    cost: list[Money] = Field(description="The total per currency; empty: no runs.")
    seconds: float | None = Field(
        description="About how long it takes, without reviews; null: a model has not been used in this project yet."
    )
    missing: list[MissingPiece] = Field(description="What would still be missing, in film order.")
