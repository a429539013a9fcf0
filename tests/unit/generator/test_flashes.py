"""Flashes are counted as ITU-R BT.1702 does: pairs of opposing changes, over a quarter of the picture, in a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.generator.domain.quality import quality_of_video
from services.generator.media.flashes import COLUMNS, PEAK_CD, ROWS, count_flashes
from shared.contracts.photosensitivity import FLASHES, RED_FLASHES, film_photosensitivity_warning

Colour = tuple[int, int, int]
BLACK, WHITE, RED, BLUE = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255)


def grey(luminance: float) -> Colour:
    level = round(255 * (luminance / PEAK_CD) ** (1 / 2.4))
    return level, level, level


def blink(
    hz: float, one: Colour, other: Colour, *, fps: float = 24, seconds: float = 2, share: float = 1
) -> np.ndarray:
    """Pictures that alternate `hz` times a second between two colours in the upper `share` of their rows."""
    pictures = np.full((round(fps * seconds), ROWS, COLUMNS, 3), 60, np.uint8)
    for n in range(len(pictures)):
        pictures[n, : round(ROWS * share)] = one if int(2 * hz * n / fps) % 2 == 0 else other
    return pictures


def ramp(hz: float, fps: float = 24) -> np.ndarray:
    """A flash that takes the whole time to rise and to fall, as a sine."""
    levels = [grey(30 + 25 * np.sin(2 * np.pi * hz * n / fps)) for n in range(round(2 * fps))]
    return np.array(levels, np.uint8)[:, None, None, :].repeat(ROWS, 1).repeat(COLUMNS, 2)


@pytest.fixture
def count(tmp_path: Path) -> Callable[..., tuple[int, int] | None]:
    def counted(pictures: np.ndarray, fps: float = 24) -> tuple[int, int] | None:
        path = tmp_path / "cells.rgb"
        path.write_bytes(pictures.tobytes())
        return count_flashes(path, fps)

    return counted


@pytest.mark.parametrize("fps", [12, 24, 25, 29.97, 50, 60])
@pytest.mark.parametrize("hz", [1, 2, 3, 4, 5, 6])
def test_as_many_flashes_as_pairs_of_changes_in_a_second(count: Callable[..., object], hz: int, fps: float) -> None:
    assert count(blink(hz, WHITE, BLACK, fps=fps), fps) == (hz, 0)


@pytest.mark.parametrize(
    ("one", "other", "flashes"),
    [
        (grey(100), grey(81), 0),  # 19 cd/m²
        (grey(100), grey(78), 5),
        (grey(195), grey(165), 0),  # the darker one is too bright to be dangerous
        (grey(195), grey(155), 5),
        (grey(25), grey(0), 5),
    ],
)
def test_only_changes_of_20_candelas_in_dark_enough_pictures_count(
    count: Callable[..., object], one: Colour, other: Colour, flashes: int
) -> None:
    assert count(blink(5, one, other)) == (flashes, 0)


def test_only_a_quarter_of_the_picture_counts(count: Callable[..., object]) -> None:
    assert count(blink(5, WHITE, BLACK, share=0.2)) == (0, 0)
    assert count(blink(5, WHITE, BLACK, share=0.25)) == (5, 0)


def test_saturated_red_counts_whatever_its_luminance(count: Callable[..., tuple[int, int]]) -> None:
    dark_red = (120, 0, 0)  # 7 cd/m²
    assert count(blink(5, dark_red, BLACK)) == (0, 5)
    assert count(blink(5, RED, BLUE)) == (5, 5)
    assert count(blink(5, (200, 120, 110), (60, 60, 60)))[1] == 0  # not saturated


def test_a_flash_that_builds_up_slowly_is_one_flash(count: Callable[..., tuple[int, int]]) -> None:
    assert count(ramp(2))[0] == 2
    assert count(ramp(5))[0] == 5


def test_a_fade_a_cut_and_a_still_picture_do_not_flash(count: Callable[..., tuple[int, int]]) -> None:
    fade = np.linspace(0, 255, 48).astype(np.uint8)[:, None, None, None] * np.ones((1, ROWS, COLUMNS, 3), np.uint8)
    assert count(fade) == (0, 0)
    assert count(np.concatenate([fade, fade[:24] // 2])) == (0, 0)
    assert count(np.zeros((0, ROWS, COLUMNS, 3), np.uint8)) is None


def test_what_flashes_harmfully_scores_nothing_even_without_edges_to_measure() -> None:
    nothing = {"sharpness": None, "blockiness": None, "flicker": 20.0, "black_share": 0.5, "frozen_share": 0.0}
    reasons = {"sharpness": "There are no edges."}
    for flashing in ({FLASHES: 5.0, RED_FLASHES: 0.0}, {FLASHES: 0.0, RED_FLASHES: 4.0}):
        quality = quality_of_video({**nothing, **flashing, "first_frame_similarity": 1.0}, reasons)
        assert (quality.visual_quality, quality.overall_score) == (0.0, 0.0)
        assert "overall_score" not in quality.reasons
    calm = quality_of_video({**nothing, FLASHES: 3.0, RED_FLASHES: 0.0}, reasons)
    assert calm.overall_score is None
    assert calm.reasons["overall_score"] == "There are no edges."


def test_a_films_warning_names_its_segments() -> None:
    assert film_photosensitivity_warning([(1, 0), (2, 3)]) is None
    assert "in segment 2 this film flashes up to 5 times" in (film_photosensitivity_warning([(1, 3), (2, 5)]) or "")
    warning = film_photosensitivity_warning([(1, 4), (2, 5), (3, 0), (7, 6)]) or ""
    assert "in segments 1, 2 and 7 this film flashes up to 6 times" in warning
