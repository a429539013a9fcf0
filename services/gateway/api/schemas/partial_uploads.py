"""Files that are sent in parts."""

from __future__ import annotations

from pydantic import Field

from services.gateway.api.schemas.base import Body, Id, Resource, Timestamp, Whole
from services.gateway.api.schemas.uploads import Upload


class NewPartialUpload(Body):
    """A file to be sent in parts."""

    filename: str = Field(min_length=1, max_length=300, examples=["harbour.mov"], description="What to call it.")
    size: Whole = Field(ge=1, examples=[1_500_000_000], description="The size of the whole file in bytes.")


class PartialUpload(Resource):
    """A file of which a part was received."""

    id: Id
    project_id: Id
    filename: str = Field(description="The file name that was sent.")
    size: int = Field(description="The size of the whole file in bytes.")
    received: int = Field(description="How many bytes were received: the next part begins there.")
    part_size: int = Field(
        description="How many bytes a part should have: so much is sent again after a break at most."
    )
    upload: Upload | None = Field(description="The upload that it has become; null: not complete.")
    expires_at: Timestamp = Field(description="When it is dropped unless another part arrives.")
