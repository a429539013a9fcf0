"""The object behind a media URL."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.values import ObjectRef


@dataclass(frozen=True)
class MediaFile:
    """`filename`: the name of a download; `gone`: retention has deleted the object, or is about to.

    `unsigned`: the same film with Content Credentials follows, under another URL. `fixed`: this URL never names another
    file.
    """

    object: ObjectRef
    filename: str
    gone: bool
    unsigned: bool = False
    fixed: bool = True
