"""What the streams carry: the data of each named event. Media URLs are never inside: GET the run, the episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from services.gateway.api.schemas.base import EXAMPLE_ID, Actor, Id, Kind, Resource, Timestamp
from services.gateway.api.schemas.runs import RunStatus

BatchStatus = Literal["running", "waiting_review", "paused", "completed", "failed", "cancelled"]
FilmStatus = Literal["pending", "processing", "completed", "failed", "cancelled"]


class EventData(Resource):
    """What every event of the log says."""

    project_id: Id
    episode_id: Id | None = Field(description="null: it concerns the whole project.")
    message: str | None = Field(
        description="For people, in one line.", examples=["Segment 1 completed! Ready for review."]
    )
    actor: Actor | None = Field(description="Who caused it; null: nobody in particular.")
    updated_at: Timestamp = Field(description="Of what it tells about: apply only what is newer than what you have.")


class RunEventData(EventData):
    """An event about a run."""

    status: RunStatus = Field(description="The run's, from now on.")
    run_id: Id
    asset_id: Id
    kind: Kind = Field(description="What the slot holds.")
    segment_id: Id | None = Field(description="null: the asset is its episode's, such as music.")
    segment_number: int | None = Field(description="From 1.")


class RegenerateRequestedEvent(RunEventData):
    """Somebody, or a batch, wants a new version of an asset: a run begins."""

    source: Literal["generate", "upload", "url", "import", "existing"] = Field(description="Where its bytes come from.")
    parent_run_id: Id | None = Field(description="The rejected, failed or reopened run that it follows.")
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")


class RunProgressEvent(RunEventData):
    """A run is further than before."""

    step: str | None = Field(examples=["rendering"], description="What is being done, for programs; null: nothing yet.")
    percent: float | None = Field(description="0 to 100; null: it cannot be said.")


class ImportProgressEvent(EventData):
    """A film is being split."""

    status: Literal["processing"] = Field(description="Where it stands.")
    import_id: Id
    step: str | None = Field(examples=["scanning"], description="What is being done, for programs; null: nothing yet.")
    percent: float | None = Field(description="0 to 100.")


class PreviewVersion(Resource):
    """A candidate: its media as probed, not as asked for."""

    version_id: Id
    number: int = Field(description="Of the asset, from 1.")
    label: str = Field(examples=["Segment 1 video"], description="For people, such as `Segment 1 video`.")
    directions: str = Field(
        description="What the user asks for, unstyled: movie directions, a picture's prompt, a narration's script."
    )
    model: str | None = Field(description="Its slug, such as `animatic/camera`; null: what the settings say.")
    duration: float | None = Field(description="Seconds; null: a picture.")
    resolution: str | None = Field(
        examples=["1920x1080"],
        description="Width x height as probed, such as 1920x1080; in settings a name of the model's, such as 1080p.",
    )
    aspect_ratio: str | None = Field(examples=["16:9"], description="Width to height, such as 16:9.")


class PreviewReadyEvent(RunEventData):
    """Versions wait for a person's decision. What a policy approves is not announced."""

    deadline: Timestamp | None = Field(description="Until when they can be decided on; null: for ever.")
    versions: list[PreviewVersion] = Field(description="The candidates.")


class DecisionEvent(RunEventData):
    """A decision was taken. An accepted version is committed when `complete` says so."""

    version_id: Id | None = Field(description="The version's; null: none.")
    review_id: Id | None = Field(description="The decision's; null: a policy took it.")
    next_run_id: Id | None = Field(description="The run that begins because of it.")


class ReviewUpdatedEvent(RunEventData):
    """A review changed otherwise than by a decision that counted."""

    change: Literal["opened", "expired", "withdrawn", "refused"] = Field(description="What changed.")
    deadline: Timestamp | None = Field(description="Until when a preview can be decided on; null: for ever.")
    reason: Literal["already_decided", "expired", "foreign", "not_a_candidate", "withdrawn", "refused"] | None = Field(
        description="Why a decision was refused."
    )


class EventProblem(Resource):
    """What failed, why, and what the reader can do about it."""

    code: str = Field(examples=["starting_image_missing"], description="For programs; it never changes its meaning.")
    cause: str = Field(description="Why, in words.")
    recovery: str = Field(description="What the reader can do about it.")
    retryable: bool = Field(description="Whether the same again may succeed.")
    provider_code: str | None = Field(description="As the provider calls it.")


class RunFailedEvent(RunEventData):
    """A run ended without a version: `status` is failed or cancelled."""

    error: EventProblem | None = Field(description="Why it failed; null: it did not.")


class ImportFailedEvent(EventData):
    """A film was not split."""

    status: Literal["failed", "cancelled"] = Field(description="Where it stands.")
    import_id: Id
    error: EventProblem | None = Field(description="Why it failed; null: it did not.")


class CompleteEvent(RunEventData):
    """The version is committed: refresh now, every GET shows it."""

    version_id: Id


class FilmUpdatedEvent(EventData):
    """A compilation is further than before, or has ended."""

    status: FilmStatus = Field(description="Where it stands.")
    compilation_job_id: Id
    progress: float | None = Field(description="0 to 100.")
    output_duration: float | None = Field(description="Seconds, once it is completed.")


class ImportReadyEvent(EventData):
    """An import has ended: every file in it became a version, or its warnings say which did not."""

    status: Literal["completed"] = Field(description="Where it stands.")
    import_id: Id


class BatchUpdatedEvent(EventData):
    """A batch moved on. Numbers are of segments."""

    status: BatchStatus = Field(description="Where it stands.")
    batch_id: Id
    completed: int = Field(description="Segments whose video is there, approved ones included.")
    approved: int = Field(description="Segments whose video is committed.")
    failed: int = Field(description="Segments whose newest run failed and that have no video.")
    total: int = Field(description="Segments in all.")
    current_segment: int | None = Field(description="Its number: being made, or waiting for review.")


class ChangedEvent(EventData):
    """Somebody edited something: read it again."""

    status: str | None = Field(description="Always null: resources that people edit have no status.")
    resource: Literal["project", "settings", "members", "episode", "order", "segment", "asset", "compilation"] = Field(
        description="What was edited."
    )
    id: str = Field(description="Of the resource; of its episode for order, of its project for settings and members.")
    deleted: bool = Field(description="true: it is gone.")


class SnapshotRun(RunEventData):
    """A run that is active or waits for a decision."""

    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    source: str = Field(description="generate, upload, url, import or existing.")
    step: str | None = Field(description="What is being done, for programs; null: nothing yet.")
    percent: float | None = Field(description="0 to 100; null: it cannot be said.")
    deadline: Timestamp | None = Field(description="Until when a preview can be decided on; null: for ever.")
    version_ids: list[Id] = Field(description="The candidates, once there are any.")


class SnapshotBatch(EventData):
    """A batch that has not ended."""

    status: BatchStatus = Field(description="Where it stands.")
    batch_id: Id
    completed: int = Field(description="Segments whose video is there, approved ones included.")
    approved: int = Field(description="Segments whose video is committed.")
    failed: int = Field(description="Segments whose newest run failed and that have no video.")
    total: int = Field(description="Segments in all.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is being made, else of the first that is not approved; "
            "null: none of either."
        )
    )


class SnapshotCompilation(EventData):
    """A compilation that has not ended."""

    status: FilmStatus = Field(description="Where it stands.")
    compilation_job_id: Id
    progress: float | None = Field(description="0 to 100.")
    output_duration: float | None = Field(description="Seconds; null: it is not there yet.")


class SnapshotEvent(Resource):
    """What is under way or waits at this place in the log: the first event of a stream that does not resume."""

    runs: list[SnapshotRun] = Field(description="How many, or those that are active or wait for a decision.")
    batches: list[SnapshotBatch] = Field(description="Those that have not ended.")
    compilations: list[SnapshotCompilation] = Field(description="Those that have not ended.")


class ResetEvent(Resource):
    """The log cannot continue from the id that was sent; a snapshot follows. Throw away what you have."""

    reason: Literal["epoch_changed", "too_old", "unknown_id"] = Field(description="Why.")


class HeartbeatEvent(Resource):
    """Nothing has happened, and the stream is alive."""


EVENTS: Final[Mapping[str, tuple[type[BaseModel], ...]]] = {
    "regenerate-requested": (RegenerateRequestedEvent,),
    "progress": (RunProgressEvent, ImportProgressEvent),
    "preview-ready": (PreviewReadyEvent,),
    "accepted": (DecisionEvent,),
    "rejected": (DecisionEvent,),
    "review-updated": (ReviewUpdatedEvent,),
    "failed": (RunFailedEvent, ImportFailedEvent),
    "complete": (CompleteEvent,),
    "film-updated": (FilmUpdatedEvent,),
    "import-ready": (ImportReadyEvent,),
    "batch-updated": (BatchUpdatedEvent,),
    "changed": (ChangedEvent,),
    "snapshot": (SnapshotEvent,),
    "reset": (ResetEvent,),
    "heartbeat": (HeartbeatEvent,),
}
"""By the name of the event; where there are two, one is a run's and the other an import's."""


def payload(name: str, **data: Any) -> BaseModel:
    """The data of an event of the log. Raises pydantic.ValidationError if it is not as documented."""
    models = EVENTS[name]
    about_import = len(models) > 1 and "import_id" in data
    return models[-1 if about_import else 0](**data)


def event_schemas() -> dict[str, Any]:
    """JSON Schemas by name, for the components of the API's document."""
    models = dict.fromkeys(model for found in EVENTS.values() for model in found)
    _, document = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = document["$defs"]
    return schemas


def stream_schema() -> dict[str, Any]:
    """One event of a stream with its fields, by the name of the event."""
    return {
        "description": "One event of the stream.",
        "oneOf": [_event(name, models) for name, models in EVENTS.items()],
    }


def _event(name: str, models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    refs = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    logged = name not in ("reset", "heartbeat")
    position = {"id": {"type": "string", "description": "A position in the log."}} if logged else {}
    return {
        "type": "object",
        "title": name,
        "required": [*position, "event", "data"],
        "properties": position
        | {
            "event": {"type": "string", "const": name, "description": "The name of the event."},
            "data": {
                "type": "string",
                "description": "JSON on one line.",
                "contentMediaType": "application/json",
                "contentSchema": refs[0] if len(refs) == 1 else {"anyOf": refs},
            },
        },
    }


def stream_examples() -> dict[str, Any]:
    progress = RunProgressEvent(
        project_id=EXAMPLE_ID,
        episode_id=EXAMPLE_ID,
        status="generating",
        message="Generating video",
        actor=Actor(kind="system", user_id=None),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
        run_id=EXAMPLE_ID,
        asset_id=EXAMPLE_ID,
        kind="video",
        segment_id=EXAMPLE_ID,
        segment_number=1,
        step="rendering",
        percent=40,
    )
    snapshot = SnapshotEvent(runs=[], batches=[], compilations=[])
    return {
        "snapshot": {"value": {"id": "5d0c…:1042", "event": "snapshot", "data": snapshot.model_dump_json()}},
        "progress": {"value": {"id": "5d0c…:1043", "event": "progress", "data": progress.model_dump_json()}},
        "heartbeat": {"value": {"event": "heartbeat", "data": HeartbeatEvent().model_dump_json()}},
    }
