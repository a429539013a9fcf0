"""The document that an episode is created from, checked field by field, so that each error names its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from services.gateway.domain.assets import MAX_DIRECTIONS
from services.gateway.domain.episodes import MAX_SEGMENTS
from services.gateway.domain.errors import invalid
from services.gateway.domain.outputs import output_problems
from shared.contracts.values import AssetKind, Output, SegmentType, Transition, TransitionStyle

MAX_TEXT: Final = 4000
MAX_TITLE: Final = 300
MAX_SCRIPT_ID: Final = 200
MAX_SECONDS: Final = 600.0
MAX_CHARACTERS: Final = 50  # of one scene
MAX_LINES: Final = 200  # of dialogue in one segment
MAX_SCENE_NUMBER: Final = 1_000_000
MAX_WARNINGS: Final = 50
MAX_WARNING: Final = 500  # characters
_OWN_TEXTS: Final = ("style", "characters")
_SEGMENT_TEXTS: Final = (AssetKind.VIDEO, AssetKind.STARTING_IMAGE, AssetKind.NARRATION)


@dataclass(frozen=True)
class ImageSource:
    """An uploaded image, or one to fetch."""

    upload_id: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class SegmentPlan:
    """`directions`: the first drafts by kind of asset; `duration` in seconds; `scene_id` and `shot_id`: ids in the tool
    that wrote the script; `style` and `characters`: what is added to the project's."""

    type: SegmentType = SegmentType.SCENE
    scene_info: dict[str, Any] = field(default_factory=dict)
    duration: float | None = None
    directions: dict[AssetKind, str] = field(default_factory=dict)
    starting_image: ImageSource | None = None
    transition_after: Transition | None = None
    scene_id: str | None = None
    shot_id: str | None = None
    style: str | None = None
    characters: str | None = None


@dataclass(frozen=True)
class EpisodePlan:
    title: str
    description: str = ""
    output: dict[str, Any] | None = None
    music: str | None = None
    segments: tuple[SegmentPlan, ...] = ()
    warnings: tuple[str, ...] = ()


def parse_document(document: Mapping[str, Any], *, strict: bool = False, title: str | None = None) -> EpisodePlan:
    """`strict`: unknown keys and starting images are errors; otherwise unknown keys become warnings. `title` replaces
    the document's own. Raises Refusal invalid with a JSON pointer per error.
    """
    reader = _Reader(strict)
    plan = reader.episode(document, title)
    if reader.errors:
        raise invalid(*reader.errors)
    return plan


def parse_segment(values: Mapping[str, Any]) -> SegmentPlan:
    """A segment that is added on its own: strict, without a starting image. Raises Refusal invalid."""
    reader = _Reader(strict=True)
    plan = reader.segment(values, "")
    if reader.errors:
        raise invalid(*reader.errors)
    return plan


def first_drafts(scene_info: Mapping[str, Any], given: Mapping[AssetKind, str]) -> dict[AssetKind, str]:
    """The given directions; where there are none, video and starting image take the description, narration the
    dialogue.

    A starting image without a description takes the video's directions, so that a batch can generate the image that the
    video needs.
    """
    description = str(scene_info.get("description") or "").strip()
    spoken = "\n".join(line["text"] for line in scene_info.get("dialogue") or [] if line["text"].strip())
    fallback = {
        AssetKind.VIDEO: description,
        AssetKind.NARRATION: spoken,
        AssetKind.STARTING_IMAGE: description or given.get(AssetKind.VIDEO, ""),
    }
    return {kind: text for kind in _SEGMENT_TEXTS if (text := given.get(kind) or fallback[kind][:MAX_DIRECTIONS])}


class _Reader:
    """Reads what it can, and collects errors and warnings."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.errors: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def episode(self, raw: Any, title: str | None) -> EpisodePlan:
        doc = self._object(raw, "", {"title", "description", "output", "directions", "segments"})
        rows = doc.get("segments")
        if rows is not None and not isinstance(rows, list):
            self._wrong("/segments", "must be a list")
            rows = None
        if rows and len(rows) > MAX_SEGMENTS:
            self._wrong("/segments", f"must have at most {MAX_SEGMENTS} items")
            rows = rows[:MAX_SEGMENTS]
        title = title or self._text(doc, "title", "", MAX_TITLE)
        if not title:
            self._wrong("/title", "is required")
        music = self._object(doc.get("directions"), "/directions", {"music"})
        segments = tuple(self.segment(row, f"/segments/{i}") for i, row in enumerate(rows or []))
        return EpisodePlan(
            title=title or "",
            description=self._text(doc, "description", "", MAX_TEXT) or "",
            output=self._output(doc.get("output")),
            music=self._text(music, "music", "/directions", MAX_DIRECTIONS),
            segments=segments,
            warnings=tuple(self._told()),
        )

    def segment(self, raw: Any, at: str) -> SegmentPlan:
        known = {"type", "scene_info", "duration", "directions", "transition_after", "scene_id", "shot_id", *_OWN_TEXTS}
        if not self.strict:
            known |= {"starting_image", "starting_image_url"}
        row = self._object(raw, at, known)
        scene = self._scene(row.get("scene_info"), f"{at}/scene_info")
        directions = row.get("directions")
        if isinstance(directions, str) and not self.strict:  # most scripts have one text per shot
            directions = {AssetKind.VIDEO.value: directions}
        texts = self._object(directions, f"{at}/directions", {k.value for k in _SEGMENT_TEXTS})
        given = {
            k: text for k in _SEGMENT_TEXTS if (text := self._text(texts, k.value, f"{at}/directions", MAX_DIRECTIONS))
        }
        return SegmentPlan(
            type=self._choice(SegmentType, row.get("type"), f"{at}/type", SegmentType.SCENE),
            scene_info=scene,
            duration=self._seconds(row.get("duration"), f"{at}/duration"),
            directions=first_drafts(scene, given),
            starting_image=self._image(row, at),
            transition_after=self.transition(row.get("transition_after"), f"{at}/transition_after"),
            scene_id=self._text(row, "scene_id", at, MAX_SCRIPT_ID),
            shot_id=self._text(row, "shot_id", at, MAX_SCRIPT_ID),
            style=self._text(row, "style", at, MAX_TEXT),
            characters=self._text(row, "characters", at, MAX_TEXT),
        )

    def transition(self, raw: Any, at: str) -> Transition | None:
        if raw is None:
            return None
        if isinstance(raw, str):
            raw = {"style": raw}
        value = self._object(raw, at, {"style", "duration_s", "duration"})
        seconds = self._seconds(value.get("duration_s", value.get("duration")), f"{at}/duration_s", least=0, most=5)
        style = self._choice(TransitionStyle, value.get("style"), f"{at}/style", TransitionStyle.CUT)
        return Transition(style=style) if seconds is None else Transition(style=style, duration_s=seconds)

    def _scene(self, raw: Any, at: str) -> dict[str, Any]:
        scene = self._object(raw, at, {"scene_number", "location", "description", "characters", "dialogue"})
        number = scene.get("scene_number")
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            self._wrong(f"{at}/scene_number", "must be a whole number")
        elif number is not None and abs(number) > MAX_SCENE_NUMBER:
            self._wrong(f"{at}/scene_number", f"must be from -{MAX_SCENE_NUMBER} to {MAX_SCENE_NUMBER}")
        given = self._list(scene.get("characters"), f"{at}/characters", MAX_CHARACTERS)
        characters = [_as_text(name) for name in given]
        for i, name in enumerate(characters):
            if not isinstance(name, str):
                self._wrong(f"{at}/characters/{i}", "must be a string")
            elif len(name) > MAX_TITLE:
                self._wrong(f"{at}/characters/{i}", f"must have at most {MAX_TITLE} characters")
        dialogue = [
            self._line(line, f"{at}/dialogue/{i}")
            for i, line in enumerate(self._list(scene.get("dialogue"), f"{at}/dialogue", MAX_LINES))
        ]
        return {
            "scene_number": number,
            "location": self._text(scene, "location", at, MAX_TEXT),
            "description": self._text(scene, "description", at, MAX_TEXT),
            "characters": characters,
            "dialogue": dialogue,
        }

    def _line(self, raw: Any, at: str) -> dict[str, Any]:
        if isinstance(raw, str) and not self.strict:
            return {"character": None, "text": raw}
        line = self._object(raw, at, {"character", "text"})
        text = self._text(line, "text", at, MAX_TEXT)
        if text is None:
            self._wrong(f"{at}/text", "is required")
        return {"character": self._text(line, "character", at, MAX_TITLE), "text": text or ""}

    def _image(self, row: Mapping[str, Any], at: str) -> ImageSource | None:
        legacy = row.get("starting_image_url")
        if row.get("starting_image") is None and legacy is None:
            return None
        if self.strict:
            return None
        if row.get("starting_image") is None:
            self._warn(f"{at}/starting_image_url is deprecated; use starting_image {{url}}")
            raw: Any = {"url": legacy}
        else:
            raw = row["starting_image"]
        value = self._object(raw, f"{at}/starting_image", {"upload_id", "url"})
        upload = self._text(value, "upload_id", f"{at}/starting_image", 100)
        url = self._text(value, "url", f"{at}/starting_image", 2000)
        if (upload is None) == (url is None):
            self._wrong(f"{at}/starting_image", "Give either upload_id or url")
            return None
        return ImageSource(upload, url)

    def _output(self, raw: Any) -> dict[str, Any] | None:
        if raw is None:
            return None
        value = self._object(raw, "/output", set(Output.model_fields))
        for at, text in output_problems(value):
            self._wrong(f"/output{at}", text)
        return dict(value)

    def _object(self, raw: Any, at: str, known: set[str]) -> dict[str, Any]:
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            self._wrong(at, "must be an object")
            return {}
        for key in raw:
            if key not in known:
                self._unknown(f"{at}/{key}")
        return {key: value for key, value in raw.items() if key in known}

    def _list(self, raw: Any, at: str, most: int) -> list[Any]:
        if raw is None:
            return []
        if isinstance(raw, list):
            if len(raw) > most:
                self._wrong(at, f"must have at most {most} items")
            return raw[:most]
        self._wrong(at, "must be a list")
        return []

    def _text(self, row: Mapping[str, Any], name: str, at: str, most: int) -> str | None:
        value = row.get(name)
        if value is None:
            return None
        value = _as_text(value)
        if not isinstance(value, str):
            self._wrong(f"{at}/{name}", "must be a string")
            return None
        if len(value) > most:
            self._wrong(f"{at}/{name}", f"must have at most {most} characters")
        if "\x00" in value:
            self._wrong(f"{at}/{name}", "must not contain a NUL character")
        return value.strip() or None

    def _seconds(self, raw: Any, at: str, least: float = 0.1, most: float = MAX_SECONDS) -> float | None:
        if raw is None:
            return None
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not least <= raw <= most:
            self._wrong(at, f"must be a number of seconds from {least:g} to {most:g}")
            return None
        return float(raw)

    def _choice(self, options: Any, raw: Any, at: str, default: Any) -> Any:
        if raw is None:
            return default
        try:
            return options(raw)
        except ValueError:
            self._wrong(at, f"must be one of {', '.join(o.value for o in options)}")
            return default

    def _warn(self, text: str) -> None:
        self.warnings.append(text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 1] + "…")

    def _told(self) -> list[str]:
        """The warnings, not more than a person reads."""
        more = len(self.warnings) - MAX_WARNINGS
        return [*self.warnings[:MAX_WARNINGS], *([f"{more} more warnings are not listed"] if more > 0 else [])]

    def _wrong(self, pointer: str, detail: str) -> None:
        self.errors.append((pointer or "/", detail))

    def _unknown(self, pointer: str) -> None:
        if self.strict:
            self.errors.append((pointer, "is not a known field"))
        else:
            self._warn(f"{pointer} is not a known field and was ignored")


def _as_text(value: Any) -> Any:
    """A number as text, as the command reads it too: a location may be called 42, and a film 1984."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole or (isinstance(value, float) and isfinite(value)) else value
