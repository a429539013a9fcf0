"""What a command is about: users say a number, a title or nothing where an id would do."""

from __future__ import annotations

import uuid

from client.api import AsyncRetake
from client.cli.codes import UsageError
from client.errors import NotFound
from client.models import Asset, Episode, Kind, Project, Segment


def is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def find_project(client: AsyncRetake, given: str | None) -> Project:
    """By id or name; the newest one if nothing is said."""
    if given and is_id(given):
        return await client.projects.get(given)
    projects = await client.projects.all(None if given else 1)
    if given:
        projects = [p for p in projects if p.name.lower() == given.lower()]
    if not projects:
        which = f"named {given!r}" if given else "yet"
        raise UsageError(
            f"There is no project {which}.",
            "See `retake project list`." if given else "Make one with `retake project new NAME`, or with a film.",
        )
    return projects[0]


async def find_episode(client: AsyncRetake, given: str | None, project: str | None = None) -> Episode:
    """By id or title; the newest one if nothing is said."""
    if given and is_id(given):
        return await client.episodes.get(given)
    where = await find_project(client, project)
    episodes = await client.episodes.all(where.id, None if given else 1)
    if given:
        wanted = given.lower()
        episodes = [e for e in episodes if e.title.lower() == wanted] or [
            e for e in episodes if e.title.lower().startswith(wanted)
        ]
        if len({e.title.lower() for e in episodes}) > 1:
            titles = ", ".join(repr(e.title) for e in episodes[:5])
            raise UsageError(f"{given!r} fits several episodes: {titles}.", "Give the whole title or the id.")
    if not episodes:
        which = f" titled {given!r}" if given else ""
        raise UsageError(
            f"There is no episode{which} in project {where.name!r}.",
            "See `retake episode list`." if given else "Make one with `retake film` or `retake episode new`.",
        )
    return await client.episodes.get(episodes[0].id)


async def find_segment(client: AsyncRetake, given: str, episode: str | None, project: str | None) -> Segment:
    """By its number in the episode, or its id."""
    if is_id(given):
        return await client.segments.get(given)
    found = await find_episode(client, episode, project)
    segment = found.segment(int(given)) if given.isdigit() else None
    if segment is None:
        raise UsageError(f"{found.title!r} has no segment {given}: {_those(found)}.", "See `retake episode show`.")
    return segment


def _those(episode: Episode) -> str:
    count = len(episode.segments)
    return "it has none" if not count else "it has one" if count == 1 else f"it has 1 to {count}"


async def find_asset(
    client: AsyncRetake, target: str, kind: Kind | None, episode: str | None, project: str | None
) -> tuple[Episode, Asset]:
    """TARGET is a segment's number, `music`, or the id of an asset or a segment."""
    if is_id(target):
        return await _by_id(client, target, kind)
    found = await find_episode(client, episode, project)
    if target.lower() == "music":
        asset = found.asset(Kind.MUSIC)
    elif target.isdigit():
        segment = found.segment(int(target))
        if segment is None:
            raise UsageError(f"{found.title!r} has no segment {target}: {_those(found)}.", "See `retake episode show`.")
        asset = found.asset(kind or Kind.VIDEO, segment.id)
    else:
        raise UsageError(f"{target!r} is no segment number, not `music`, and no id.", "See `retake episode show`.")
    if asset is None:
        raise UsageError(f"{found.title!r} has no {(kind or Kind.VIDEO).words} there.", "See `retake episode show`.")
    return found, asset


async def _by_id(client: AsyncRetake, target: str, kind: Kind | None) -> tuple[Episode, Asset]:
    try:
        asset = await client.assets.get(target)
    except NotFound:
        segment = await client.segments.get(target)
        if segment.episode_id is None:
            raise
        episode = await client.episodes.get(segment.episode_id)
        found = episode.asset(kind or Kind.VIDEO, segment.id)
        if found is None:
            raise
        return episode, found
    if asset.episode_id is None:
        raise UsageError("This asset belongs to no episode.", "See `retake asset list`.")
    return await client.episodes.get(asset.episode_id), asset


async def find_film_project(client: AsyncRetake, given: str | None) -> Project:
    """Where a new episode goes: the project named (made if that name is new), else the newest, else one we make."""
    if given and is_id(given):
        return await client.projects.get(given)
    projects = await client.projects.all(None if given else 1)
    for project in projects:
        if given is None or project.name.lower() == given.lower():
            return project
    return await client.projects.create(given or "My films")
