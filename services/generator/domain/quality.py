"""Quality scores from measures of the pixels. Formula version 2; docs/guide/quality.md explains it.

Scores are between 0 and 1 and depend on the content: they compare versions of one asset, not different scenes. A score
is None, with a reason, when a measure that it is based on is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.contracts.photosensitivity import MOST_FLASHES, flashes
from shared.contracts.values import Quality

FORMULA: Final = 2

SHARP, SOFT = 4.5, 11.0
"""Mean edge width in pixels at a width of 640: of a sharp photograph, and of one blurred with sigma 5 (measured)."""
CLEAN, BLOCKY = 1.5, 4.5
"""Strength of the block grid at full size: of a clean encoding, and of x264 at crf 42 (measured)."""
CALM, FLASHING = 4.0, 16.0
"""Badness by ffmpeg's photosensitivity filter: ordinary videos stay below 2, black and white at 5 Hz reaches 17."""
FROZEN_PENALTY: Final = 0.75  # a frozen video scores a quarter of a moving one
FIRST_FRAME, NEIGHBOUR = 0.75, 0.25  # neighbouring scenes may differ, while the starting image was chosen
VISUAL, CONSISTENT = 0.6, 0.4

NO_SOUND_SCORE: Final = "Sound is measured (loudness), not scored."
NO_STARTING_IMAGE: Final = "No starting image was used."
NO_NEIGHBOUR: Final = "There is no committed video of the segment before."
NOT_FOR_PICTURES: Final = "Measured for videos only."

Measures = Mapping[str, float | None]


def quality_of_video(measures: Measures, reasons: Mapping[str, str]) -> Quality:
    """`measures`: black_share, frozen_share (0 to 1), sharpness, blockiness, flicker (in the units above), the two
    counts of flashes, first_frame_similarity, continuity_previous (0 to 1). `reasons` are for those that are None."""
    visual = _visual(measures)
    consistency = _weighted(
        [(measures.get("first_frame_similarity"), FIRST_FRAME), (measures.get("continuity_previous"), NEIGHBOUR)]
    )
    overall = _weighted([(visual, VISUAL), (consistency, CONSISTENT)]) if visual is not None else None
    if flashes(measures) > MOST_FLASHES:
        overall = 0.0  # harmful, however it looks
    why = dict(reasons)
    if visual is None:
        why["visual_quality"] = why["overall_score"] = _first_reason(reasons)
    if consistency is None:
        why["consistency_score"] = reasons.get("first_frame_similarity", NO_STARTING_IMAGE)
    return _quality(measures, why, visual, consistency, overall)


def quality_of_picture(measures: Measures) -> Quality:
    """`measures`: sharpness. The consistency of a picture is not measured."""
    sharpness = measures.get("sharpness")
    visual = None if sharpness is None else _falling(sharpness, SHARP, SOFT)
    why = {"consistency_score": NOT_FOR_PICTURES, "blockiness": NOT_FOR_PICTURES}
    if visual is None:
        why["visual_quality"] = why["overall_score"] = why["sharpness"] = "The picture has no edges to measure."
    return _quality(measures, why, visual, None, visual)


def quality_of_sound() -> Quality:
    scores = ("overall_score", "consistency_score", "visual_quality")
    return Quality(measures={"formula": FORMULA}, reasons=dict.fromkeys(scores, NO_SOUND_SCORE))


def _visual(measures: Measures) -> float | None:
    """The mean of sharpness and cleanness, lowered by the shares of black and frozen frames and by flicker; 0 with
    harmful flashes."""
    if flashes(measures) > MOST_FLASHES:
        return 0.0
    names = ("sharpness", "blockiness", "flicker", "black_share", "frozen_share")
    found = [measures.get(name) for name in names]
    if any(value is None for value in found):
        black = measures.get("black_share")
        return 0.0 if black is not None and black > 0.95 else None  # black pictures have no edges to measure
    sharpness, blockiness, flicker, black, frozen = (float(value or 0.0) for value in found)
    detail = (_falling(sharpness, SHARP, SOFT) + _falling(blockiness, CLEAN, BLOCKY)) / 2
    return detail * _falling(flicker, CALM, FLASHING) * (1 - black) * (1 - FROZEN_PENALTY * frozen)


def _falling(value: float, best: float, worst: float) -> float:
    """1 up to `best`, 0 from `worst`, linear in between."""
    return min(1.0, max(0.0, (worst - value) / (worst - best)))


def _weighted(values: list[tuple[float | None, float]]) -> float | None:
    present = [(value, weight) for value, weight in values if value is not None]
    return sum(v * w for v, w in present) / sum(w for _, w in present) if present else None


def _first_reason(reasons: Mapping[str, str]) -> str:
    return next(
        (reasons[name] for name in ("sharpness", "blockiness", "flicker") if name in reasons),
        "A measure that the score is based on is missing.",
    )


def _quality(
    measures: Measures, reasons: dict[str, str], visual: float | None, consistency: float | None, overall: float | None
) -> Quality:
    rounded = {name: None if value is None else round(value, 3) for name, value in measures.items()}
    return Quality(
        visual_quality=None if visual is None else round(visual, 3),
        consistency_score=None if consistency is None else round(consistency, 3),
        overall_score=None if overall is None else round(overall, 3),
        measures=rounded | {"formula": FORMULA},
        reasons=reasons,
    )
