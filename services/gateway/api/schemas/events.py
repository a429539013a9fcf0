"""What the streams carry: the data of each named event. Media URLs are never inside: GET the run, the episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema

from services.gateway.api.schemas.base import EXAMPLE_ID, Actor, Id, Kind, Resource, Said, Timestamp
from services.gateway.api.schemas.runs import RunStatus
from services.gateway.api.schemas.versions import OutputDifference, QualityEvent

BatchStatus = Literal["running", "waiting_review", "paused", "completed", "failed", "cancelled"]
FilmStatus = Literal["pending", "processing", "completed", "failed", "cancelled"]


class EventData(Said):
    """What every event of the log says."""

    project_id: Id
    episode_id: Id | None = Field(description="The episode; null: the event concerns the whole project.")
    message: str | None = Field(
        description="A message for users, in one line.", examples=["Segment 1 completed! Ready for review."]
    )
    actor: Actor | None = Field(description="Who caused the event; null: unknown.")
    updated_at: Timestamp = Field(
        description="The resource's `updated_at`. Apply the event only if it is newer than your state."
    )


class RunEventData(EventData):
    """An event about a run."""

    status: RunStatus = Field(description="The new status of the run.")
    run_id: Id
    asset_id: Id
    kind: Kind = Field(description="The kind of asset.")
    segment_id: Id | None = Field(description="The segment; null: the asset belongs to the episode, such as music.")
    segment_number: int | None = Field(
        description="The segment's number, from 1; null: the asset belongs to the episode."
    )


class RegenerateRequestedEvent(RunEventData):
    """A run was requested by a user or a batch."""

    source: Literal["generate", "upload", "url", "import", "existing"] = Field(description="The source of the media.")
    parent_run_id: Id | None = Field(description="The rejected, failed or reopened run that it follows; null: none.")
    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")


class RunProgressEvent(RunEventData):
    """The progress of a run changed."""

    step: str | None = Field(examples=["rendering"], description="The current step, for programs; null: none yet.")
    percent: float | None = Field(description="From 0 to 100; null: unknown.")


class ImportProgressEvent(EventData):
    """The progress of a film's import."""

    status: Literal["processing"] = Field(description="The current status.")
    import_id: Id
    step: str | None = Field(examples=["scanning"], description="The current step, for programs; null: none yet.")
    percent: float | None = Field(description="0 to 100.")


class PreviewVersion(Resource):
    """A version to decide on, with its measured properties."""

    version_id: Id
    number: int = Field(description="The number of the version within its asset, from 1.")
    label: str = Field(examples=["Segment 1 video"], description="A display name, such as `Segment 1 video`.")
    directions: str = Field(
        description=(
            "What to generate, without the project's style: directions of a video, a prompt for an "
            "image, or the text of a narration."
        )
    )
    model: str | None = Field(
        description="The slug of the model, such as `animatic/camera`; null: the project's default."
    )
    duration: float | None = Field(description="The duration in seconds; null: an image.")
    resolution: str | None = Field(
        examples=["1920x1080"],
        description="The measured width x height, such as 1920x1080.",
    )
    aspect_ratio: str | None = Field(examples=["16:9"], description="Width to height, such as 16:9.")
    differences: list[OutputDifference] = Field(
        [], description="Where it is not what the model was asked for, by a frame or more."
    )
    quality_events: list[QualityEvent] = Field(
        [], description="Where it is black, frozen, flashing or cut, in the order of their starts."
    )
    photosensitivity_warning: str | None = Field(
        None, description="To be shown before it plays: it flashes harmfully; null: it does not."
    )


class PreviewReadyEvent(RunEventData):
    """Versions wait for a person's decision. Previews that a policy approves are not announced."""

    deadline: Timestamp | None = Field(description="When the preview expires; null: it does not expire.")
    versions: list[PreviewVersion] = Field(description="The versions to decide on.")


class DecisionEvent(RunEventData):
    """A decision was made. An accepted version is committed once the `complete` event follows."""

    version_id: Id | None = Field(description="The version; null: none.")
    review_id: Id | None = Field(description="The review; null: a policy decided.")
    next_run_id: Id | None = Field(description="The run that the decision started; null: none.")


class ReviewUpdatedEvent(RunEventData):
    """A review was opened, expired, withdrawn, or a decision on it was refused."""

    change: Literal["opened", "expired", "withdrawn", "refused"] = Field(description="The kind of change.")
    deadline: Timestamp | None = Field(description="When the preview expires; null: it does not expire.")
    reason: Literal["already_decided", "expired", "foreign", "not_a_candidate", "withdrawn", "refused"] | None = Field(
        description="Why the decision was refused; null: it was not."
    )


class EventProblem(Resource):
    """What failed, why, and what the reader can do about it."""

    code: str = Field(examples=["starting_image_missing"], description="A stable code for programs.")
    cause: str = Field(description="The cause, for users.")
    recovery: str = Field(description="What you can do about it.")
    retryable: bool = Field(description="Whether repeating the same may succeed.")
    provider_code: str | None = Field(description="The provider's own error code.")


class RunFailedEvent(RunEventData):
    """A run ended without a version: `status` is failed or cancelled."""

    error: EventProblem | None = Field(description="The reason of the failure; null: it has not failed.")


class ImportFailedEvent(EventData):
    """The import of a film failed."""

    status: Literal["failed", "cancelled"] = Field(description="The current status.")
    import_id: Id
    error: EventProblem | None = Field(description="The reason of the failure; null: it has not failed.")


class CompleteEvent(RunEventData):
    """A version was committed. Every GET shows it: refresh."""

    version_id: Id


class FilmUpdatedEvent(EventData):
    """The progress or the status of a compilation changed."""

    status: FilmStatus = Field(description="The current status.")
    compilation_job_id: Id
    progress: float | None = Field(description="0 to 100.")
    output_duration: float | None = Field(description="The duration of the film in seconds; null: not completed.")


class ImportReadyEvent(EventData):
    """An import has completed. Its warnings name the files that did not become versions."""

    status: Literal["completed"] = Field(description="The current status.")
    import_id: Id


class BatchUpdatedEvent(EventData):
    """The progress of a batch changed. The counts are numbers of segments."""

    status: BatchStatus = Field(description="The current status.")
    batch_id: Id
    completed: int = Field(description="The number of segments that have a video, including approved ones.")
    approved: int = Field(description="The number of segments whose video is committed.")
    failed: int = Field(description="The number of segments whose newest run failed and that have no video.")
    total: int = Field(description="The total number of segments.")
    current_segment: int | None = Field(
        description="The number of the segment that is generating or waiting for a review; null: none."
    )
    failed_segments: list[int] = Field(description="The numbers of the segments that failed, in film order.")


class ChangedEvent(EventData):
    """A user created, edited or deleted a resource: read it again."""

    status: str | None = Field(description="Always null: resources that people edit have no status.")
    resource: Literal[
        "project", "settings", "members", "episode", "order", "segment", "asset", "compilation", "note", "share"
    ] = Field(description="The kind of resource that changed.")
    id: str = Field(
        description="The resource's id; for an order that of the episode, for settings and members that of the project."
    )
    deleted: bool = Field(description="Whether the resource was deleted.")
    version_id: Id | None = Field(None, description="The version that a note is about; null: another resource.")


class SnapshotRun(RunEventData):
    """A run that is active or waits for a decision."""

    batch_id: Id | None = Field(description="The batch that it belongs to; null: none.")
    source: str = Field(description="generate, upload, url, import or existing.")
    step: str | None = Field(description="The current step, for programs; null: none yet.")
    percent: float | None = Field(description="From 0 to 100; null: unknown.")
    deadline: Timestamp | None = Field(description="When the preview expires; null: it does not expire.")
    version_ids: list[Id] = Field(description="The versions to decide on; empty while there are none.")


class SnapshotBatch(EventData):
    """A batch that has not ended."""

    status: BatchStatus = Field(description="The current status.")
    batch_id: Id
    completed: int = Field(description="The number of segments that have a video, including approved ones.")
    approved: int = Field(description="The number of segments whose video is committed.")
    failed: int = Field(description="The number of segments whose newest run failed and that have no video.")
    total: int = Field(description="The total number of segments.")
    current_segment: int | None = Field(
        description=(
            "The number of the segment that is generating, or else of the first one that is not "
            "approved; null: neither."
        )
    )


class SnapshotCompilation(EventData):
    """A compilation that has not ended."""

    status: FilmStatus = Field(description="The current status.")
    compilation_job_id: Id
    progress: float | None = Field(description="0 to 100.")
    output_duration: float | None = Field(description="The duration of the film in seconds; null: not completed.")


class SnapshotEvent(Resource):
    """All active and reviewable work at this position in the log: the first event of a stream that does not resume."""

    runs: list[SnapshotRun] = Field(description="The runs that are active or wait for a decision.")
    batches: list[SnapshotBatch] = Field(description="The batches that have not ended.")
    compilations: list[SnapshotCompilation] = Field(description="The compilations that have not ended.")


class ResetEvent(Resource):
    """The stream cannot resume from the id that was sent. Discard your state; a snapshot follows."""

    reason: Literal["epoch_changed", "too_old", "unknown_id"] = Field(description="The reason.")


class HeartbeatEvent(Resource):
    """Sent every 15 seconds to show that the stream is alive."""


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
        message_code="run.started",
        message_args={"kind": "video"},
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
        "snapshot": {
            "value": {
                "id": "0f8f7a6e-2f0b-4c57-9a43-5d0c8e1b7a12:1042",
                "event": "snapshot",
                "data": snapshot.model_dump_json(),
            }
        },
        "progress": {
            "value": {
                "id": "0f8f7a6e-2f0b-4c57-9a43-5d0c8e1b7a12:1043",
                "event": "progress",
                "data": progress.model_dump_json(),
            }
        },
        "heartbeat": {"value": {"event": "heartbeat", "data": HeartbeatEvent().model_dump_json()}},
    }
