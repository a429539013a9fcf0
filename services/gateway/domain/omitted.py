"""A field that a request did not mention, where null means something of its own."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Omitted(Enum):
    OMITTED = "unset"


OMITTED: Final = Omitted.UNSET
