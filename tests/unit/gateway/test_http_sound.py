"""What a film's sound may be: nothing that the compiler could not make is taken."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.gateway.api.schemas.films import NewCompilation
from shared.contracts import values
from shared.core.ids import new_id

SEGMENT = new_id()


@pytest.mark.parametrize(
    "audio",
    [
        {},
        {"loudness_lufs": -14},
        {"loudness_lufs": -23.0, "true_peak_dbtp": -2},
        {"music_gain_db": -12.5},
        {"narration": {SEGMENT: {"gain_db": 3, "offset": -0.5}}},
        {"background_music": False, "segment_sound": "mute"},
    ],
)
def test_what_can_be_made_reaches_the_compiler_as_it_was_said(audio: dict[str, Any]) -> None:
    asked = NewCompilation.model_validate({"audio_config": audio}).audio_config.value()
    assert asked == values.AudioConfig(**audio)


@pytest.mark.parametrize(
    "audio",
    [
        {"bogus": 1},
        {"loudness_lufs": -20},
        {"loudness_lufs": 500},
        {"loudness_lufs": "-16"},
        {"true_peak_dbtp": 99},
        {"music_gain_db": 1000},
        {"background_music": "yes"},
        {"narration": {SEGMENT: {"gain_db": 1000}}},
        {"narration": {SEGMENT: {"offset": -1e9}}},
        {"narration": {SEGMENT: {"pan": 1}}},
        {"narration": {"x": {}}},
    ],
)
def test_what_cannot_be_made_is_refused(audio: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewCompilation.model_validate({"audio_config": audio})
