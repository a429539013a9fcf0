"""The progress of an episode follows from its events, whatever their order."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from client.cli.progress_table import bar, progress_table
from client.cli.screen import Screen
from client.cli.session import Session
from client.episode_progress import AssetProgress, AssetState, EpisodeProgress
from client.models import Episode
from client.models.events import Event, parse_event

EPISODE: dict[str, Any] = {
    "id": "e1",
    "title": "Two shots",
    "segments": [
        {"id": "s1", "segment_number": 1, "scene_info": {"location": "A kitchen table"}},
        {"id": "s2", "segment_number": 2, "scene_info": {"location": None, "description": "发射台"}},
    ],
    "assets": [
        {"id": "v1", "kind": "video", "segment_id": "s1"},
        {"id": "n1", "kind": "narration", "segment_id": "s1"},
        {"id": "v2", "kind": "video", "segment_id": "s2", "committed": {"id": "x", "number": 1}},
        {"id": "m", "kind": "music"},
    ],
}


def episode_progress(**changes: Any) -> EpisodeProgress:
    return EpisodeProgress(Episode.model_validate({**EPISODE, **changes}))


def event(name: str, at: int = 1, **data: Any) -> Event:
    about = {"episode_id": "e1", "asset_id": "v1", "run_id": "r1", "kind": "video"}
    return parse_event(name, None, {**about, "updated_at": f"2026-11-21T10:00:{at:02}Z", **data})


def asset(progress: EpisodeProgress, asset_id: str = "v1") -> AssetProgress:
    found = progress.asset(asset_id)
    assert found
    return found


def test_it_begins_as_the_episode_is() -> None:
    progress = episode_progress()
    assert [(s.number, s.title) for s in progress.segments] == [(1, "A kitchen table"), (2, "发射台"), (0, "Music")]
    assert [asset(progress, a).state for a in ("v1", "v2", "m")] == [
        AssetState.NOTHING,
        AssetState.DONE,
        AssetState.NOTHING,
    ]


def test_a_run_from_request_to_commit() -> None:
    progress = episode_progress()
    states = []
    for step in (
        event("regenerate-requested", 1),
        event("progress", 2, status="queued"),
        event("progress", 3, status="generating", percent=40, message="Rendering video"),
        event("preview-ready", 4, deadline="2026-11-21T10:30:00Z", message="Ready"),
        event("accepted", 5),
        event("complete", 6),
    ):
        assert progress.apply(step)
        states.append((asset(progress).state, asset(progress).percent))
    assert states == [
        (AssetState.QUEUED, 0), (AssetState.QUEUED, 0), (AssetState.WORKING, 40),
        (AssetState.REVIEW, 100), (AssetState.COMMITTING, 100), (AssetState.DONE, 100),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("last", "state", "message"),
    [
        (event("rejected", 9, next_run_id=None), AssetState.REJECTED, ""),
        (event("rejected", 9, next_run_id="r2"), AssetState.QUEUED, ""),
        (event("review-updated", 9, change="expired", message="Time is up"), AssetState.STOPPED, "Time is up"),
        (event("failed", 9, status="cancelled", error=None), AssetState.STOPPED, ""),
        (event("failed", 9, status="failed", error={"code": "x", "cause": "No face", "recovery": "Use one"}),
         AssetState.FAILED, "No face"),
    ],
)  # fmt: skip
def test_other_outcomes(last: Event, state: AssetState, message: str) -> None:
    progress = episode_progress()
    progress.apply(event("preview-ready", 4))
    progress.apply(last)
    assert (asset(progress).state, asset(progress).message) == (state, message)
    assert asset(progress).deadline is None


def test_a_late_event_changes_nothing() -> None:
    progress = episode_progress()
    progress.apply(event("complete", 6))
    assert not progress.apply(event("progress", 3, percent=40))
    assert asset(progress).state is AssetState.DONE


def test_the_next_try_is_followed_under_its_own_run() -> None:
    progress = episode_progress()
    progress.apply(event("rejected", 1, next_run_id="r2"))
    assert asset(progress).run_id == "r2"
    progress.apply(event("progress", 2, run_id="r2", percent=10, status="generating"))
    assert (asset(progress).state, asset(progress).run_id) == (AssetState.WORKING, "r2")


def test_what_concerns_another_episode_is_not_shown() -> None:
    progress = episode_progress()
    assert not progress.apply(event("complete", 1, episode_id="e2"))
    assert asset(progress).state is AssetState.NOTHING


def test_a_snapshot_has_what_is_active_and_requires_a_refresh() -> None:
    progress = episode_progress()
    run = {"run_id": "r7", "asset_id": "v1", "kind": "video", "status": "preview_ready", "episode_id": "e1"}
    batch = {"batch_id": "b1", "episode_id": "e1", "status": "running", "total": 4, "completed": 1}
    film = {"compilation_job_id": "c1", "episode_id": "e1", "status": "processing", "progress": 30}
    other = {**film, "compilation_job_id": "c2", "episode_id": "e2"}
    progress.apply(parse_event("snapshot", "e:1", {"runs": [run], "batches": [batch], "compilations": [film, other]}))
    assert (asset(progress).state, asset(progress).run_id) == (AssetState.REVIEW, "r7")
    assert progress.batches["b1"].total == 4
    assert {k: v.percent for k, v in progress.films.items()} == {"c1": 30}
    assert progress.outdated


def test_a_new_segment_requires_a_refresh_and_progress_survives_it() -> None:
    progress = episode_progress()
    progress.apply(event("progress", 3, status="generating", percent=40))
    assert not progress.apply(event("progress", 4, asset_id="unknown"))
    assert progress.outdated
    assets = [{**a, "active_run_id": "r1" if a["id"] == "v1" else None} for a in EPISODE["assets"]]
    progress.refresh(Episode.model_validate({**EPISODE, "assets": assets}))
    assert (asset(progress).state, asset(progress).percent, progress.outdated) == (AssetState.WORKING, 40, False)


def test_a_refresh_believes_the_gateway_where_the_run_has_ended() -> None:
    progress = episode_progress()
    progress.apply(event("progress", 3, status="generating", percent=40))
    assets = [{**a, "committed": {"id": "y", "number": 1}} for a in EPISODE["assets"]]
    progress.refresh(Episode.model_validate({**EPISODE, "assets": assets}))
    assert asset(progress).state is AssetState.DONE


def test_a_preview_that_waits_already_is_shown() -> None:
    run = {"id": "r3", "kind": "video", "status": "preview_ready", "deadline": "2026-11-21T10:30:00Z"}
    assets = [{**a, **({"preview": run, "active_run_id": "r3"} if a["id"] == "v1" else {})} for a in EPISODE["assets"]]
    progress = episode_progress(assets=assets)
    assert (asset(progress).state, asset(progress).run_id) == (AssetState.REVIEW, "r3")


@pytest.mark.parametrize("width", [24, 40, 60, 80, 110, 200])
def test_it_fits_every_screen(width: int) -> None:
    progress = episode_progress()
    progress.apply(event("progress", 3, status="generating", percent=45, message="Rendering " * 20))
    progress.apply(event("film-updated", 4, compilation_job_id="c1", status="processing", progress=61))
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as shown:
        console.print(progress_table(progress, width))
    lines = shown.get().rstrip("\n").split("\n")
    assert len(lines) == 4
    assert all(console.measure(line).maximum <= width for line in lines)
    assert "45%" in lines[0]
    assert "61%" in lines[3]
    if width >= 60:
        assert "A kitchen table" in lines[0]
        assert "发射台" in lines[1]


def test_a_bar_can_be_read_without_colours() -> None:
    assert [bar(p, 4).plain for p in (-5, 0, 12, 50, 99, 100, 130)] == [
        "────",
        "────",
        "╸───",
        "━━──",
        "━━━━",
        "━━━━",
        "━━━━",
    ]


def test_without_a_terminal_progress_is_printed_from_time_to_time(capsys: pytest.CaptureFixture[str]) -> None:
    now = 100.0
    screen = Screen(Session(), clock=lambda: now)
    progress = episode_progress()
    about = {"segment_number": 1, "status": "generating"}
    with screen:
        for seconds, sent in [
            (0, event("regenerate-requested", message="Generating video", segment_number=1)),
            (1, event("progress", percent=1, message="Rendering video", **about)),
            (11, event("progress", percent=30, message="Rendering video", **about)),
            (12, event("progress", percent=33, message="Rendering video", **about)),
            (13, event("preview-ready", message="Segment 1 completed! Ready for review.", segment_number=1)),
            (
                14,
                event(
                    "film-updated",
                    asset_id=None,
                    compilation_job_id="c",
                    status="processing",
                    progress=2,
                    message="Joining",
                ),
            ),
            (
                15,
                event(
                    "film-updated",
                    asset_id=None,
                    compilation_job_id="c",
                    status="processing",
                    progress=50,
                    message="Joining",
                ),
            ),
            (
                16,
                event(
                    "film-updated",
                    asset_id=None,
                    compilation_job_id="c",
                    status="completed",
                    progress=100,
                    message="Ready!",
                ),
            ),
        ]:
            now = 100.0 + seconds
            screen.update(progress, sent)
    assert capsys.readouterr().out.splitlines() == [
        "Segment 1: Generating video",
        "Segment 1: Rendering video 30%",
        "Segment 1 completed! Ready for review.",
        "Joining 2%",
        "Ready!",
    ]
