"""Input schemas of the models, as their API pages publish them, and what Replicate says to an input that breaks one."""

from __future__ import annotations

from typing import Any

STRING, BOOL = {"type": "string"}, {"type": "boolean"}
SEED = {"type": "integer"}


def _enum(*values: Any) -> dict[str, Any]:
    return {"enum": list(values)}


def _number(least: float, most: float, kind: str = "number") -> dict[str, Any]:
    return {"type": kind, "minimum": least, "maximum": most}


_SEEDANCE = {
    "prompt": STRING,
    "image": STRING,
    "duration": _number(2, 12, "integer"),
    "resolution": _enum("480p", "720p", "1080p"),
    "aspect_ratio": _enum("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21"),
    "fps": _enum(24),
    "seed": SEED,
    "camera_fixed": BOOL,
}
_LIST = {"type": "array"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "bytedance/seedance-1-lite": _SEEDANCE | {"last_frame_image": STRING, "reference_images": _LIST},
    "bytedance/seedance-1-pro-fast": _SEEDANCE,
    "google/veo-3.1-fast": {
        "prompt": STRING,
        "image": STRING,
        "last_frame": STRING,
        "negative_prompt": STRING,
        "duration": _enum(4, 6, 8),
        "resolution": _enum("720p", "1080p"),
        "aspect_ratio": _enum("16:9", "9:16"),
        "generate_audio": BOOL,
        "seed": SEED,
    },
    "bytedance/seedream-4": {
        "prompt": STRING,
        "image_input": _LIST,
        "size": _enum("1K", "2K", "4K", "custom"),
        "width": _number(1024, 4096, "integer"),
        "height": _number(1024, 4096, "integer"),
        "aspect_ratio": _enum("match_input_image", "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"),
        "sequential_image_generation": _enum("disabled", "auto"),
        "max_images": _number(1, 15, "integer"),
        "enhance_prompt": BOOL,
    },
    "google/nano-banana": {
        "prompt": STRING,
        "image_input": _LIST,
        "output_format": _enum("jpg", "png"),
        "aspect_ratio": _enum(
            "match_input_image", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"
        ),
    },
    "qwen/qwen-image": {
        "prompt": STRING,
        "image": STRING,
        "strength": _number(0, 1),
        "seed": SEED,
        "guidance": _number(0, 10),
        "num_inference_steps": _number(1, 50, "integer"),
        "image_size": _enum("optimize_for_quality", "optimize_for_speed"),
        "aspect_ratio": _enum("16:9", "1:1", "9:16", "4:3", "3:4", "3:2", "2:3"),
        "negative_prompt": STRING,
        "go_fast": BOOL,
        "enhance_prompt": BOOL,
        "output_format": _enum("webp", "jpg", "png"),
        "output_quality": _number(0, 100, "integer"),
    },
    "minimax/speech-02-hd": {
        "text": STRING | {"maxLength": 10_000},
        "voice_id": STRING,
        "speed": _number(0.5, 2),
        "volume": _number(0, 10),
        "pitch": _number(-12, 12, "integer"),
        "emotion": _enum("auto", "neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"),
        "english_normalization": BOOL,
        "sample_rate": _enum(8000, 16000, 22050, 24000, 32000, 44100),
        "bitrate": _enum(32000, 64000, 128000, 256000),
        "channel": _enum("mono", "stereo"),
        "language_boost": _enum(
            "None",
            "Automatic",
            "Chinese",
            "Chinese,Yue",
            "English",
            "Arabic",
            "Russian",
            "Spanish",
            "French",
            "Portuguese",
            "German",
            "Turkish",
            "Dutch",
            "Ukrainian",
            "Vietnamese",
            "Indonesian",
            "Japanese",
            "Italian",
            "Korean",
            "Thai",
            "Polish",
            "Romanian",
            "Greek",
            "Czech",
            "Finnish",
            "Hindi",
        ),
        "audio_format": _enum("mp3", "wav", "flac", "pcm"),
    },
    "stability-ai/stable-audio-2.5": {
        "prompt": STRING,
        "duration": _number(1, 190),
        "steps": _number(4, 8, "integer"),
        "cfg_scale": _number(1, 25),
        "seed": SEED,
    },
}
REQUIRED = {"minimax/speech-02-hd": "text"}
ALIKE: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {}
"""Models that were added: which one makes their media, under what names it takes their inputs, and their values."""


def add_model(
    slug: str,
    *,
    like: str,
    schema: dict[str, Any],
    required: str = "prompt",
    rename: dict[str, str] | None = None,
    values: dict[str, Any] | None = None,
) -> None:
    """One more model. `rename`: its inputs by the names that `like` has; `values`: by what `like` understands."""
    SCHEMAS[slug], REQUIRED[slug] = schema, required
    ALIKE[slug] = (like, rename or {}, values or {})


def made_as(slug: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The built-in model that makes this, and the same inputs in its words."""
    if slug not in ALIKE:
        return slug, given
    like, rename, values = ALIKE[slug]
    return like, {
        rename.get(name, name): values.get(value, value) if isinstance(value, str) else value
        for name, value in given.items()
    }


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
}


def violations(model: str, given: dict[str, Any]) -> list[dict[str, str]]:
    """`invalid_fields` of a 422."""
    schema, found = SCHEMAS[model], []
    required = REQUIRED.get(model, "prompt")
    if required not in given:
        found.append(("required", required, f"{required} is required"))
    for name, value in given.items():
        if name not in schema:
            found.append(("additional_property_not_allowed", name, f"Additional property {name} is not allowed"))
        elif said := _wrong(schema[name], value):
            found.append((said[0], f"{name}", f"{name} {said[1]}"))
    return [{"type": t, "field": f"input.{f}", "description": d} for t, f, d in found]


def _wrong(rule: dict[str, Any], value: Any) -> tuple[str, str] | None:
    if "enum" in rule:
        listed = ", ".join(f'"{v}"' for v in rule["enum"])
        return None if value in rule["enum"] else ("enum", f"must be one of the following: {listed}")
    if not isinstance(value, _TYPES[rule["type"]]) or (rule["type"] != "boolean" and isinstance(value, bool)):
        return "invalid_type", f"Invalid type. Expected: {rule['type']}"
    if "maximum" in rule and value > rule["maximum"]:
        return "number_lte", f"Must be less than or equal to {rule['maximum']}"
    if "minimum" in rule and value < rule["minimum"]:
        return "number_gte", f"Must be greater than or equal to {rule['minimum']}"
    if "maxLength" in rule and len(value) > rule["maxLength"]:
        return "string_lte", f"String length must be less than or equal to {rule['maxLength']}"
    return None
