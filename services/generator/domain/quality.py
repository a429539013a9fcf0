"""Scores from what was measured in the pixels. Formula version 1; docs/guide/quality.md tells it in words.

Scores lie between 0 and 1 and depend on the content: they compare versions of one asset, not different scenes.
A score is None when a measure that it rests on is missing; the reason goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.contracts.values import Quality

FORMULA: Final = 1

SHARP, SOFT = 4.5, 11.0
"""Mean width of edges in pixels, of a picture 640 wide: a sharp photograph, and one blurred by sigma 5 (measured)."""
CLEAN, BLOCKY = 1.5, 4.5
"""Strength of the grid of blocks at full size: a clean encoding, and one at x264's crf 42 (measured)."""
CALM, FLASHING = 4.0, 16.0
"""Badness by ffmpeg's photosensitivity filter: ordinary pictures stay below 2, black and white at 5 Hz reach 17."""
FROZEN_COSTS: Final = 0.75  # a picture that never moves is worth a quarter of a moving one
FIRST_FRAME, NEIGHBOUR = 0.75, 0.25  # scenes may differ; the starting image was chosen
VISUAL, CONSISTENT = 0.6, 0.4

NO_SOUND_SCORE: Final = "Sound is measured (loudness), not scored."
NO_STARTING_IMAGE: Final = "No starting image was used."
NO_NEIGHBOUR: Final = "There is no committed video of the segment before."
NOT_FOR_PICTURES: Final = "Measured for videos only."

Measures = Mapping[str, float | None]


def quality_of_video(measures: Measures, reasons: Mapping[str, str]) -> Quality:
    """`measures`: black_share, frozen_share (0 to 1), sharpness, blockiness, flicker (in their units above),
    first_frame_similarity, continuity_previous (0 to 1). `reasons` for those that are None."""
    visual = _visual(measures)
    consistency = _weighted(
        [(measures.get("first_frame_similarity"), FIRST_FRAME), (measures.get("continuity_previous"), NEIGHBOUR)]
    )
    overall = _weighted([(visual, VISUAL), (consistency, CONSISTENT)]) if visual is not None else None
    why = dict(reasons)
    if visual is None:
        why["visual_quality"] = why["overall_score"] = _first_reason(reasons)
    if consistency is None:
        why["consistency_score"] = reasons.get("first_frame_similarity", NO_STARTING_IMAGE)
    return _quality(measures, why, visual, consistency, overall)


def quality_of_picture(measures: Measures) -> Quality:
    """`measures`: sharpness. A picture has nothing to be consistent with that we measure."""
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
    """The mean of sharpness and cleanness, lowered by every share of black, of standstill and by flashes."""
    names = ("sharpness", "blockiness", "flicker", "black_share", "frozen_share")
    found = [measures.get(name) for name in names]
    if any(value is None for value in found):
        black = measures.get("black_share")
        return 0.0 if black is not None and black > 0.95 else None  # black pictures have no edges, and no worth
    sharpness, blockiness, flicker, black, frozen = (float(value or 0.0) for value in found)
    detail = (_falling(sharpness, SHARP, SOFT) + _falling(blockiness, CLEAN, BLOCKY)) / 2
    return detail * _falling(flicker, CALM, FLASHING) * (1 - black) * (1 - FROZEN_COSTS * frozen)


def _falling(value: float, best: float, worst: float) -> float:
    """1 up to `best`, 0 from `worst` on, a straight line between them."""
    return min(1.0, max(0.0, (worst - value) / (worst - best)))


def _weighted(values: list[tuple[float | None, float]]) -> float | None:
    there = [(value, weight) for value, weight in values if value is not None]
    return sum(v * w for v, w in there) / sum(w for _, w in there) if there else None


def _first_reason(reasons: Mapping[str, str]) -> str:
    return next(
        (reasons[name] for name in ("sharpness", "blockiness", "flicker") if name in reasons),
        "A measure that it rests on is missing.",
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
