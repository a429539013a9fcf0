"""What the provider is told by its environment, and the limits that Replicate's documentation sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urlsplit

NAME: Final = "replicate"
BASE_URL: Final = "https://api.replicate.com"

# Replicate's HTTP reference: a data URI may have 256 kB; a file 100 MB.
DATA_URI_MOST: Final = 256_000
FILE_MOST: Final = 100_000_000
# Inputs and outputs are purged an hour after a prediction ended.
RETENTION_S: Final = 3600.0


@dataclass(frozen=True)
class ReplicateSettings:
    """`base_url` is without /v1. Seconds unless said otherwise."""

    token: str | None = field(default=None, repr=False)
    base_url: str = BASE_URL
    webhook_url: str | None = None  # public https address of POST /webhooks/replicate; without one, polling does it all
    cancel_after_s: int = 1800  # Replicate's own limit of a running prediction; an orphan costs no longer than this
    request_s: float = 60.0  # an answer that takes longer may still have created the prediction
    settle_s: float = 120.0  # a request that is not in the list by then never arrived
    poll_s: float = 2.0
    pause_s: float = 300.0  # after a 401 or 402 nothing is asked for so long

    @property
    def api(self) -> str:
        return self.base_url.rstrip("/").removesuffix("/v1") + "/v1/"

    @property
    def is_local(self) -> bool:
        """An API on this machine: no proxy has to see what is sent to it."""
        return self.own_host.hostname in ("127.0.0.1", "::1", "localhost")

    @property
    def own_host(self) -> SplitResult:
        return urlsplit(self.base_url)
