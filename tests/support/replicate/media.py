"""Real media for little work: what models answer with, in the sizes that they really have. Each file is made once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from PIL import Image

# As recorded: models round to multiples of 16, and 1080p is 1088 lines.
_SHORT = {"480p": 480, "720p": 704, "1080p": 1088}
_PIXELS = {"1K": 1024, "2K": 2048, "4K": 4096}


class Studio:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one = asyncio.Lock()

    async def make(self, model: str, given: dict[str, Any], image: bytes | None) -> tuple[Path, dict[str, Any]]:
        """The output and the metrics of billing."""
        plain = {k: v for k, v in given.items() if k not in ("image", "prompt", "text", "seed")}
        text = given.get("text", "")
        key = json.dumps([model, plain, len(text) // 40], sort_keys=True).encode() + (image or b"")
        stem = self._folder / hashlib.sha256(key).hexdigest()[:20]
        async with self._one:
            if "speech" in model:
                return await self._speech(stem, given)
            if "audio" in model:
                seconds = given.get("duration", 190)
                path = stem.with_suffix(".mp3")
                return await self._once(path, *_tone(seconds)), {"audio_output_duration_seconds": seconds}
            if "seedance" in model or "veo" in model:
                return await self._video(stem, model, given, image)
            return await asyncio.to_thread(_picture, stem, model, given), {"image_output_count": 1}

    async def _video(
        self, stem: Path, model: str, given: dict[str, Any], image: bytes | None
    ) -> tuple[Path, dict[str, Any]]:
        seconds = given.get("duration", 8 if "veo" in model else 5)
        width, height = _frame(given)
        path = stem.with_suffix(".mp4")
        if image:
            source_image = stem.with_suffix(".source")
            source_image.write_bytes(image)
            with Image.open(source_image) as opened:
                if "seedance" in model:  # the image's own shape wins
                    width, height = _shape(opened.width / opened.height, min(width, height))
            source = ["-loop", "1", "-framerate", "24", "-i", str(source_image)]
        else:
            source = ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=24"]
        sound = bool("veo" in model and given.get("generate_audio", True))
        noise = ["-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000", "-c:a", "aac"] if sound else ["-an"]
        frames = round(seconds * 24) + 1  # 10.04 s for 10
        await self._once(
            path,
            *source,
            *noise,
            "-vf",
            f"scale={width}:{height},setsar=1,format=yuv420p",
            "-frames:v",
            str(frames),
            *(["-t", f"{frames / 24:.4f}"] if sound else []),
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-crf",
            "30",
            "-threads",
            "1",
            "-movflags",
            "+faststart",
        )
        metrics = {
            "video_output_duration_seconds": seconds,
            "resolution_target": given.get("resolution", "720p"),
            "with_audio": sound,
        }
        return path, metrics

    async def _speech(self, stem: Path, given: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
        path = stem.with_suffix("." + given.get("audio_format", "mp3"))
        seconds = max(1.0, len(given["text"]) / 15 / given.get("speed", 1))
        return await self._once(path, *_tone(seconds)), {"character_input_count": len(given["text"])}

    async def _once(self, path: Path, *args: str) -> Path:
        if path.exists():
            return path
        process = await asyncio.create_subprocess_exec(
            "nice",
            "-n",
            "10",
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-nostdin",
            "-hide_banner",
            "-v",
            "error",
            "-y",
            *args,
            str(path),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()
        return path


def _tone(seconds: float) -> list[str]:
    return ["-f", "lavfi", "-i", "sine=frequency=220:sample_rate=44100", "-t", str(seconds), "-ac", "1"]


def _frame(given: dict[str, Any]) -> tuple[int, int]:
    across, down = (float(n) for n in given.get("aspect_ratio", "16:9").split(":"))
    return _shape(across / down, _SHORT[given.get("resolution", "720p")])


def _shape(aspect: float, short: int) -> tuple[int, int]:
    long = round(short * max(aspect, 1 / aspect) / 16) * 16
    if (short, long) == (1088, 1936):
        long = 1920
    return (long, short) if aspect >= 1 else (short, long)


def _picture(stem: Path, model: str, given: dict[str, Any]) -> Path:
    if given.get("size") == "custom":
        width, height = given.get("width", 2048), given.get("height", 2048)
    else:
        ratio = given.get("aspect_ratio", "16:9")
        across, down = (float(n) for n in ("1:1" if ratio == "match_input_image" else ratio).split(":"))
        # seedream's sizes are areas; the others make about a megapixel
        side = _PIXELS[given.get("size", "2K")] if "seedream" in model else 1024
        area = side * side
        width = round((area * across / down) ** 0.5 / 16) * 16
        height = round(width * down / across / 16) * 16
    suffix = given.get("output_format", "webp" if "qwen" in model else "jpg")
    path = stem.with_suffix("." + suffix)
    if not path.exists():
        gradient = Image.linear_gradient("L").resize((width, height))
        across_too = Image.linear_gradient("L").rotate(90).resize((width, height))
        Image.merge("RGB", (gradient, across_too, gradient.point(lambda v: 255 - v))).save(path)
    return path
