"""Media as a URL names them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.values import ObjectRef


@dataclass(frozen=True)
class MediaFile:
    """`filename` is what a download is called; `gone`: retention has deleted the bytes, or will.

    `unsigned`: the same film with Content Credentials follows.
    """

    object: ObjectRef
    filename: str
    gone: bool
    unsigned: bool = False
