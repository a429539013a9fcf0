"""Provenance: what the Content Credentials of a file state."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.gateway.api.schemas.base import Id, Resource


class ProvenanceIngredient(Resource):
    """A file that went into it."""

    title: str | None = Field(examples=["Segment 1: video"], description="What it is, as the credentials name it.")
    relationship: str | None = Field(
        examples=["componentOf"], description="componentOf, parentOf (the original) or inputTo (a starting image)."
    )
    version_id: Id | None = Field(description="The version; null: not told.")
    model: str | None = Field(description="The model that made it; null: not told, or none did.")
    approved_by: str | None = Field(description="Who approved it, by name; null: not told, or a policy did.")


class Provenance(Resource):
    """The origin of a file, read from its Content Credentials (C2PA) and checked against its bytes."""

    state: Literal["none", "invalid", "valid", "trusted"] = Field(
        description="none: it has none; invalid: it was changed after it was signed; valid: unchanged; trusted: and "
        "the signer's certificate is trusted here."
    )
    signer: str | None = Field(description="The name in the signer's certificate; null: not signed.")
    organisation: str | None = Field(description="The organisation in the signer's certificate; null: not told.")
    development: bool = Field(
        description="Whether it was signed with a development certificate, which proves that the file is unchanged, "
        "not who signed it."
    )
    unsigned_reason: str | None = Field(description="Why it has no credentials, if that is known.")
    made_by: str | None = Field(
        examples=["animatic/camera"], description="The model or program that the credentials name; null: none."
    )
    source: (
        Literal[
            "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "composite", "other"
        ]
        | None
    ) = Field(
        description="How it was made, in IPTC's terms: by an AI model, with parts by AI models, by rules without AI, "
        "of parts none of which is known to be by AI; null: not told, as of an upload."
    )
    ingredients: list[ProvenanceIngredient] = Field(description="What went into it.")
    approvers: list[str] = Field(description="Who approved it or its parts, by name; people only.")
    problems: list[str] = Field(description="What is wrong with the credentials, as their reader puts it.")
