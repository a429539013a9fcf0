"""The options of a compilation, as the fields of its request."""

from __future__ import annotations

from typing import Any

import pytest

from client.cli.exit_codes import UsageError
from client.cli.film_options import FilmSettings
from client.cli.film_plan import STYLES
from client.models import Episode
from services.gateway.api.schemas.sound import AudioConfig
from shared.contracts.values import TransitionStyle

EPISODE = Episode.model_validate(
    {"id": "e", "title": "T", "project_id": "p", "segments": [{"id": f"s{n}", "segment_number": n} for n in (1, 2, 3)]}
)


def audio(**given: Any) -> dict[str, Any]:
    plain = {"segments": None, "transition": None, "at": None, "no_music": False, "loudness": -16, "sound": None,
             "music_gain": None, "captions": None}  # fmt: skip
    config: dict[str, Any] = FilmSettings(**(plain | given)).fields(EPISODE)["audio_config"]
    return config


def test_the_command_line_offers_every_transition() -> None:
    assert list(STYLES) == list(TransitionStyle)


def test_the_sound_of_a_film_is_as_the_gateway_takes_it() -> None:
    assert audio() == {"background_music": True, "loudness_lufs": -16, "volume_normalization": True}
    found = audio(no_normalization=True, true_peak=-2.5, narration_gain=["-3", "2=1.5"], narration_offset=["2=0.5"])
    assert (found["volume_normalization"], found["true_peak_dbtp"]) == (False, -2.5)
    assert found["narration"] == {"s1": {"gain_db": -3}, "s2": {"gain_db": 1.5, "offset": 0.5}, "s3": {"gain_db": -3}}
    ids = {name: f"01a1fe66-7558-7439-9ccb-f2933118f4f{n}" for n, name in enumerate(("s1", "s2", "s3"))}
    taken = AudioConfig.model_validate(found | {"narration": {ids[k]: v for k, v in found["narration"].items()}})
    assert taken.narration[ids["s2"]].offset == 0.5


def test_the_gain_of_one_segment_counts_wherever_it_stands() -> None:
    assert audio(narration_gain=["2=1", "-3"])["narration"]["s2"] == {"gain_db": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [("loud", "is not a number"), ("2=", "is not a number"), ("2=nan", "is not a number"), ("9=1", "no segment '9'"),
     ("=1", "no segment ''"), ("1,2=3", "no segment")],
)  # fmt: skip
def test_a_wrong_gain_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        audio(narration_gain=[text])
