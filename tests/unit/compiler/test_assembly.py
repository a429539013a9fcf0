"""Warnings about the loudness of a film."""

from __future__ import annotations

import pytest

from services.compiler.commands.assembly import loudness_warnings
from shared.contracts.values import AudioConfig

AT_14 = AudioConfig(loudness_lufs=-14)
SHORT = "The film measures -14.9 LUFS instead of -14"
CRUSHED = f"{SHORT}: its peaks reach the limit of -1 dBTP."


@pytest.mark.parametrize(("loudness", "peak", "expected"), [
    (-14.25, -1.0, None),  # the gain moves in half decibels
    (-14.9, -1.1, CRUSHED),
    (-14.9, -6.0, f"{SHORT}."),
    (-13.6, -1.0, "The film measures -13.6 LUFS instead of -14."),
    (None, None, None),
])  # fmt: skip
def test_loudness_that_is_not_as_asked_is_told_with_its_cause(
    loudness: float | None, peak: float | None, expected: str | None
) -> None:
    assert loudness_warnings(loudness, peak, AT_14) == ([expected] if expected else [])
    assert loudness_warnings(loudness, peak, AudioConfig(volume_normalization=False)) == []
