"""Finding the object of a command: users give a number, a title or nothing instead of an id."""

from __future__ import annotations

import uuid

from client.api import AsyncRetake
from client.cli.exit_codes import UsageError
from client.errors import NotFound
from client.models import Asset, AssetKind, Episode, Project, Segment
from client.resources.base import Filters


def is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def find_project(client: AsyncRetake, given: str | None) -> Project:
    """By id or name, else the newest project. Raises UsageError if there is none."""
    if given and is_id(given):
        return await client.projects.get(given)
    projects = await client.projects.all(None if given else 1)
    if given:
        projects = [p for p in projects if p.name.lower() == given.lower()]
    if not projects:
        raise UsageError(
            f"There is no project named {given!r}." if given else "There are no projects yet.",
            "See `retake project list`." if given else "Create one with `retake project new NAME` or `retake film`.",
        )
    return projects[0]


async def find_episode(client: AsyncRetake, given: str | None, project: str | None = None) -> Episode:
    """By id, title or beginning of the title, else the newest episode. Raises UsageError if there is none."""
    if given and is_id(given):
        return await client.episodes.get(given)
    parent = await find_project(client, project)
    episodes = await client.episodes.all(parent.id, None if given else 1)
    if given:
        title = given.lower()
        episodes = [e for e in episodes if e.title.lower() == title] or [
            e for e in episodes if e.title.lower().startswith(title)
        ]
        if len({e.title.lower() for e in episodes}) > 1:
            titles = ", ".join(repr(e.title) for e in episodes[:5])
            raise UsageError(f"{given!r} matches several episodes: {titles}.", "Give the whole title or the id.")
    if not episodes:
        title = f" titled {given!r}" if given else ""
        raise UsageError(
            f"There is no episode{title} in project {parent.name!r}.",
            "See `retake episode list`." if given else "Create one with `retake film` or `retake episode new`.",
        )
    return await client.episodes.get(episodes[0].id)


async def find_scope(client: AsyncRetake, episode: str | None, project: str | None) -> tuple[str, Filters]:
    """The project's id, and the filter for one episode if that is given."""
    if episode:
        found = await find_episode(client, episode, project)
        return found.project_id or "", {"episode_id": found.id}
    return (await find_project(client, project)).id, {}


async def find_segment(client: AsyncRetake, given: str, episode: str | None, project: str | None) -> Segment:
    """By its number in the episode, or its id. Raises UsageError if there is none."""
    if is_id(given):
        return await client.segments.get(given)
    found = await find_episode(client, episode, project)
    segment = found.segment(int(given)) if given.isdigit() else None
    if segment is None:
        raise UsageError(
            f"{found.title!r} has no segment {given}: {_segment_count(found)}.", "See `retake episode show`."
        )
    return segment


def _segment_count(episode: Episode) -> str:
    count = len(episode.segments)
    return "it has none" if not count else "it has one" if count == 1 else f"it has segments 1 to {count}"


async def find_asset(
    client: AsyncRetake, target: str, kind: AssetKind | None, episode: str | None, project: str | None
) -> tuple[Episode, Asset]:
    """The asset of a segment number, of `music`, or of the id of an asset or segment; with its episode.

    Raises UsageError if there is none.
    """
    if is_id(target):
        return await _by_id(client, target, kind)
    found = await find_episode(client, episode, project)
    if target.lower() == "music":
        asset = found.asset(AssetKind.MUSIC)
    elif target.isdigit():
        segment = found.segment(int(target))
        if segment is None:
            raise UsageError(
                f"{found.title!r} has no segment {target}: {_segment_count(found)}.", "See `retake episode show`."
            )
        asset = found.asset(kind or AssetKind.VIDEO, segment.id)
    else:
        raise UsageError(
            f"{target!r} is neither a segment number, nor `music`, nor an id.", "See `retake episode show`."
        )
    if asset is None:
        raise UsageError(
            f"{found.title!r} has no such {(kind or AssetKind.VIDEO).words}.", "See `retake episode show`."
        )
    return found, asset


async def _by_id(client: AsyncRetake, target: str, kind: AssetKind | None) -> tuple[Episode, Asset]:
    try:
        asset = await client.assets.get(target)
    except NotFound:
        segment = await client.segments.get(target)
        if segment.episode_id is None:
            raise
        episode = await client.episodes.get(segment.episode_id)
        found = episode.asset(kind or AssetKind.VIDEO, segment.id)
        if found is None:
            raise
        return episode, found
    if asset.episode_id is None:
        raise UsageError("This asset does not belong to an episode.", "See `retake asset list`.")
    return await client.episodes.get(asset.episode_id), asset


async def find_or_create_project(client: AsyncRetake, given: str | None) -> Project:
    """The project of a new episode: the given one (created if the name is new), else the newest, else a new one."""
    if given and is_id(given):
        return await client.projects.get(given)
    projects = await client.projects.all(None if given else 1)
    for project in projects:
        if given is None or project.name.lower() == given.lower():
            return project
    return await client.projects.create(given or "My films")
