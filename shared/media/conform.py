"""The one encoding that all pieces of a film share.

Pieces that are joined by stream copy must have equal parameter sets, so everything that encodes video for a film (the
animatic provider, the compiler's conformed clips and transition windows) takes its options from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared.contracts.frame_rates import Rate, nominal_rate, timescale
from shared.contracts.messages import message
from shared.core.errors import Permanent
from shared.media.graphs import Stream
from shared.media.sandbox import Option

# superfast and veryfast write the same parameter sets with these options (ultrafast does not).
Preset = Literal["superfast", "veryfast"]

# H.264 (ITU-T H.264, table A-1): level, macroblocks per second, macroblocks per frame.
_LEVELS: Final = (
    ("4.1", 245_760, 8_192),
    ("4.2", 522_240, 8_704),
    ("5.0", 589_824, 22_080),
    ("5.1", 983_040, 36_864),
    ("5.2", 2_073_600, 36_864),
    ("6.0", 4_177_920, 139_264),
    ("6.1", 8_355_840, 139_264),
    ("6.2", 16_711_680, 139_264),
)

# Factor on the bits of a frame. Measured on photographs, grain, gradients and noise: blended and encoded a second time,
# such frames are still better than the same frames of a film that is rendered in one pass.
_FINE_SHARE: Final = 1.4

RAW_BT709: Final[dict[str, Option]] = {
    "color_range": "tv",
    "colorspace": "bt709",
    "color_primaries": "bt709",
    "color_trc": "bt709",
}
"""Options of a raw input that is BT.709."""


@dataclass(frozen=True)
class VideoFormat:
    """A film's frames: even width and height in pixels, exact frames per second."""

    width: int
    height: int
    fps: Rate

    def __post_init__(self) -> None:
        if self.width < 2 or self.height < 2 or self.width % 2 or self.height % 2:
            raise ValueError(f"width and height must be even and positive, not {self.width}x{self.height}")
        if not 1 <= self.fps <= 240:
            raise ValueError(f"fps must be from 1 to 240, not {self.fps}")

    def frames(self, duration_s: float) -> int:
        """Frames of a clip that lasts `duration_s` seconds; at least one."""
        return max(1, round(duration_s * self.fps))


def tag_bt709(pictures: Stream) -> Stream:
    """Marks frames as BT.709 in limited range, at the end of a graph.

    The encoder writes its own copy into the VUI (`conformed_video`), because the output's `-color_primaries` and
    `-color_trc` do not reach it; frames that are not tagged lack the colr box.
    """
    return pictures.filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")


def h264_level(video: VideoFormat) -> str:
    """The lowest H.264 level from 4.1 up that allows the frame size and rate; 4.1 allows 1080p up to 30 fps."""
    per_frame = -(-video.width // 16) * -(-video.height // 16)
    for level, per_second, frame_limit in _LEVELS:
        if per_frame <= frame_limit and per_frame * video.fps <= per_second:
            return level
    cause = message("problem.output_too_large", width=video.width, height=video.height, fps=f"{float(video.fps):g}")
    raise Permanent("output_too_large", cause)


def cut_points(frames: int, fps: Rate) -> list[int]:
    """Frame numbers that must start a closed GOP: 0.25, 0.5 and 1 s from both ends (6, 12, 24 frames at 24 fps).

    A transition of one of these lengths re-encodes only its own frames. Frame 0 always starts a GOP and is left out.
    """
    near = {round(fps / 4), round(fps / 2), nominal_rate(fps)}
    return sorted(k for k in near | {frames - n for n in near} if 0 < k < frames)


def conformed_video(
    video: VideoFormat,
    frames: int,
    *,
    preset: Preset = "veryfast",
    crf: float = 20,
    cuttable: bool = True,
    fine_ends: int = 0,
) -> dict[str, Option]:
    """Output options for one conformed piece of exactly `frames` frames.

    Closed GOPs without B-frames, IDRs at `cut_points` and every 2 s, constant rate, BT.709 limited range in the VUI,
    parameter sets that do not depend on the content, timescale as in `frame_rates`, video only, faststart. Frames must
    reach the encoder in the right size, rate and colour (square pixels, first pts 0). A piece that will never be cut
    again (a transition) needs no IDRs at `cut_points`: not `cuttable`. The first and last `fine_ends` frames get
    `_FINE_SHARE` of their usual bits, so that they can be blended and encoded a second time.
    """
    x264 = "stitchable=1:colorprim=bt709:transfer=bt709:colormatrix=bt709:fullrange=off:sar=1/1"
    options: dict[str, Option] = {
        "an": None, "sn": None, "dn": None, "map_metadata": -1, "map_chapters": -1, "frames:v": frames,
        "c:v": "libx264", "preset": preset, "crf": f"{crf:g}", "pix_fmt": "yuv420p",
        "profile:v": "high", "level:v": h264_level(video),
        "bf": 0, "g": 2 * nominal_rate(video.fps), "keyint_min": 1, "sc_threshold": 0,
        "x264-params": x264 + _zones(frames, fine_ends),
        "fps_mode": "cfr", "video_track_timescale": timescale(video.fps),
        "fflags": "+bitexact", "movflags": "+faststart", "format": "mp4",
    }  # fmt: skip
    if cuttable and (points := cut_points(frames, video.fps)):
        # A quarter of a frame early, so that a rounded time never misses its frame.
        options["force_key_frames"] = ",".join(f"{(k - 0.25) / float(video.fps):.6f}" for k in points)
    return options


def _zones(frames: int, fine_ends: int) -> str:
    if not fine_ends:
        return ""
    if frames <= 2 * fine_ends:
        return f":zones=0,{frames - 1},b={_FINE_SHARE}"
    return f":zones=0,{fine_ends - 1},b={_FINE_SHARE}/{frames - fine_ends},{frames - 1},b={_FINE_SHARE}"
