"""Compares events of the streams with their documentation in the API."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from services.gateway.api.schemas.events import EVENTS
from shared.postgres.pool import Pool
from tests.support.gateway_shapes import same_shape


def documented(name: str, data: Any) -> type[BaseModel]:
    """The schema that this event has. Fails if it has none of those that the API documents."""
    problems = []
    for shape in EVENTS[name]:
        try:
            same_shape(shape, data)
        except (AssertionError, ValidationError) as e:
            problems.append(str(e))
        else:
            return shape
    raise AssertionError(f"{name}: {data} is not as documented: {problems}")


async def log_is_documented(pool: Pool) -> None:
    for row in await pool.fetch("select distinct on (name, md5(data)) name, data from event_log"):
        documented(row["name"], json.loads(row["data"]))
