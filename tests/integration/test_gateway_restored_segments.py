"""A deleted segment comes back where it was, with its texts, assets and committed versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.commands.accounts import authorize
from services.gateway.commands.episodes import delete_episode
from services.gateway.commands.reviews import SubmitDecision, submit_decision
from services.gateway.commands.runs import StartRun, start_run
from services.gateway.commands.segments import AddSegment, add_segment, delete_segment, order_segments, restore_segment
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.errors import Refusal
from services.gateway.domain.quotas import Quotas
from shared.contracts.events.gateway import EpisodeChanged
from shared.contracts.values import AssetKind
from tests.support.gateway_harness import GatewayHarness


async def segments_of(w: GatewayHarness, episode: str) -> list[tuple[str, int]]:
    rows = await w.pool.fetch(
        "select segment_id, number from segments where episode_id = $1 and number is not null order by number", episode
    )
    return [(r["segment_id"], r["number"]) for r in rows]


async def timelines(w: GatewayHarness) -> list[EpisodeChanged]:
    return [e for e in await w.outbox() if isinstance(e, EpisodeChanged)]


async def refused(slug: str, doing: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await doing
    assert caught.value.slug == slug
    return caught.value


async def committed(w: GatewayHarness, caller: Caller, asset_id: str) -> str:
    run = await w.do(start_run, caller, StartRun(asset_id))
    await w.settle()
    await w.do(submit_decision, caller, SubmitDecision(run.run_id, "approve"))
    await w.settle()
    row = await w.row("select committed_version_id from assets where asset_id = $1", asset_id)
    return str(row["committed_version_id"])


async def test_it_is_back_where_it_was_with_what_was_committed(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 3)
    image = (await w.assets(episode, AssetKind.STARTING_IMAGE))[1]
    version = await committed(w, caller, image)
    before = await segments_of(w, episode)
    second = before[1][0]
    await w.do(delete_segment, caller, second)
    gone = (await timelines(w))[-1]
    assert (len(gone.segments), len(gone.deleted_asset_ids), gone.restored_asset_ids) == (2, 3, [])
    await w.do(restore_segment, caller, second)
    assert await segments_of(w, episode) == before
    back = (await timelines(w))[-1]
    assert back.timeline_version > gone.timeline_version
    assert [s.segment_id for s in back.segments] == [s for s, _ in before]
    assert sorted(back.restored_asset_ids) == sorted(gone.deleted_asset_ids)
    assert back.deleted_asset_ids == []
    row = await w.row("select committed_version_id, deleted_at, label from assets where asset_id = $1", image)
    assert tuple(row.values()) == (version, None, "Segment 2 starting image")
    history = await w.pool.fetch("select change from episode_revisions where episode_id = $1 order by id", episode)
    assert [r["change"] for r in history][-2:] == ["segment_deleted", "segment_restored"]
    assert await committed(w, caller, image) != version, "it can be regenerated"


async def test_where_it_was_may_be_further_back_than_the_film_is_long_now(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 4)
    ids = [s for s, _ in await segments_of(w, episode)]
    await w.do(delete_segment, caller, ids[3])
    for each in ids[:2]:
        await w.do(delete_segment, caller, each)
    await w.do(restore_segment, caller, ids[3])
    assert [s for s, _ in await segments_of(w, episode)] == [ids[2], ids[3]]
    await w.do(order_segments, caller, episode, None, [ids[3], ids[2]])
    await w.do(restore_segment, caller, ids[0])
    assert await segments_of(w, episode) == [(ids[0], 1), (ids[3], 2), (ids[2], 3)]


async def test_what_cannot_be_restored_says_why(w: GatewayHarness) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    first, second = [s for s, _ in await segments_of(w, episode)]
    never = await refused("invalid-state", w.do(restore_segment, caller, first))
    assert never.extensions == {"current": "not deleted", "allowed": ["deleted"]}
    await w.do(delete_segment, caller, first)
    await w.do(restore_segment, caller, first)
    await refused("invalid-state", w.do(restore_segment, caller, first))
    await w.do(delete_segment, caller, first)
    await w.do(delete_segment, caller, second)
    w.clock.move(timedelta(hours=45, minutes=59).total_seconds())
    await w.do(restore_segment, caller, second)
    w.clock.move(120)
    late = await refused("gone", w.do(restore_segment, caller, first))
    assert "too long ago" in late.cause
    await w.do(delete_segment, caller, second)
    await w.do(delete_episode, caller, episode)
    await refused("not-found", w.do(authorize, caller.user_id, "deleted segment", second, Role.EDITOR))
    await refused("not-found", w.do(restore_segment, caller, second))


async def test_a_full_episode_and_a_full_storage_have_no_room_for_it(
    w: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await w.project()
    episode = await w.episode(caller, 2)
    image = (await w.assets(episode, AssetKind.STARTING_IMAGE))[0]
    await committed(w, caller, image)
    first = (await segments_of(w, episode))[0][0]
    await w.do(delete_segment, caller, first)
    await w.do(add_segment, caller, episode, AddSegment("scene"))
    with monkeypatch.context() as patched:
        patched.setattr("services.gateway.commands.segments.MAX_SEGMENTS", 2)
        await refused("invalid", w.do(restore_segment, caller, first))
    with monkeypatch.context() as patched:
        patched.setattr(w, "stores", replace(w.stores, quotas=Quotas(storage=1)))
        await refused("storage-full", w.do(restore_segment, caller, first))
    assert len(await segments_of(w, episode)) == 2, "nothing of it happened"
    await w.do(restore_segment, caller, first)
    assert len(await segments_of(w, episode)) == 3
