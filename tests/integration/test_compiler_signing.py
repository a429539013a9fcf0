"""A film plays before it is signed; the signed one follows as a new object."""

from __future__ import annotations

from pathlib import Path

from client.cli.provenance import read
from shared.contracts.compiler import FilmState
from tests.integration.test_compiler_service import Start, item, requested, sources, start
from tests.support.waiting import eventually

__all__ = ["sources", "start"]


async def test_the_signed_film_follows(start: Start, sources: Path) -> None:
    async with start(render_ahead=False) as stage:
        video = await stage.commit(sources / "a.mp4")
        media = video.model_copy(update={"model": "bytedance/seedance-1-lite", "approved_by": "ana"})
        played = await stage.film(requested(item(1, media)))
        assert (played.state, played.provenance) == (FilmState.COMPLETED, "pending"), played.problem
        signed = await eventually(
            lambda: next((t for t in stage.told if t.provenance == "signed"), None), within=30, what="signing"
        )
        assert signed.rev > played.rev and signed.state is FilmState.COMPLETED
        assert signed.object != played.object and stage.path(played.object).exists()
        found = read(stage.path(signed.object))
        assert (found["state"], found["source_type"]) == ("valid", "compositeWithTrainedAlgorithmicMedia")
        (part,) = found["ingredients"]
        assert (part["model"], part["approved_by"]) == ("bytedance/seedance-1-lite", "ana")
        assert part["sha256"] == video.object.sha256
        await stage.idle()
