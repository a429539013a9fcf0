"""Estimates: what a request would start, cost and take."""

from __future__ import annotations

from client.models.base import AssetKind, Model, Money


class PlannedRun(Model):
    """A run that would be started; `seconds` None: its model has not been used in the project yet."""

    asset_id: str
    segment_number: int | None = None
    kind: AssetKind = AssetKind.UNKNOWN
    variants: int = 1
    model: str | None = None
    cost: Money = Money()
    seconds: float | None = None


class MissingPiece(Model):
    """What would still be missing at the end, why, and what to do."""

    segment_number: int | None = None
    kind: AssetKind = AssetKind.UNKNOWN
    cause: str = ""
    recovery: str = ""


class Estimate(Model):
    """Nothing was started or stored. `cost` per currency; `seconds` without reviews, None: not known yet."""

    runs: list[PlannedRun] = []
    cost: list[Money] = []
    seconds: float | None = None
    missing: list[MissingPiece] = []
