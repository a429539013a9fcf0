"""What players overlook in sound: what can be mended in the file is; for the rest, some errors are tolerated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from services.generator.media.mpeg_tags import remove_inner_tags
from services.generator.media.wav_header import complete_header
from shared.media.file_type import Form, sniff
from shared.media.probe import Probe

STRICT: Final = ("-xerror",)
"""ffmpeg's options to end at the first error."""

# MP3 and ADTS have no container: files are joined with their tags, padded, and cut anywhere, and all players skip what
# is not a frame.
_UNFRAMED: Final = (Form.MP3, Form.AAC)
_FRAMES_PER_S: Final = 40  # of MP3 and AAC at usual rates; with half the rate, twice as much is tolerated
_SHARE: Final = 0.03
_AT_LEAST: Final = 3  # frames: a tag within, another at the end, a frame that breaks off


def mend_sound(path: Path) -> None:
    """Rewrites, in place, a streamed WAV with its sizes, and a joined MP3 without the tags inside. Blocks."""
    match sniff(path):
        case Form.WAV:
            complete_header(path)
        case Form.MP3:
            remove_inner_tags(path)
        case _:
            pass


def tolerated_errors(path: Path, found: Probe) -> Sequence[str]:
    """ffmpeg's global options: which share of the frames may be unreadable before it fails."""
    if found.video_codec is not None or sniff(path) not in _UNFRAMED:
        return STRICT
    frames = max(1.0, found.duration_s * _FRAMES_PER_S)
    return ("-max_error_rate", f"{min(0.5, max(_SHARE, _AT_LEAST / frames)):.4f}")
