"""A film plays before it is signed; the signed one follows as a new object."""

from __future__ import annotations

from pathlib import Path

import av

from client.cli.provenance import read
from shared.contracts.events.compiler import FilmState, FilmUpdated
from shared.media.c2pa import Claim, sign
from shared.media.conform import VideoFormat, conformed_video, tag_bt709
from shared.media.graphs import generated
from shared.media.signing_identity import identity_from
from tests.support.compiler_harness import CompilerHarness, Start, item, requested, sources, start
from tests.support.films import render, watch
from tests.support.waiting import eventually

__all__ = ["sources", "start"]


async def test_the_signed_film_follows(start: Start, sources: Path, tmp_path: Path) -> None:
    async with start(render_ahead=False) as stage:
        video = await stage.commit(sources / "a.mp4")
        media = video.model_copy(update={"model": "bytedance/seedance-1-lite", "approved_by": "ana"})
        voice = await stage.commit(sources / "voice.wav")  # its label says MP4
        assert voice.object.content_type == "video/mp4"
        played = await stage.film(requested(item(1, media, narration=voice)))
        assert (played.state, played.provenance) == (FilmState.COMPLETED, "pending"), played.problem
        signed = await _signed(stage, played)
        assert signed.rev > played.rev and signed.state is FilmState.COMPLETED
        assert signed.object != played.object and stage.path(played.object).exists()
        assert signed.unsigned == played.object, "players that began with it go on with it"
        data = stage.path(signed.object).read_bytes()
        (tmp_path / "for Apple.mp4").write_bytes(data.replace(b"chpl", b"free"))
        (tmp_path / "for others.mp4").write_bytes(data.replace(b"chap", b"free"))
        for of in (stage.path(signed.object), tmp_path / "for Apple.mp4", tmp_path / "for others.mp4"):
            with av.open(str(of)) as film:
                assert [chapter["metadata"]["title"] for chapter in film.chapters()] == ["Segment 1"], of
        found = read(stage.path(signed.object))
        assert (found["state"], found["source_type"]) == ("valid", "compositeWithTrainedAlgorithmicMedia")
        part, spoken = found["ingredients"]
        assert spoken["sha256"] == voice.object.sha256
        assert (part["model"], part["approved_by"]) == ("bytedance/seedance-1-lite", "ana")
        assert part["sha256"] == video.object.sha256
        await stage.idle()


async def test_a_signed_version_is_copied_to_the_frame_and_its_manifest_goes_along(
    start: Start, tmp_path: Path
) -> None:
    """As with the animatic's videos: other boxes in the file do not change the film."""
    plain, signed = tmp_path / "plain.mp4", tmp_path / "signed.mp4"
    pattern = tag_bt709(generated("testsrc2", size="320x180", rate=24).filter("format", pix_fmts="yuv420p"))
    render(pattern.output(str(plain), **conformed_video(VideoFormat(320, 180, 24), 48, preset="superfast")))
    claim = Claim("Segment 1", "video/mp4", "trainedAlgorithmicMedia", "bytedance/seedance-1-lite")
    sign(plain, signed, claim, identity_from(None, None, tmp_path / "signing"))
    async with start(render_ahead=False) as stage:
        made = [await stage.film(requested(item(1, await stage.commit(path)))) for path in (plain, signed)]
        assert all(film.state is FilmState.COMPLETED for film in made), made
        ways = await stage.database.fetch("select facts ->> 'copied' as copied from pieces where kind = 'clip'")
        assert [way["copied"] for way in ways] == ["true", "true"]
        one, other = (watch(stage.path(film.object), 24) for film in made)
        assert one.pts == other.pts == list(range(48))
        assert (one.pictures == other.pictures).all()
        manifests = read(stage.path((await _signed(stage, made[1])).object))["manifest"]["manifests"].values()
        assert "trainedAlgorithmicMedia" in str([m for m in manifests if m["title"] == "Segment 1"])
        await stage.idle()


async def _signed(stage: CompilerHarness, film: FilmUpdated) -> FilmUpdated:
    """The event that follows once a film is signed, after its job has ended."""
    wanted = ("signed", film.compilation_id)
    return await eventually(
        lambda: next((t for t in stage.updates if (t.provenance, t.compilation_id) == wanted), None), what="signing"
    )
