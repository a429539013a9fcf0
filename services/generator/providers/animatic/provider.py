"""The provider `animatic`: offline, free, and honest that what it makes is an animatic."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from services.generator.commands.ports import Made, Order, Share
from services.generator.domain.problems import starting_image_missing
from services.generator.domain.runs import Lane
from services.generator.providers.animatic import engine
from shared.contracts.values import AssetKind, Cost

NAME: Final = "animatic"
_FREE: Final = Cost(amount="0", basis="reported")


def lane(kind: AssetKind) -> Lane:
    return Lane.RENDER if kind is AssetKind.VIDEO else Lane.DRAW


class AnimaticProvider:
    """Implements `Maker` with the engine beside this file."""

    async def make(self, order: Order, work: Path, share: Share) -> Made:
        match order.kind:
            case AssetKind.VIDEO:
                return await _video(order, work, share)
            case AssetKind.STARTING_IMAGE | AssetKind.IMAGE:
                return await _card(order, work)
            case AssetKind.NARRATION:
                return await _narration(order, work)
            case AssetKind.MUSIC:
                return await _music(order, work)


async def _video(order: Order, work: Path, share: Share) -> Made:
    """The camera reads the user's own words: the project's style describes pictures, not moves."""
    if order.starting_image is None:
        raise starting_image_missing()
    assert order.frame is not None
    assert order.fps is not None
    assert order.duration_s is not None
    assert order.seed is not None
    out = work / "video.mp4"
    await engine.render_video(
        order.starting_image,
        order.directions,
        seed=order.seed,
        duration_s=order.duration_s,
        width=order.frame.width,
        height=order.frame.height,
        fps=order.fps,
        out=out,
        on_progress=share,
    )
    return _made(out, "video/mp4")


async def _card(order: Order, work: Path) -> Made:
    assert order.frame is not None
    assert order.seed is not None
    out = work / "card.jpg"
    warnings = await engine.draw_card(
        order.directions,
        title=order.label,
        seed=order.seed,
        width=order.frame.width,
        height=order.frame.height,
        out=out,
    )
    return _made(out, "image/jpeg", {"warnings": warnings} if warnings else None)


async def _narration(order: Order, work: Path) -> Made:
    out = work / "narration.flac"
    said = await engine.speak(
        order.directions,
        out=out,
        language=order.settings.get("language"),
        voice=order.settings.get("voice"),
        speed=order.settings.get("speed", 1.0),
        pitch=order.settings.get("pitch", 0.0),
    )
    return _made(
        out,
        "audio/flac",
        {
            "language": said.language,
            "warnings": list(said.warnings),
            "sentences": [[s.text, round(s.start_s, 3), round(s.end_s, 3)] for s in said.sentences],
            "words": [[w.text, round(w.start_s, 3), round(w.end_s, 3)] for w in said.words],
        },
    )


async def _music(order: Order, work: Path) -> Made:
    assert order.duration_s is not None
    assert order.seed is not None
    out = work / "music.flac"
    composed = await engine.compose(order.directions, duration_s=order.duration_s, seed=order.seed, out=out)
    return _made(out, "audio/flac", {"mood": composed.mood, "mode": composed.mode, "bpm": composed.bpm})


def _made(out: Path, content_type: str, info: dict[str, Any] | None = None) -> Made:
    return Made(out, content_type, _FREE, {"animatic": True, **(info or {})})
