"""Delays between attempts: exponential, with jitter, so that clients that failed together do not return together."""

from __future__ import annotations

from tenacity import wait_exponential, wait_random_exponential
from tenacity.wait import wait_base


def backoff(first_s: float, longest_s: float) -> wait_base:
    """Between half of the delay and all of it ("equal jitter"); the delay doubles from `first_s` up to `longest_s`.

    Half is kept fixed because an attempt without any pause is wasted. Source:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    half = {"multiplier": first_s / 2, "max": longest_s / 2}
    return wait_exponential(**half) + wait_random_exponential(**half)
