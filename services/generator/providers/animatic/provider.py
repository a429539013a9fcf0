"""Implements `Maker` with the animatic engine. Versions that it makes are marked as animatics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from services.generator.domain.problems import starting_image_missing
from services.generator.domain.runs import Lane
from services.generator.providers.animatic import engine
from services.generator.providers.base import CandidateFile, CandidateRequest, OnProgress, Provider
from shared.contracts.values import AssetKind, Cost

NAME: Final = "animatic"
_FREE: Final = Cost(amount="0", basis="reported")


def provider() -> Provider:
    return Provider(lane, maker=AnimaticProvider())


def lane(kind: AssetKind) -> Lane:
    return Lane.RENDER if kind is AssetKind.VIDEO else Lane.DRAW


class AnimaticProvider:
    async def make(self, request: CandidateRequest, work: Path, on_progress: OnProgress) -> CandidateFile:
        match request.kind:
            case AssetKind.VIDEO:
                return await _video(request, work, on_progress)
            case AssetKind.STARTING_IMAGE | AssetKind.IMAGE:
                return await _card(request, work)
            case AssetKind.NARRATION:
                return await _narration(request, work)
            case AssetKind.MUSIC:
                return await _music(request, work)


async def _video(request: CandidateRequest, work: Path, on_progress: OnProgress) -> CandidateFile:
    """The camera follows the user's own directions: the project's style describes pictures, not camera moves."""
    if request.starting_image is None:
        raise starting_image_missing()
    assert request.frame is not None
    assert request.fps is not None
    assert request.duration_s is not None
    assert request.seed is not None
    out = work / "video.mp4"
    await engine.render_video(
        request.starting_image,
        request.directions,
        seed=request.seed,
        duration_s=request.duration_s,
        width=request.frame.width,
        height=request.frame.height,
        fps=request.fps,
        out=out,
        on_progress=on_progress,
    )
    return _file(out, "video/mp4")


async def _card(request: CandidateRequest, work: Path) -> CandidateFile:
    assert request.frame is not None
    assert request.seed is not None
    out = work / "card.jpg"
    warnings = await engine.draw_card(
        request.directions,
        title=request.label,
        seed=request.seed,
        width=request.frame.width,
        height=request.frame.height,
        out=out,
    )
    return _file(out, "image/jpeg", {"warnings": warnings} if warnings else None)


async def _narration(request: CandidateRequest, work: Path) -> CandidateFile:
    out = work / "narration.flac"
    speech = await engine.speak(
        request.directions,
        out=out,
        language=request.settings.get("language"),
        guessed=request.guessed_language,
        voice=request.settings.get("voice"),
        speed=request.settings.get("speed", 1.0),
        pitch=request.settings.get("pitch", 0.0),
    )
    return _file(
        out,
        "audio/flac",
        {
            "language": speech.language,
            "warnings": list(speech.warnings),
            "sentences": [[s.text, round(s.start_s, 3), round(s.end_s, 3)] for s in speech.sentences],
            "words": [[w.text, round(w.start_s, 3), round(w.end_s, 3)] for w in speech.words],
        },
    )


async def _music(request: CandidateRequest, work: Path) -> CandidateFile:
    assert request.duration_s is not None
    assert request.seed is not None
    out = work / "music.flac"
    score = await engine.compose(request.directions, duration_s=request.duration_s, seed=request.seed, out=out)
    return _file(out, "audio/flac", {"mood": score.mood, "mode": score.mode, "bpm": score.bpm})


def _file(out: Path, content_type: str, info: dict[str, Any] | None = None) -> CandidateFile:
    return CandidateFile(out, content_type, _FREE, {"animatic": True, **(info or {})})
