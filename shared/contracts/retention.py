"""How long versions are kept: what the generator frees by, and what the gateway shows by."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

ACCEPTED_KEPT: Final = 3
"""Of each asset the last accepted versions stay, the committed one among them."""

CLOSED_KEPT: Final = timedelta(days=7)
"""How long what was rejected, expired or not chosen can still be reopened, and bad output looked at."""

GRACE: Final = timedelta(hours=48)
"""From the mark (no new use) to the end of the bytes. Longer than every compilation (24 h), media URL (2 h) and
backup, so that nobody who holds a reference finds it broken and services need not pin each other's objects."""
