"""Provenance: the Content Credentials of versions and films, as the gateway has read them."""

from __future__ import annotations

from client.models.base import Model


class ProvenanceIngredient(Model):
    """A file that went into another. `approved_by`: a name."""

    title: str | None = None
    relationship: str | None = None
    version_id: str | None = None
    model: str | None = None
    approved_by: str | None = None


class Provenance(Model):
    """`state`: none, invalid (changed after it was signed), valid or trusted. `source`: IPTC's term for how it was
    made."""

    state: str
    signer: str | None = None
    organisation: str | None = None
    development: bool = False
    unsigned_reason: str | None = None
    made_by: str | None = None
    source: str | None = None
    ingredients: list[ProvenanceIngredient] = []
    approvers: list[str] = []
    problems: list[str] = []
