"""How long the parsers are fuzzed: briefly in the suite, and for minutes by `make fuzz` (RETAKE_FUZZ_EXAMPLES)."""

from __future__ import annotations

import os
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES: Final = int(os.environ.get("RETAKE_FUZZ_EXAMPLES", "25"))


def fuzzed(share: float = 1.0) -> Any:
    """Settings of a test that tries this share of the examples."""
    return settings(
        max_examples=max(5, int(EXAMPLES * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with bytes changed, inserted, removed or repeated, or cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(("change", "insert", "remove", "repeat", "cut", "length"))):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case "remove":
                del data[at : at + draw(st.integers(1, 64))]
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 64))]
            case "cut":
                del data[at:]
            case _:
                extreme = draw(st.sampled_from((b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff")))
                data[at : at + 4] = extreme
    return bytes(data)
