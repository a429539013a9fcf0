"""The document of an episode, as the import of the API takes it, and the short forms that a script file may use.

A script may give a picture by its path, relative to the script, and a transition by its style alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from client.script.source import Finding, Location, ScriptError, Source

Directions = Annotated[str, Field(max_length=4000)]


class Part(BaseModel):
    """A part of a document. Numbers are accepted as text: a location may be called 42."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore")


class Line(Part):
    character: str | None = None
    text: str


def _line(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


def _directions(value: Any) -> Any:
    """A single text is the directions of the video."""
    return {"video": value} if isinstance(value, str) else value


class SceneInfo(Part):
    scene_number: int | None = None
    location: str | None = None
    description: str | None = None
    characters: list[str] | None = None
    dialogue: list[Annotated[Line, BeforeValidator(_line)]] | None = None


class SegmentDirections(Part):
    video: Directions | None = None
    starting_image: Directions | None = None
    narration: Directions | None = None


class EpisodeDirections(Part):
    music: Directions | None = None


class Picture(Part):
    """Exactly one of these: an upload, a URL, or a file on this machine."""

    upload_id: str | None = None
    url: str | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Picture:
        if sum(v is not None for v in (self.upload_id, self.url, self.path)) != 1:
            raise ValueError("give exactly one of path, url and upload_id")
        return self


class Transition(Part):
    style: Literal["cut", "fade", "dissolve"]
    duration: float | None = Field(None, ge=0, le=5, description="seconds")


class Output(Part):
    width: int | None = Field(None, ge=16, le=8192)
    height: int | None = Field(None, ge=16, le=8192)
    fps: float | None = Field(None, gt=0, le=240)
    frame_rate: str | None = None
    fit: Literal["crop", "pad", "blur"] | None = None


def _picture(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return {"url": value} if value.startswith(("https://", "http://")) else {"path": value}


def _transition(value: Any) -> Any:
    return {"style": value} if isinstance(value, str) else value


class Segment(Part):
    type: Literal["scene", "shot", "transition"] | None = None
    scene_info: SceneInfo | None = None
    duration: float | None = Field(None, ge=0.1, le=600, description="seconds")
    directions: Annotated[SegmentDirections | None, BeforeValidator(_directions)] = None
    starting_image: Annotated[Picture | None, BeforeValidator(_picture)] = None
    starting_image_url: str | None = Field(None, description="deprecated: starting_image")
    transition_after: Annotated[Transition | None, BeforeValidator(_transition)] = None


class Document(Part):
    title: str = Field(min_length=1, max_length=300)
    description: str | None = None
    output: Output | None = None
    directions: EpisodeDirections | None = None
    segments: list[Segment] = Field(min_length=1, max_length=500)

    def as_json(self) -> dict[str, Any]:
        """The JSON for the gateway. Pictures that are files must have been uploaded before."""
        return self.model_dump(mode="json", exclude_none=True)


def read_document(source: Source) -> tuple[Document, list[Finding]]:
    """The document and warnings about it. Raises ScriptError with all errors."""
    if not isinstance(source.data, dict):
        raise ScriptError([source.finding((), "A script is a mapping with at least `title` and `segments`.")])
    try:
        document = Document.model_validate(source.data)
    except ValidationError as e:
        raise ScriptError([_finding(source, error) for error in e.errors()]) from e
    return document, source.duplicates + _unknown_keys(source, source.data, Document, ())


def picture_paths(document: Document, script: Path) -> dict[int, Path]:
    """The files of starting images, by the index of their segment."""
    return {
        i: (script.parent / Path(segment.starting_image.path).expanduser())
        for i, segment in enumerate(document.segments)
        if segment.starting_image and segment.starting_image.path
    }


def _unknown_keys(source: Source, value: Any, model: type[BaseModel], at: Location) -> list[Finding]:
    """A warning for each unknown key, at any depth."""
    found: list[Finding] = []
    if not isinstance(value, dict):
        return found
    for key, inner in value.items():
        field = model.model_fields.get(key)
        if field is None:
            known = ", ".join(model.model_fields)
            found.append(source.finding((*at, key), f"Unknown key {key!r} is ignored. Known keys: {known}."))
            continue
        part = _part(field.annotation)
        if part is None:
            continue
        if isinstance(inner, list):
            for i, item in enumerate(inner):
                found += _unknown_keys(source, item, part, (*at, key, i))
        else:
            found += _unknown_keys(source, inner, part, (*at, key))
    return found


def _part(annotation: Any) -> type[BaseModel] | None:
    """The model in `Model | None`, `list[Model]` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if part := _part(inner):
            return part
    return None


def _finding(source: Source, error: ErrorDetails) -> Finding:
    at = tuple(error["loc"])
    path = "".join(f"[{p + 1}]" if isinstance(p, int) else f".{p}" for p in at).lstrip(".")
    message = error["msg"].removeprefix("Value error, ")
    return source.finding(at, f"{path}: {message[:1].lower()}{message[1:]}." if path else f"{message}.")
