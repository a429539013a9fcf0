"""Films whose requests leave the texts out: they come from the versions' `complete` events, whichever arrives first."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import opentimelineio as otio

from services.compiler.store.retention import delete_unneeded_rows
from shared.contracts.events.compiler import FilmState
from shared.contracts.events.gateway import PinnedMedia
from shared.contracts.events.generator import Complete
from shared.contracts.topics import MAX_RECORD_BYTES
from shared.contracts.values import Actor, AssetKind, CaptionMode, Setting, SettingSource
from shared.core.ids import new_id
from tests.support import events
from tests.support.compiler_harness import CompilerHarness, Start, item, requested, sources, start
from tests.support.waiting import eventually

__all__ = ["sources", "start"]

LONGEST = 4000  # characters of a text: services/gateway/domain/assets.py
SEGMENTS = int(os.environ.get("RETAKE_SEGMENTS", "45"))


def committed(
    kind: AssetKind, pinned: PinnedMedia, directions: str, commit_seq: int = 1, **version: object
) -> Complete:
    return events.complete(
        run_id=new_id(),
        asset_id=pinned.asset_id,
        asset_kind=kind,
        commit_seq=commit_seq,
        version=events.version(
            version_id=pinned.version_id, object=pinned.object, media=pinned.media, directions=directions, **version
        ),
        actor=Actor(kind="user", user_id="ana"),
    )


async def known(stage: CompilerHarness, *versions: PinnedMedia) -> None:
    ids = [v.version_id for v in versions]

    async def all_known() -> bool:
        query = "select count(*) from versions where version_id = any($1::uuid[])"
        return bool(await stage.database.fetchval(query, ids) == len(set(ids)))

    await eventually(all_known, what="the versions' events applied")


async def test_texts_of_a_film_come_from_complete_even_after_its_request(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        video, voice = await stage.commit(sources / "a.mp4"), await stage.commit(sources / "voice.wav")
        await stage.send(committed(AssetKind.VIDEO, video, "Pan left.", model="m/video"))
        await known(stage, video)
        request = requested(item(1, video, narration=voice), texts_in_complete=True)
        await stage.send(request)
        await stage.until(request.compilation_id, FilmState.PENDING)
        await asyncio.sleep(0.7)
        assert all(update.state is FilmState.PENDING for update in stage.updates), "it waits for the narration's text"

        spoken = {"language": Setting(value="de-AT", source=SettingSource.OVERRIDE)}
        await stage.send(committed(AssetKind.NARRATION, voice, "One & two.", settings=spoken))
        film = await stage.until(request.compilation_id, FilmState.COMPLETED, FilmState.FAILED)

        assert film.state is FilmState.COMPLETED, film.problem
        vtt = stage.path(film.files["captions.vtt"]).read_text("utf-8")
        assert "NOTE Language: de-AT" in vtt
        assert "One &amp; two." in vtt
        timeline = otio.adapters.read_from_string(
            stage.path(film.files["timeline.otio"]).read_text("utf-8"), "otio_json"
        )
        clip = timeline.video_tracks()[0].find_clips()[0]
        assert (clip.metadata["retake"]["model"], clip.metadata["retake"]["approved_by"]) == ("m/video", "ana")
        assert "Pan left." in str(timeline.to_json_string())
        assert not [w for w in film.warnings if "did not arrive" in w]


async def test_a_version_that_a_film_pinned_is_kept_when_another_is_committed(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        video, voice = await stage.commit(sources / "a.mp4"), await stage.commit(sources / "voice.wav")
        newer = voice.model_copy(update={"version_id": new_id()})
        await stage.send(committed(AssetKind.VIDEO, video, "Pan."))
        await stage.send(committed(AssetKind.NARRATION, newer, "The new one.", commit_seq=2))
        await stage.send(committed(AssetKind.NARRATION, voice, "The old one.", commit_seq=1))
        await known(stage, video, voice, newer)

        film = await stage.film(requested(item(1, video, narration=voice), texts_in_complete=True))
        assert "The old one." in stage.path(film.files["captions.vtt"]).read_text("utf-8")

        old = "update versions set superseded_at = superseded_at - interval '49 hours' where superseded_at is not null"
        await stage.database.execute(old)
        await delete_unneeded_rows(stage.database, None)  # type: ignore[arg-type]
        left = {str(r["version_id"]) for r in await stage.database.fetch("select version_id from versions")}
        assert left == {video.version_id, newer.version_id}


async def test_a_film_whose_texts_pass_the_limit_of_a_record_compiles(start: Start, sources: Path) -> None:
    """The same files in every segment, so that only the texts and the plan are many. `RETAKE_SEGMENTS=500`: the longest
    film that an episode can have, which takes a minute."""
    async with start(render_ahead=False) as stage:
        video, voice = await stage.commit(sources / "a.mp4"), await stage.commit(sources / "voice.wav")
        text = ("\u591c\u5e55\u964d\u4e34\u6e2f\u53e3\u3002" * LONGEST)[:LONGEST]
        pairs = [
            tuple(p.model_copy(update={"asset_id": new_id(), "version_id": new_id()}) for p in (video, voice))
            for _ in range(SEGMENTS)
        ]
        for seen, heard in pairs:
            await stage.send(committed(AssetKind.VIDEO, seen, text))
            await stage.send(committed(AssetKind.NARRATION, heard, text))
        await known(stage, *(p for pair in pairs for p in pair))
        items = [item(n, seen, narration=heard) for n, (seen, heard) in enumerate(pairs, 1)]
        request = requested(*items, texts_in_complete=True, captions=CaptionMode.SOFT)
        assert len(request.model_dump_json().encode()) < MAX_RECORD_BYTES
        assert SEGMENTS * 2 * len(text.encode()) > MAX_RECORD_BYTES
        await stage.send(request)
        film = await stage.until(request.compilation_id, FilmState.COMPLETED, FilmState.FAILED, within=600)
        assert film.state is FilmState.COMPLETED, film.problem
        assert stage.path(film.files["captions.srt"]).read_text("utf-8").count("\u591c\u5e55") > SEGMENTS
        assert stage.path(film.files["timeline.otio"]).read_text("utf-8").count(text) >= SEGMENTS
