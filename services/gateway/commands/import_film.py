"""An existing film is to become an episode: the generator splits it at its cuts."""

from __future__ import annotations

from dataclasses import dataclass

from services.gateway.commands.create_episode import write_episode
from services.gateway.commands.import_document import ImportStarted
from services.gateway.commands.ports import Caller, Store
from services.gateway.commands.rows import Import
from services.gateway.domain.documents import EpisodePlan
from services.gateway.domain.errors import invalid
from shared.contracts.events.gateway import ImportRequested


@dataclass(frozen=True)
class ImportFilm:
    """`scene_threshold` 0-1: how different two frames must be to make a cut; None: the generator's default."""

    upload_id: str
    title: str | None = None
    scene_threshold: float | None = None


async def import_film(store: Store, caller: Caller, command: ImportFilm) -> ImportStarted:
    """Raises Refusal invalid."""
    found = await store.uploads.of_project(caller.project_id, [command.upload_id])
    upload = found.get(command.upload_id)
    if upload is None or upload.kind != "video":
        raise invalid(("/upload_id", "names no film that was uploaded to this project: upload it first"))
    plan = EpisodePlan(title=command.title or upload.filename.rsplit(".", 1)[0] or "Film")
    episode, _ = await write_episode(store, caller, plan)
    import_id = store.new_id()
    await store.imports.insert(
        Import(
            import_id=import_id,
            project_id=caller.project_id,
            owner_id=caller.owner_id,
            episode_id=episode.episode_id,
            source="film",
            status="pending",
            run_rev=-1,
            actor=caller.actor,
            upload_id=command.upload_id,
        ),
        store.now(),
    )
    await store.publish(
        caller.project_id,
        caller.owner_id,
        ImportRequested(
            import_id=import_id,
            episode_id=episode.episode_id,
            object=upload.object,
            scene_threshold=command.scene_threshold,
            actor=caller.actor,
        ),
    )
    return ImportStarted(import_id, episode.episode_id)
