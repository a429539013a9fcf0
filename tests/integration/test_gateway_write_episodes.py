"""Projects, episodes, imports and the event log of the gateway, on a real database."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from services.gateway.commands.accounts import authorize, remember_user, remove_member, set_member
from services.gateway.commands.assets import AddImageAsset, add_image_asset, drop_draft, save_draft
from services.gateway.commands.batches import StartBatch, start_batch
from services.gateway.commands.episodes import CreateEpisode, change_episode, create_episode, delete_episode
from services.gateway.commands.films import (
    CompileEpisode,
    RequestedFilm,
    cancel_compilation,
    compile_episode,
    rate_film,
)
from services.gateway.commands.imports import ImportDocument, ImportFilm, cancel_import, import_document, import_film
from services.gateway.commands.projects import (
    ChangeProject,
    ChangeSettings,
    change_project,
    change_settings,
    delete_project,
    ensure_local_project,
)
from services.gateway.commands.runs import StartRun, start_run
from services.gateway.commands.segments import AddSegment, add_segment, change_segment, order_segments
from services.gateway.commands.uploads import RegisterUpload, register_upload
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal
from services.gateway.domain.event_log import StreamEvent
from services.gateway.domain.films import Boundary
from services.gateway.jobs import job_kinds, prune, prune_log, recurring_jobs
from shared.contracts.events.gateway import CancelRequested, EpisodeChanged, ImportRequested
from shared.contracts.values import AssetKind, TransitionStyle
from shared.core.clock import SystemClock
from shared.core.ids import new_id
from shared.jobs.recurring import recurring_kinds, schedule
from shared.jobs.worker import Worker
from shared.postgres.listener import Listener
from shared.postgres.pool import transaction
from tests.support import events
from tests.support.gateway_harness import GatewayHarness


async def refused(slug: str, doing: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await doing
    assert caught.value.slug == slug
    return caught.value


async def upload(w: GatewayHarness, caller: Caller, kind: Any = "image") -> str:
    upload_id = new_id()
    ref = events.object_ref(bucket="gateway", key=f"uploads/{upload_id}")
    await w.do(register_upload, caller, RegisterUpload(upload_id, "a.jpg", "image/jpeg", kind, ref, 640, 480))
    return upload_id


async def test_an_episode_has_its_assets_and_first_drafts(w: GatewayHarness) -> None:
    caller = await w.project(output={"width": 1280, "height": 720})
    episode = await w.episode(caller, 2, directions={"music": "Calm"}, output={"fps": 30})
    rows = await w.pool.fetch(
        """select a.kind, a.label, a.draft->>'directions' as text from assets a left join segments s using (segment_id)
           where a.episode_id = $1 order by s.number, a.kind""",
        episode,
    )
    assert [tuple(r) for r in rows] == [
        ("narration", "Segment 1 narration", "We leave at dawn."),
        ("starting_image", "Segment 1 starting image", "A harbour 1"),
        ("video", "Segment 1 video", "Pan left 1"),
        ("narration", "Segment 2 narration", "We leave at dawn."),
        ("starting_image", "Segment 2 starting image", "A harbour 2"),
        ("video", "Segment 2 video", "Pan left 2"),
        ("music", "Music", "Calm"),
    ]
    (timeline,) = [e for e in await w.outbox() if isinstance(e, EpisodeChanged)]
    assert (timeline.timeline_version, timeline.output.width, timeline.output.fps) == (1, 1280, 30)
    assert [s.number for s in timeline.segments] == [1, 2]
    assert [s.video_asset_id for s in timeline.segments] == await w.assets(episode, AssetKind.VIDEO)
    assert [timeline.music_asset_id] == await w.assets(episode, AssetKind.MUSIC)


async def test_order_has_a_revision(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 3)
    one, two, three = await w.segments(episode)
    assert await w.do(order_segments, caller, episode, 1, [three, one, two]) == 2
    late = await refused("stale", w.do(order_segments, caller, episode, 1, [one, two, three]))
    assert late.extensions == {"etag": '"2"'}
    await refused("invalid", w.do(order_segments, caller, episode, 2, [one, one, two]))
    await refused("invalid", w.do(order_segments, caller, episode, None, [one, two]))
    added = await w.do(add_segment, caller, episode, AddSegment("shot", position=2, directions={"video": "Tilt"}))
    assert await w.segments(episode) == [three, added, one, two]
    labels = await w.pool.fetch(
        "select a.label from assets a join segments s using (segment_id) "
        "where a.episode_id = $1 and a.kind = 'video' order by s.number",
        episode,
    )
    assert [r["label"] for r in labels] == [f"Segment {n} video" for n in (1, 2, 3, 4)]
    timelines = [e for e in await w.outbox() if isinstance(e, EpisodeChanged)]
    assert [t.timeline_version for t in timelines] == [1, 2, 3]
    assert [s.segment_id for s in timelines[-1].segments] == [three, added, one, two]
    await refused("invalid", w.do(add_segment, caller, episode, AddSegment("shot", position=9)))


async def test_edits_count_and_runs_do_not(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    (segment,) = await w.segments(episode)
    (video,) = await w.assets(episode, AssetKind.VIDEO)
    await w.do(
        change_segment,
        caller,
        segment,
        1,
        {
            "scene_info": {"location": "Pier"},
            "user_notes": "Nice",
            "duration": 6,
            "transition_after": {"style": "fade", "duration_s": 1},
        },
    )
    row = await w.row("select * from segments where segment_id = $1", segment)
    assert (row["scene_info"]["location"], row["scene_info"]["description"]) == ("Pier", "A harbour at dawn")
    assert (row["user_notes"], row["duration"], row["revision"]) == ("Nice", 6, 2)
    await refused("stale", w.do(change_segment, caller, segment, 1, {"duration": 7}))
    await refused("invalid", w.do(change_segment, caller, segment, 2, {"duration": -7}))
    await w.do(change_episode, caller, episode, 1, {"title": "Two", "output": {"height": 720}})
    await refused("stale", w.do(change_episode, caller, episode, 1, {"title": "Three"}))
    await refused("invalid", w.do(change_episode, caller, episode, None, {"output": {"fps": 7}}))
    await w.do(save_draft, caller, video, 1, "Tilt up", {"model": "animatic/camera"})
    await refused("stale", w.do(save_draft, caller, video, 1, "Tilt down", {}))
    await w.do(drop_draft, caller, video, None)
    assert (await w.asset(video))["draft"] is None
    changed = [t["resource"] for t in await w.log(caller.project_id, "changed")]
    assert changed == ["project", "episode", "segment", "episode", "asset", "asset"]


async def test_an_image_of_its_own(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    asset = await w.do(add_image_asset, caller, episode, AddImageAsset("Poster", (await w.segments(episode))[0]))
    await w.do(start_run, caller, StartRun(asset, directions="A poster"))
    await w.settle()
    assert len(await w.waiting(episode)) == 1
    await refused("invalid", w.do(add_image_asset, caller, episode, AddImageAsset("Poster", new_id())))


async def test_import_with_images(w: GatewayHarness) -> None:
    caller = await w.project()
    mine = await upload(w, caller)
    w.services.fails = lambda r: r.input_url is not None
    started = await w.do(
        import_document,
        caller,
        ImportDocument(
            {
                "title": "Imported",
                "mood": "blue",
                "segments": [
                    {"scene_info": {"description": "A rocket"}, "starting_image": {"upload_id": mine}},
                    {"starting_image": {"url": "https://example.org/a.png"}},
                    {},
                ],
            }
        ),
    )
    row = await w.row("select * from imports where import_id = $1", started.import_id)
    assert row["status"] == "processing"
    await w.settle()
    row = await w.row("select * from imports where import_id = $1", started.import_id)
    assert (row["status"], row["percent"]) == ("completed", 100)
    assert row["warnings"] == [
        "/mood is not a known field and was ignored",
        "Segment 2 starting image: The provider failed.",
    ]
    first, second, _ = await w.assets(started.episode_id, AssetKind.STARTING_IMAGE)
    assert (await w.asset(first))["committed_version_id"]
    assert (await w.asset(second))["committed_version_id"] is None
    (request,) = [r for r in w.services.requests.values() if r.input_object]
    assert (request.source, request.auto_approve, request.input_object.bucket) == ("import", True, "gateway")
    assert not await w.log(caller.project_id, "preview-ready")
    assert len(await w.log(caller.project_id, "import-ready")) == 1


async def test_import_of_foreign_uploads_is_refused(w: GatewayHarness) -> None:
    caller, other = await w.project(), await w.project()
    foreign, sound = await upload(w, other), await upload(w, caller, "audio")
    for upload_id in (foreign, sound, "nonsense"):
        refusal = await refused(
            "invalid",
            w.do(
                import_document,
                caller,
                ImportDocument({"title": "A", "segments": [{"starting_image": {"upload_id": upload_id}}]}),
            ),
        )
        assert refusal.extensions["errors"][0]["pointer"] == "/segments/0/starting_image/upload_id"
    assert await w.pool.fetchval("select count(*) from episodes") == 0


async def test_a_film_is_split_once(w: GatewayHarness) -> None:
    caller = await w.project()
    started = await w.do(import_film, caller, ImportFilm(await upload(w, caller, "video")))
    (request,) = [e for e in await w.outbox() if isinstance(e, ImportRequested)]
    assert request.import_id == started.import_id
    ready = events.import_ready(
        import_id=started.import_id, episode_id=started.episode_id, clips=[_clip(2, 3.0), _clip(1, 4.5)]
    )
    await w.deliver(events.message(ready))
    await w.deliver(events.message(ready))
    await w.settle()
    rows = await w.pool.fetch(
        "select number, duration from segments where episode_id = $1 order by number", started.episode_id
    )
    assert [tuple(r) for r in rows] == [(1, 4.5), (2, 3.0)]
    for asset in [
        *await w.assets(started.episode_id, AssetKind.VIDEO),
        *await w.assets(started.episode_id, AssetKind.STARTING_IMAGE),
    ]:
        row = await w.asset(asset)
        assert row["committed_version_id"]
        assert row["stale_since"] is None
    assert (await w.row("select status from imports where import_id = $1", started.import_id))["status"] == "completed"
    await refused("invalid-state", w.do(cancel_import, caller, started.import_id))


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("used", [True, False])
async def test_a_film_that_is_not_split_leaves_no_empty_episode(w: GatewayHarness, cancelled: bool, used: bool) -> None:
    caller = await w.project()
    started = await w.do(import_film, caller, ImportFilm(await upload(w, caller, "video")))
    if used:
        await w.do(add_segment, caller, started.episode_id, AddSegment("shot"))
    if cancelled:
        await w.do(cancel_import, caller, started.import_id)
    failed = events.failed(
        run_id=None,
        asset_id=None,
        asset_kind=None,
        import_id=started.import_id,
        episode_id=started.episode_id,
        outcome="cancelled" if cancelled else "failed",
    )
    await w.deliver(events.message(failed))
    row = await w.row("select deleted_at from episodes where episode_id = $1", started.episode_id)
    assert (row["deleted_at"] is None) == used
    buried = [e for e in await w.outbox() if isinstance(e, EpisodeChanged) and e.deleted]
    assert len(buried) == (not used)
    member = await w.do(authorize, "ana", "import", started.import_id, Role.VIEWER)
    assert member.project_id == caller.project_id, "why it failed can still be read"


def _clip(number: int, seconds: float) -> Any:
    return events.ImportClip(
        number=number,
        start_s=0,
        duration_s=seconds,
        video=events.object_ref(),
        first_frame=events.object_ref(content_type="image/png"),
    )


async def test_deleting_ends_everything(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    await w.settle()
    assets = {
        a
        for kind in (AssetKind.VIDEO, AssetKind.STARTING_IMAGE, AssetKind.NARRATION, AssetKind.MUSIC)
        for a in await w.assets(episode, kind)
    }
    await w.do(delete_episode, caller, episode)
    assert (await w.batch(batch_id))["status"] == "cancelled"
    (timeline,) = [e for e in await w.outbox() if isinstance(e, EpisodeChanged)]
    assert timeline.deleted
    assert set(timeline.deleted_asset_ids) == assets
    for resource, thing in (("episode", episode), ("batch", batch_id), *(("asset", a) for a in assets)):
        await refused("not-found", w.do(authorize, "ana", resource, thing, Role.VIEWER))
    await w.do(delete_project, caller)
    await refused("not-found", w.do(authorize, "ana", "project", caller.project_id, Role.VIEWER))


async def test_members_and_money_are_the_owners(w: GatewayHarness) -> None:
    caller = await w.project()
    await refused("invalid", w.do(set_member, caller, "ed", Role.EDITOR))
    await w.do(remember_user, "ed", "Ed")
    await w.do(set_member, caller, "ed", Role.EDITOR)
    ed = await w.caller(caller.project_id, "ed")
    await w.do(change_settings, ed, ChangeSettings(1, {"video": {"resolution": "720p"}, "style": "noir"}))
    await refused("forbidden", w.do(change_settings, ed, ChangeSettings(2, {"spend_cap": None})))
    await refused("forbidden", w.do(change_settings, ed, ChangeSettings(2, {"review": {"deadline_minutes": None}})))
    await refused("invalid", w.do(change_settings, ed, ChangeSettings(2, {"video": {"model": "animatic/score"}})))
    await refused(
        "invalid",
        w.do(
            change_settings,
            ed,
            ChangeSettings(2, {"characters": [{"name": "Ana", "upload_ids": [await upload(w, caller, "audio")]}]}),
        ),
    )
    await refused("stale", w.do(change_project, caller, ChangeProject(9, {"name": "B"})))
    await refused("forbidden", w.do(remove_member, ed, "ana"))
    await refused("invalid-state", w.do(remove_member, caller, "ana"))
    await refused("invalid-state", w.do(set_member, caller, "ana", Role.VIEWER))
    await w.do(set_member, caller, "ed", Role.OWNER)
    await w.do(remove_member, caller, "ana")
    await refused("not-found", w.do(authorize, "ana", "project", caller.project_id, Role.VIEWER))


async def test_references_reach_the_provider(w: GatewayHarness) -> None:
    caller = await w.project()
    mine = await upload(w, caller)
    await w.do(change_settings, caller, ChangeSettings(1, {"characters": [{"name": "Ana", "upload_ids": [mine]}]}))
    episode = await w.episode(caller)
    run = await w.do(start_run, caller, StartRun((await w.assets(episode, AssetKind.STARTING_IMAGE))[0]))
    await w.post()
    (character,) = w.services.requests[run.run_id].project_settings.characters
    assert [r.key for r in character.reference_images] == [f"uploads/{mine}"]


async def test_the_local_project_is_made_once(w: GatewayHarness) -> None:
    project_id = await w.do(ensure_local_project)
    assert await w.do(ensure_local_project) == project_id
    caller = await w.do(authorize, "local", "project", project_id, Role.OWNER)
    await w.episode(caller)


async def test_a_film_is_refused_by_name_and_by_place(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 3)
    parts = await w.do(lambda store: store.films.snapshot(episode))
    assert parts is not None
    first, second, third = (s.segment_id for s in parts.segments)
    refusal = await refused("not-compilable", w.do(compile_episode, caller, CompileEpisode(episode)))
    assert refusal.cause == "Segments 1, 2 and 3 are not approved yet."
    other = new_id()
    command = CompileEpisode(episode, [third, other, third])
    refusal = await refused("not-compilable", w.do(compile_episode, caller, command))
    assert refusal.cause == (
        f"Segment 3 is not approved yet. Segment {other} is not in this episode. Segment 3 is named more than once."
    )
    assert refusal.recovery == "Approve it, or leave it out. Leave it out. Name it once."
    assert refusal.extensions["segments"][0] == {"segment_id": third, "segment_number": 3, "reason": "unapproved"}
    fade = [Boundary(s, TransitionStyle.FADE) for s in (first, first, second)]
    refusal = await refused(
        "invalid", w.do(compile_episode, caller, CompileEpisode(episode, [first, second], transitions=fade))
    )
    assert [(e["pointer"], e["detail"]) for e in refusal.extensions["errors"]] == [
        ("/transitions/1/after_segment_id", "has a transition already"),
        ("/transitions/2/after_segment_id", "is the last segment of this film; no transition can follow it"),
    ]


async def test_a_film_is_cancelled_before_and_rated_after(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller)
    await w.do(start_batch, caller, StartBatch(episode, auto_approve=True))
    await w.settle()
    film = await w.do(compile_episode, caller, CompileEpisode(episode))
    assert isinstance(film, RequestedFilm)
    await refused("invalid-state", w.do(rate_film, caller, film.compilation_id, 5, None))
    await w.do(cancel_compilation, caller, film.compilation_id)
    cancellations = [e for e in await w.outbox() if isinstance(e, CancelRequested)]
    assert [(e.target, e.target_id, e.key) for e in cancellations] == [("compilation", film.compilation_id, episode)]
    story = [
        events.film_updated(
            episode_id=episode,
            compilation_id=film.compilation_id,
            rev=rev,
            state=state,
            progress=progress,
            media=events.VIDEO if state == "completed" else None,
        )
        for rev, state, progress in ((1, "processing", 10), (3, "completed", 100), (2, "processing", 50))
    ]
    await w.deliver(*(events.message(event) for event in story))
    await refused("invalid-state", w.do(cancel_compilation, caller, film.compilation_id))
    await refused("invalid", w.do(rate_film, caller, film.compilation_id, 6, None))
    await w.do(rate_film, caller, film.compilation_id, 4, "Short")
    row = await w.row("select * from compilations")
    assert (row["state"], row["progress"], row["rating"], row["feedback"], row["rated_by"]) == (
        "completed",
        100,
        4,
        "Short",
        "ana",
    )
    assert [t["progress"] for t in await w.log(caller.project_id, "film-updated")] == [0, 10, 100]


async def test_no_reader_of_the_log_misses_a_late_commit(w: GatewayHarness) -> None:
    """Writers overlap and some roll back; a reader that goes on from what it saw sees everything once, in order."""
    caller = await w.project()
    seen: list[int] = [t["seq"] for t in await w.log(caller.project_id)]
    writing = True

    async def write(n: int) -> None:
        for i in range(12):
            try:
                async with transaction(w.pool) as connection:
                    store = w.stores(connection)
                    await store.log(
                        *(
                            StreamEvent(
                                "changed", caller.project_id, None, json.dumps({"writer": n, "i": i, "part": p})
                            )
                            for p in range(2)
                        )
                    )
                    await asyncio.sleep(0.001 * ((n * 7 + i * 3) % 5))
                    if (n + i) % 5 == 0:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    async def read() -> None:
        while True:
            last_round = not writing
            rows = await w.pool.fetch(
                "select seq from event_log where project_id = $1 and seq > $2 order by seq", caller.project_id, seen[-1]
            )
            seen.extend(r["seq"] for r in rows)
            if last_round:
                return
            await asyncio.sleep(0)

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(n) for n in range(6)))
    writing = False
    await reader
    log = await w.log(caller.project_id)
    assert [t["seq"] for t in log] == seen
    assert len(log) == 1 + 2 * sum((n + i) % 5 != 0 for n in range(6) for i in range(12))
    assert await w.pool.fetchval("select event_cursor()") == seen[-1]
    await w.pool.execute("delete from event_log")  # these were no events of the API


async def test_numbers_are_given_in_the_order_of_the_commits(w: GatewayHarness) -> None:
    """Whoever has got a number is seen before anybody gets a higher one."""
    caller = await w.project()
    last = await w.pool.fetchval("select event_cursor()")

    async def write(name: str, ready: asyncio.Event, go: asyncio.Event) -> None:
        async with transaction(w.pool) as connection:
            await w.stores(connection).log(StreamEvent(name, caller.project_id, None, "{}"))
            await connection.execute("set constraints all immediate")  # numbered now, as at the very end
            ready.set()
            await go.wait()

    first_ready, first_go, second_ready, second_go = (asyncio.Event() for _ in range(4))
    first = asyncio.create_task(write("first", first_ready, first_go))
    await first_ready.wait()
    second = asyncio.create_task(write("second", second_ready, second_go))
    await asyncio.wait([asyncio.create_task(second_ready.wait())], timeout=0.3)
    overtaken, cursor = second_ready.is_set(), await w.pool.fetchval("select event_cursor()")
    first_go.set()
    second_go.set()
    await asyncio.gather(first, second)
    assert not overtaken
    assert cursor == last
    assert [(t["seq"], t["name"]) for t in await w.log(caller.project_id, "first", "second")] == [
        (last + 1, "first"),
        (last + 2, "second"),
    ]
    await w.pool.execute("delete from event_log")  # these were no events of the API


async def test_appending_wakes_the_readers_and_encodes_once(w: GatewayHarness) -> None:
    woken = asyncio.Event()
    url = w.pool._connect_args[0]
    async with Listener(url, lambda _, payload: woken.set(), "events"):
        await asyncio.wait_for(woken.wait(), 60)
        woken.clear()
        caller = await w.project()
        await asyncio.wait_for(woken.wait(), 60)
    text = await w.pool.fetchval("select data from event_log where project_id = $1", caller.project_id)
    assert "\n" not in text
    assert f'"project_id":"{caller.project_id}"' in text  # without a blank, as it goes out


async def test_the_past_goes_and_the_cursor_stays(w: GatewayHarness) -> None:
    caller = await w.project()
    cursor = await w.pool.fetchval("select event_cursor()")
    await w.pool.execute("update event_log set at = $1", w.clock.now() - timedelta(hours=25))
    await w.pool.execute(
        "insert into tickets (ticket_sha256, user_id, path, expires_at) values ('x', 'ana', '/', $1)",
        w.clock.now() - timedelta(seconds=1),
    )
    async with transaction(w.pool) as connection:
        await prune_log(connection, w.clock)
        await prune(connection, w.clock)
    assert not await w.log(caller.project_id)
    assert await w.pool.fetchval("select event_cursor()") == cursor
    assert await w.pool.fetchval("select pruned_to from event_stream") == cursor
    assert await w.pool.fetchval("select count(*) from tickets") == 0


async def test_a_woken_batch_goes_on_by_itself(w: GatewayHarness) -> None:
    """The real worker advances a batch after an event, and once a minute one whose wake-up was lost."""
    caller = await w.project()
    episode = await w.episode(caller)
    batch_id = await w.do(start_batch, caller, StartBatch(episode))
    clock = SystemClock()
    recurring = recurring_jobs(w.pool, w.stores, clock)
    kinds = {**job_kinds(w.pool, w.stores), **recurring_kinds(recurring, w.pool, clock)}
    async with Worker(w.pool, w.pool._connect_args[0], kinds, clock=clock, new_id=new_id):
        await w.post()
        for message in [*w.mail]:
            await w.deliver(message)
        await _until(w, "select 1 from runs where batch_id = $1 and kind = 'video'", batch_id)
        await w.pool.execute("delete from jobs")
        await w.post()
        async with transaction(w.pool) as connection:
            await schedule(connection, recurring)
            await schedule(connection, recurring)
        assert await w.pool.fetchval("select count(*) from jobs where kind in ('watch-batches', 'prune')") == 2
        await w.pool.execute("update batches set status = 'running', completed = 7 where batch_id = $1", batch_id)
        await _until(w, "select 1 from batches where batch_id = $1 and completed <> 7", batch_id)


async def _until(w: GatewayHarness, statement: str, *args: Any) -> None:
    async with asyncio.timeout(60):
        while not await w.pool.fetchval(statement, *args):
            await asyncio.sleep(0.02)


async def test_numbers_are_unique_and_the_schema_holds(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    with pytest.raises(asyncpg.UniqueViolationError):
        await w.pool.execute("update segments set number = 1 where episode_id = $1", episode)
    await refused("invalid", w.do(create_episode, caller, CreateEpisode({"title": ""})))
