"""Events with sensible defaults, for tests that depend on only a few fields: `preview_ready(auto_approve=True)`.

Every call creates new ids. For events of one run, pass the same `ref`: `a = ref(); preview_ready(**a), accepted(**a)`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from shared.contracts.base import Event
from shared.contracts.envelope import Envelope, event_type, source_of
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.contracts.events.gateway import (
    CancelRequested,
    CancelTarget,
    CompileItem,
    CompileRequested,
    DecisionAction,
    DecisionSubmitted,
    EpisodeChanged,
    ImportRequested,
    PinnedMedia,
    RegenerateRequested,
    TimelineSegment,
)
from shared.contracts.events.generator import Complete, Failed, ImportClip, ImportReady, PreviewReady, Progress
from shared.contracts.events.review import Accepted, Rejected, ReviewChange, ReviewState, ReviewUpdated
from shared.contracts.topics import TOPICS
from shared.contracts.values import (
    Actor,
    AssetKind,
    Cost,
    Media,
    ObjectRef,
    Output,
    Problem,
    RunSource,
    SegmentType,
    Version,
)
from shared.core.ids import new_id
from shared.messaging.events import Cause, Message

AT: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANA: Final = Actor(kind="user", user_id="ana")
FREE: Final = Cost(amount="0", calls=0)
VIDEO: Final = Media(
    width=1920,
    height=1080,
    duration_s=5.0,
    fps=24,
    frames=120,
    aspect_ratio="16:9",
    resolution="1920x1080",
    video_codec="h264",
)

E = TypeVar("E", bound=Event)


def ref(**overrides: Any) -> dict[str, Any]:
    """The fields that all events of one run share."""
    return {
        "run_id": new_id(),
        "asset_id": new_id(),
        "asset_kind": AssetKind.VIDEO,
        "episode_id": new_id(),
        "segment_id": new_id(),
        "segment_number": 1,
    } | overrides


def object_ref(**overrides: Any) -> ObjectRef:
    defaults = {
        "bucket": "generator",
        "key": f"versions/{new_id()}/content.mp4",
        "size": 1_000,
        "sha256": "0" * 64,
        "content_type": "video/mp4",
    }
    return ObjectRef(**(defaults | overrides))


def version(**overrides: Any) -> Version:
    defaults = {
        "version_id": new_id(),
        "version_number": 1,
        "object": object_ref(),
        "media": VIDEO,
        "directions": "Push in slowly",
        "provider": "animatic",
        "model": "animatic/camera",
        "seed": 1,
        "cost": FREE,
    }
    return Version(**(defaults | overrides))


def pinned(**overrides: Any) -> PinnedMedia:
    return PinnedMedia(
        **({"asset_id": new_id(), "version_id": new_id(), "object": object_ref(), "media": VIDEO} | overrides)
    )


def timeline_segment(**overrides: Any) -> TimelineSegment:
    return TimelineSegment(
        **(
            {
                "segment_id": new_id(),
                "number": 1,
                "type": SegmentType.SCENE,
                "video_asset_id": new_id(),
                "starting_image_asset_id": new_id(),
                "narration_asset_id": new_id(),
            }
            | overrides
        )
    )


def problem(**overrides: Any) -> Problem:
    return Problem(
        **(
            {"code": "provider_failed", "cause": "The provider failed.", "recovery": "Try again.", "retryable": True}
            | overrides
        )
    )


def regenerate_requested(**overrides: Any) -> RegenerateRequested:
    return RegenerateRequested(
        **(ref() | {"source": RunSource.GENERATE, "label": "Segment 1", "actor": ANA} | overrides)
    )


def preview_ready(**overrides: Any) -> PreviewReady:
    return PreviewReady(
        **(
            ref()
            | {
                "run_rev": 3,
                "source": RunSource.GENERATE,
                "label": "Segment 1",
                "candidates": [version()],
                "cost": FREE,
                "actor": ANA,
            }
            | overrides
        )
    )


def progress(**overrides: Any) -> Progress:
    return Progress(
        **(
            ref()
            | {"run_rev": 2, "state": "generating", "step": "render", "percent": 40.0, "message_code": "run.rendering"}
            | overrides
        )
    )


def failed(**overrides: Any) -> Failed:
    return Failed(
        **(
            ref()
            | {"run_rev": 4, "outcome": "failed", "step": "render", "problem": problem(), "cost": FREE}
            | overrides
        )
    )


def complete(**overrides: Any) -> Complete:
    return Complete(
        **(
            ref()
            | {"run_rev": 5, "commit_seq": 1, "version": version(), "updated_at": AT, "cost": FREE, "actor": ANA}
            | overrides
        )
    )


def decision_submitted(**overrides: Any) -> DecisionSubmitted:
    return DecisionSubmitted(
        **(
            ref()
            | {
                "decision_id": new_id(),
                "version_id": new_id(),
                "action": DecisionAction.APPROVE,
                "submitted_at": AT,
                "actor": ANA,
            }
            | overrides
        )
    )


def accepted(**overrides: Any) -> Accepted:
    return Accepted(
        **(
            ref()
            | {"review_rev": 2, "decision_id": new_id(), "version_id": new_id(), "decided_at": AT, "actor": ANA}
            | overrides
        )
    )


def rejected(**overrides: Any) -> Rejected:
    return Rejected(
        **(
            ref()
            | {
                "review_rev": 2,
                "decision_id": new_id(),
                "version_id": new_id(),
                "action": DecisionAction.REJECT,
                "decided_at": AT,
                "actor": ANA,
            }
            | overrides
        )
    )


def review_updated(**overrides: Any) -> ReviewUpdated:
    return ReviewUpdated(
        **(
            ref()
            | {
                "review_rev": 1,
                "change": ReviewChange.OPENED,
                "state": ReviewState.OPEN,
                "deadline": AT + timedelta(hours=72),
            }
            | overrides
        )
    )


def cancel_requested(**overrides: Any) -> CancelRequested:
    return CancelRequested(
        **(
            {
                "target": CancelTarget.RUN,
                "target_id": new_id(),
                "asset_id": new_id(),
                "episode_id": new_id(),
                "actor": ANA,
            }
            | overrides
        )
    )


def episode_changed(**overrides: Any) -> EpisodeChanged:
    return EpisodeChanged(
        **(
            {"episode_id": new_id(), "timeline_version": 1, "output": Output(), "segments": [timeline_segment()]}
            | overrides
        )
    )


def compile_requested(**overrides: Any) -> CompileRequested:
    item = CompileItem(segment_id=new_id(), number=1, video=pinned())
    return CompileRequested(
        **(
            {
                "episode_id": new_id(),
                "compilation_id": new_id(),
                "timeline_version": 1,
                "items": [item],
                "output": Output(),
                "expires_at": AT + timedelta(hours=24),
                "actor": ANA,
            }
            | overrides
        )
    )


def film_updated(**overrides: Any) -> FilmUpdated:
    return FilmUpdated(
        **({"episode_id": new_id(), "compilation_id": new_id(), "rev": 1, "state": FilmState.PROCESSING} | overrides)
    )


def import_requested(**overrides: Any) -> ImportRequested:
    return ImportRequested(
        **(
            {"import_id": new_id(), "episode_id": new_id(), "object": object_ref(bucket="gateway"), "actor": ANA}
            | overrides
        )
    )


def import_ready(**overrides: Any) -> ImportReady:
    clip = ImportClip(
        number=1, start_s=0, duration_s=4, video=object_ref(), first_frame=object_ref(content_type="image/png")
    )
    return ImportReady(**({"import_id": new_id(), "episode_id": new_id(), "clips": [clip]} | overrides))


def cause(**overrides: Any) -> Cause:
    return Cause(**({"project_id": "project-1", "owner_id": "ana", "correlation_id": new_id()} | overrides))


def message(event: E, *, at: datetime = AT, **overrides: Any) -> Message[E]:
    """The event as its producer would have sent it; `overrides` are attributes of the envelope."""
    producer = TOPICS[event.TOPIC].producer
    envelope = {
        "id": new_id(),
        "source": source_of(producer),
        "type": event_type(event.TOPIC),
        "time": at,
        "subject": event.subject,
        "project_id": "project-1",
        "owner_id": "ana",
        "correlation_id": new_id(),
    } | overrides
    return Message(event, Envelope(**envelope))
