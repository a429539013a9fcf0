"""Converts uploads: pictures are re-encoded; videos and sound are put into a container that browsers play, and are
re-encoded only if necessary. The file's first bytes alone determine the demuxer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.generator.media.pictures import process_picture
from services.generator.media.playability import NO_METADATA, is_plain, sdr, sound_for_mp4
from services.generator.media.probing import Probed, probe_safely
from services.generator.media.strictness import STRICT, tolerated_errors
from services.generator.providers.base import CandidateFile
from shared.contracts.messages import problem_text
from shared.contracts.values import AssetKind, Cost
from shared.core.errors import Permanent, UserError
from shared.media.ffmpeg import run_ffmpeg
from shared.media.file_type import PICTURES, SOUNDS, VIDEOS, Form, foreign_file, sniff
from shared.media.graphs import Output, arguments, media_file, moving_pictures
from shared.media.probe import Probe
from shared.media.sandbox import Option

LONGEST_S: Final = 3600.0
SHORTEST_S: Final = 0.1
LARGEST_SIDE: Final = 4096

_FREE: Final = Cost(amount="0", basis="reported")
_VIDEO: Final = (
    Form.MP4, Form.MATROSKA, Form.AVI, Form.OGG, Form.MPEG_TS, Form.MPEG_PS, Form.FLV,
)  # fmt: skip
_SOUND: Final = (
    Form.WAV, Form.MP3, Form.FLAC, Form.OGG, Form.AAC, Form.AIFF, Form.CAF, Form.AMR, Form.MP4, Form.MATROSKA,
    Form.W64, Form.AU,
)  # fmt: skip
_KEPT_SOUND: Final = {"mp3": (".mp3", "audio/mpeg"), "aac": (".m4a", "audio/mp4"), "flac": (".flac", "audio/flac")}
_DESCRIPTIONS: Final = {
    Form.PICTURE: "a picture",
    Form.SVG: "an SVG drawing",
    Form.WEB_PAGE: "a web page",
    Form.PLAYLIST: "a playlist",
    Form.ARCHIVE: "a document or an archive",
    Form.MP4: "a video",
    Form.MATROSKA: "a video",
    Form.AVI: "a video",
    Form.WAV: "sound",
    Form.MP3: "sound",
    Form.FLAC: "sound",
    Form.OGG: "sound",
    Form.AAC: "sound",
    Form.AIFF: "sound",
    Form.CAF: "sound",
    Form.AMR: "sound",
    Form.W64: "sound",
    Form.AU: "sound",
    Form.MPEG_TS: "a video",
    Form.MPEG_PS: "a video",
    Form.FLV: "a video",
    Form.UNKNOWN: "of an unknown type",
}


async def ingest(path: Path, kind: AssetKind, work: Path) -> CandidateFile:
    """Raises UserError that says what is wrong with the file."""
    form = await asyncio.to_thread(sniff, path)
    if kind.is_picture:
        return await _picture(path, form, work)
    if kind is AssetKind.VIDEO:
        return await _video(path, form, work)
    return await _sound(path, form, work)


async def _picture(path: Path, form: Form, work: Path) -> CandidateFile:
    if form is not Form.PICTURE:
        raise _unsupported(path, form, f"pictures: {PICTURES}")
    out = work / "picture.jpg"
    result = await process_picture({"path": str(path), "out": str(out)}, UserError)
    return CandidateFile(out, "image/jpeg", _FREE, {"uploaded_as": result["format"]})


async def _video(path: Path, form: Form, work: Path) -> CandidateFile:
    if form not in _VIDEO:
        raise _unsupported(path, form, f"videos: {VIDEOS}")
    probed = await _probed(path, rate=True)
    found, rate = probed.probe, probed.rate
    if not found.width or not found.height:
        raise UserError("no_video", *problem_text("no_video"))
    if max(found.width, found.height) > LARGEST_SIDE:
        raise UserError(
            "video_too_large",
            *problem_text("video_too_large", width=found.width, height=found.height, longest_side=LARGEST_SIDE),
        )
    source = media_file(path, found.input_options)
    pictures = moving_pictures(source)
    video: dict[str, Option] = {"c:v": "copy"}
    if rate is not None or not is_plain(found):
        video = {"c:v": "libx264", "preset": "veryfast", "crf": 18}
        pictures = sdr(pictures, found, found.width, found.height)
    if rate is not None:
        # By the filter: an output's rate expects frames that last as long as their average, and would lose some.
        pictures = pictures.filter("fps", fps=rate, start_time=0)
    container: dict[str, Option] = {"movflags": "+faststart", "format": "mp4"}
    out = work / "video.mp4"
    await _convert(
        pictures.output(source["a:0?"], str(out), **video, **sound_for_mp4(found), **container, **NO_METADATA), found
    )
    return CandidateFile(out, "video/mp4", _FREE, {"uploaded_as": found.video_codec})


async def _sound(path: Path, form: Form, work: Path) -> CandidateFile:
    if form not in _SOUND:
        raise _unsupported(path, form, f"sound: {SOUNDS}")
    found = (await _probed(path, mend=True)).probe
    if not found.audio_codec:
        raise UserError("no_sound", *problem_text("no_sound"))
    suffix, content_type = _KEPT_SOUND.get(found.audio_codec, _KEPT_SOUND["flac"])
    # A header that does not tell the length would be copied as it is.
    kept = found.audio_codec in _KEPT_SOUND and found.is_length_stated
    codec: dict[str, Option] = (
        {"c:a": "copy"} if kept else {"c:a": "flac", "ar": 48_000, "ac": min(2, found.channels or 2)}
    )
    out = work / f"sound{suffix}"
    sound = media_file(path, found.input_options)["a:0"]
    await _convert(sound.output(str(out), **codec, **NO_METADATA), found, tolerated_errors(path, found))
    return CandidateFile(out, content_type, _FREE, {"uploaded_as": found.audio_codec})


async def _probed(path: Path, *, rate: bool = False, mend: bool = False) -> Probed:
    try:
        probed = await probe_safely(path, rate=rate, mend=mend)
    except Permanent as e:
        raise UserError("media_unreadable", *problem_text("media_unreadable")) from e
    if probed is None:
        raise UserError("media_damaged", *problem_text("media_damaged"))
    found = probed.probe
    if not SHORTEST_S <= found.duration_s <= LONGEST_S:
        raise UserError(
            "duration_unsupported",
            *problem_text(
                "duration_unsupported",
                seconds=f"{found.duration_s:.2f}",
                shortest=f"{SHORTEST_S:g}",
                minutes_max=f"{LONGEST_S / 60:.0f}",
            ),
        )
    return probed


async def _convert(output: Output, found: Probe, strictness: Sequence[str] = STRICT) -> None:
    args = arguments(output, global_options=strictness)
    try:
        await run_ffmpeg(args, timeout_s=120 + 20 * found.duration_s)
    except Permanent as e:
        raise UserError(
            "media_unreadable", *problem_text("upload_undecodable", reason=e.cause.splitlines()[-1][:300])
        ) from e


def _unsupported(path: Path, form: Form, accepted: str) -> UserError:
    known = foreign_file(path) if form in (Form.UNKNOWN, Form.ARCHIVE) else None
    text = problem_text("upload_unsupported", description=known or _DESCRIPTIONS[form], accepted=accepted)
    return UserError("media_unsupported", *text)
