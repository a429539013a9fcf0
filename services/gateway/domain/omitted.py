"""The value of a field that a request left out, where null has a meaning of its own."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Omitted(Enum):
    OMITTED = "omitted"


OMITTED: Final = Omitted.OMITTED
