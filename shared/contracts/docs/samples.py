"""One example of every event. Together they tell one story: segment 2 is regenerated, rejected, accepted and compiled.

They are frozen as JSON next to the schemas, so that every consumer and every later version of the models is checked
against them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shared.contracts.base import Event
from shared.contracts.envelope import Envelope, event_type, source_of
from shared.contracts.events.compiler import Chapter, FilmReport, FilmState, FilmUpdated
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
    Character,
    Cost,
    Media,
    ObjectRef,
    Output,
    Problem,
    ProjectSettings,
    Quality,
    RunSource,
    SegmentType,
    Setting,
    SettingSource,
    Transition,
    TransitionStyle,
    Version,
)


def _id(n: int) -> str:
    return f"01936f00-0000-7000-8000-{n:012d}"


_AT: Final = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
_ANA: Final = Actor(kind="user", user_id="ana")
_COST: Final = Cost(amount="0.36", currency="USD", basis="estimated", calls=1)
_REF: Final[dict[str, Any]] = {
    "run_id": _id(1),
    "asset_id": _id(2),
    "asset_kind": AssetKind.VIDEO,
    "episode_id": _id(3),
    "segment_id": _id(4),
    "segment_number": 2,
}
_OUTPUT: Final = Output(width=1920, height=1080, fps=24)
_MEDIA: Final = Media(
    width=1920,
    height=1080,
    duration_s=5.0,
    fps=24,
    frames=120,
    aspect_ratio="16:9",
    resolution="1920x1080",
    video_codec="h264",
)


def _object(bucket: str, key: str, content_type: str) -> ObjectRef:
    return ObjectRef(bucket=bucket, key=key, size=4_182_113, sha256="9f86d081884c7d65" * 4, content_type=content_type)


_VIDEO: Final = _object("generator", f"versions/{_id(5)}/content.mp4", "video/mp4")
_VERSION: Final = Version(
    version_id=_id(5),
    version_number=2,
    object=_VIDEO,
    poster=_object("generator", f"versions/{_id(5)}/poster.jpg", "image/jpeg"),
    media=_MEDIA,
    quality=Quality(
        visual_quality=0.82,
        measures={"sharpness": 4.6, "continuity": None},
        reasons={"continuity": "the previous segment has no committed video"},
    ),
    directions="The camera pans slowly to the left\nPush in on the cup",
    model="animatic/camera",
    provider="animatic",
    seed=67890,
    starting_image_version_id=_id(6),
    settings={
        "model": Setting(value="animatic/camera", source=SettingSource.DEFAULT),
        "duration": Setting(value=5, source=SettingSource.OVERRIDE),
        "seed": Setting(value=67890, source=SettingSource.OVERRIDE),
    },
    cost=_COST,
    info={"animatic": True},
)
_PINNED: Final = PinnedMedia(
    asset_id=_id(2),
    version_id=_id(5),
    object=_VIDEO,
    media=_MEDIA,
    directions=_VERSION.directions,
    model="animatic/camera",
    approved_by="ana",
)
_CUT: Final = Transition(style=TransitionStyle.DISSOLVE, duration_s=0.5)

_EVENTS: Final[tuple[Event, ...]] = (
    RegenerateRequested(
        **_REF,
        source=RunSource.GENERATE,
        label="Segment 2",
        overrides={"directions": _VERSION.directions, "seed": 67890},
        project_settings=ProjectSettings(
            video={"resolution": "1080p"},
            output=_OUTPUT,
            style="写实电影感",
            characters=[Character(name="Lin", description="round glasses, grey coat")],
        ),
        review_timeout_s=1800,
        starting_image_version_id=_id(6),
        batch_id=_id(7),
        actor=_ANA,
    ),
    Progress(
        **_REF,
        run_rev=3,
        state="generating",
        step="render",
        percent=42.0,
        message_code="run.rendering",
        message_args={"kind": "video"},
    ),
    PreviewReady(
        **_REF,
        run_rev=4,
        source=RunSource.GENERATE,
        label="Segment 2",
        candidates=[_VERSION],
        cost=_COST,
        review_timeout_s=1800,
        actor=_ANA,
    ),
    ReviewUpdated(
        **_REF, review_rev=1, change=ReviewChange.OPENED, state=ReviewState.OPEN, deadline=_AT + timedelta(minutes=30)
    ),
    DecisionSubmitted(
        **_REF,
        decision_id=_id(8),
        version_id=_id(5),
        action=DecisionAction.REJECT,
        rating=2,
        feedback="Character appearance inconsistent",
        suggested_changes={"character_prompt": "更强调角色的眼镜特征"},
        regenerate=True,
        next_run_id=_id(9),
        submitted_at=_AT,
        actor=_ANA,
    ),
    Rejected(
        **_REF,
        review_rev=2,
        decision_id=_id(8),
        version_id=_id(5),
        action=DecisionAction.REJECT,
        rating=2,
        feedback="Character appearance inconsistent",
        suggested_changes={"character_prompt": "更强调角色的眼镜特征"},
        regenerate=True,
        next_run_id=_id(9),
        decided_at=_AT,
        actor=_ANA,
    ),
    Accepted(
        **_REF,
        review_rev=2,
        decision_id=_id(8),
        version_id=_id(5),
        rating=5,
        feedback="Looks great!",
        decided_at=_AT,
        actor=_ANA,
    ),
    Complete(
        **_REF,
        run_rev=5,
        commit_seq=2,
        version=_VERSION,
        previous_version_id=_id(10),
        updated_at=_AT,
        cost=_COST,
        actor=_ANA,
    ),
    Failed(
        **_REF,
        run_rev=4,
        outcome="failed",
        step="prepare",
        attempts=1,
        cost=Cost(amount="0"),
        problem=Problem(
            code="starting_image_missing",
            cause="Regenerate the starting image first.",
            recovery="Regenerate or upload a starting image for this segment, then try again.",
            retryable=False,
        ),
    ),
    CancelRequested(target=CancelTarget.RUN, target_id=_id(1), asset_id=_id(2), episode_id=_id(3), actor=_ANA),
    EpisodeChanged(
        episode_id=_id(3),
        timeline_version=4,
        output=_OUTPUT,
        music_asset_id=_id(11),
        segments=[
            TimelineSegment(
                segment_id=_id(4),
                number=1,
                type=SegmentType.SCENE,
                video_asset_id=_id(2),
                starting_image_asset_id=_id(12),
                narration_asset_id=_id(13),
                transition_after=_CUT,
            )
        ],
    ),
    CompileRequested(
        episode_id=_id(3),
        compilation_id=_id(14),
        timeline_version=4,
        output=_OUTPUT,
        items=[CompileItem(segment_id=_id(4), number=1, video=_PINNED, transition_after=_CUT)],
        expires_at=_AT + timedelta(days=1),
        actor=_ANA,
    ),
    FilmUpdated(
        episode_id=_id(3),
        compilation_id=_id(14),
        rev=6,
        state=FilmState.COMPLETED,
        progress=100,
        object=_object("compiler", f"films/{_id(14)}/film.mp4", "video/mp4"),
        media=_MEDIA,
        segments_included=1,
        report=FilmReport(
            pieces_reused=1,
            pieces_rendered=1,
            seconds=0.4,
            loudness_lufs=-16.0,
            true_peak_dbtp=-1.2,
            chapters=[Chapter(title="Segment 1", start_s=0)],
        ),
        completed_at=_AT,
    ),
    ImportRequested(
        import_id=_id(15), episode_id=_id(3), actor=_ANA, object=_object("gateway", f"uploads/{_id(16)}", "video/mp4")
    ),
    ImportReady(
        import_id=_id(15),
        episode_id=_id(3),
        clips=[
            ImportClip(
                number=1,
                start_s=0,
                duration_s=4.2,
                video=_VIDEO,
                first_frame=_object("generator", f"imports/{_id(15)}/1.jpg", "image/jpeg"),
            )
        ],
    ),
)

SAMPLES: Final[dict[str, Event]] = {event.TOPIC: event for event in _EVENTS}
assert set(SAMPLES) == set(TOPICS), f"an example is missing or superfluous: {set(SAMPLES) ^ set(TOPICS)}"


def sample_envelope(event: Event) -> Envelope:
    """The envelope of an example."""
    return Envelope(
        id=_id(100),
        source=source_of(TOPICS[event.TOPIC].producer),
        type=event_type(event.TOPIC),
        time=_AT,
        subject=event.subject,
        project_id=_id(50),
        owner_id="ana",
        correlation_id=_id(99),
        causation_id=_id(98),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
