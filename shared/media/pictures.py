"""Opens pictures from untrusted sources, in a child process with limits: which formats, how large, and what is ignored.

Textual chunks of PNG are not read: generation tools store whole workflows there, compressed. XMP is not asked for the
orientation either; browsers do not, so a picture that says there what it is would be turned twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pi_heif
from PIL import (
    AvifImagePlugin,
    Image,
    ImageFile,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from shared.contracts.messages import message, problem_text
from shared.core.errors import Permanent

MAX_PIXELS: Final = 210_000_000
"""Of one picture: telephones take 16,320 x 12,288 (200 megapixels)."""

_SUBFILE_TYPE, _PHOTOMETRIC, _SUB_IMAGES, _DNG_VERSION = 254, 262, 330, 50706  # tags of TIFF
_COLOUR_FILTER_ARRAY: Final = 32803

FORMATS: Final = (
    "JPEG",  # with MPO, which telephones write
    "PNG",
    "GIF",
    "BMP",
    "HEIF",
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
)


def prepare() -> None:
    """Sets Pillow up for this process."""
    pi_heif.register_heif_opener()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    for chunk in ("zTXt", "tEXt", "iTXt"):
        setattr(PngImagePlugin.PngStream, f"chunk_{chunk}", _skipped)


def _skipped(stream: PngImagePlugin.PngStream, _at: int, length: int) -> bytes:
    if stream.fp is None:
        raise SyntaxError("the file is closed")
    return ImageFile._safe_read(stream.fp, length)


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture of an accepted format and size, with what is read from it within the block.

    Raises Permanent `image_too_large` or `image_unreadable`, whatever the decoder raises; its words are not repeated,
    since they may name files of this machine.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                megapixels = f"{width * height / 1e6:.0f}"
                raise too_large(message("problem.image_too_large", megapixels=megapixels, width=width, height=height))
            if _is_raw(image):
                raise Permanent("image_unreadable", *problem_text("image_raw"))
            for name in ("xmp", "XML:com.adobe.xmp"):
                image.info.pop(name, None)
            yield image
    except (Permanent, KeyboardInterrupt, SystemExit):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # a warning where those are errors
        raise too_large(message("problem.image_far_too_large", most=MAX_PIXELS // 1_000_000)) from error
    except MemoryError as error:
        raise too_large(message("problem.image_needs_memory")) from error
    except UnidentifiedImageError as error:
        raise _unreadable(message("problem.image_unidentified")) from error
    except EOFError as error:
        raise _unreadable(message("problem.image_truncated")) from error
    except OSError as error:
        truncated = "truncated" in str(error)
        raise _unreadable(message("problem.image_truncated" if truncated else "problem.image_damaged")) from error
    except Exception as error:  # decoders raise anything: RuntimeError, SyntaxError, struct.error, IndexError
        raise _unreadable(message("problem.image_unconvertible")) from error


def _is_raw(image: Image.Image) -> bool:
    """A DNG or a camera's own TIFF: its first picture is a small preview of the raw data in another place.

    By the tags of Adobe DNG 1.7 and TIFF/EP: DNGVersion, a reduced image with sub-images, or a colour filter array.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    is_preview = bool(int(tags.get(_SUBFILE_TYPE, 0)) & 1) and _SUB_IMAGES in tags
    return is_preview or _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) == _COLOUR_FILTER_ARRAY


def too_large(cause: str) -> Permanent:
    return Permanent(
        "image_too_large", cause, message("problem.image_too_large.recovery", most=MAX_PIXELS // 1_000_000)
    )


def _unreadable(cause: str) -> Permanent:
    return Permanent("image_unreadable", cause, message("problem.image_unconvertible.recovery"))
