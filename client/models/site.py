"""The gateway itself: its health and its catalogue of models."""

from __future__ import annotations

from typing import Any

from client.models.base import Model


class CatalogueModel(Model):
    """A model of a provider. `settings_schema` is a JSON Schema."""

    slug: str
    provider: str | None = None
    kind: str | None = None
    kinds: list[str] = []
    settings_schema: dict[str, Any] | None = None
    price: Any = None
    limits: dict[str, float | None] = {}
    usable: bool = True
    unusable_reason: str | None = None

    @property
    def makes(self) -> list[str]:
        return self.kinds or ([self.kind] if self.kind else [])


class Health(Model):
    status: str
    checks: dict[str, str] = {}
