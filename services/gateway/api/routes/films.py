"""Compilations: ask for a film, follow it, rate it."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.app_state import Json
from services.gateway.api.compile_requests import StillWorking, compile_of, patiently, then_estimate
from services.gateway.api.context import Result, SignedIn, UnitOfWork, json_response
from services.gateway.api.documents import POST, WITH_BODY, answers, listing
from services.gateway.api.headers import Paging, Prefer, json_only, listed, location
from services.gateway.api.path_ids import EpisodeId, FilmId
from services.gateway.api.prefer_wait import get_waiting, then_wait
from services.gateway.api.problems import Slug
from services.gateway.api.schemas.episodes import (
    Compilation,
    CompilationStarted,
    FilmRating,
    NewCompilation,
)
from services.gateway.commands.films import StillCommitting, cancel_compilation, compile_episode, rate_film
from services.gateway.domain.accounts import Role

router = APIRouter(tags=["films"], dependencies=[Depends(json_only)])


@router.get(
    "/episodes/{episode_id}/compilation-jobs",
    **answers(listing(Compilation), filters="status batch_id"),
    summary="An episode's films",
)
async def compilations(episode_id: EpisodeId, page: Paging, context: SignedIn) -> Response:
    """Newest first. Films that can be played have the status completed."""

    async def look(work: UnitOfWork) -> Json:
        await work.require_role("episode", episode_id, Role.VIEWER)
        return listed(await work.views.compilations(episode_id, page))

    return json_response(await context.read(look))


@router.post(
    "/episodes/{episode_id}/compile",
    **answers(CompilationStarted, *WITH_BODY, *POST, Slug.NOT_COMPILABLE, status=202),
    tags=["seed 004"],
    summary="Compile committed versions into a film (editor)",
)
async def compile_(episode_id: EpisodeId, body: NewCompilation, prefer: Prefer, context: SignedIn) -> Response:
    """What is pinned now is what the film shows. A version that is just being committed is waited for, up to 5 s; so is
    the compiler's own estimate, up to half a second, unless `Prefer: respond-async` says not to."""
    command = compile_of(episode_id, body)

    async def where(work: UnitOfWork) -> Json:
        return {"project_id": (await work.require_role("episode", episode_id, Role.EDITOR)).project_id}

    project_id = (await context.read(where))["project_id"]

    async def attempt(last_try: bool) -> Response:
        async def effect(work: UnitOfWork) -> Result:
            caller = await work.require_role("episode", episode_id, Role.EDITOR)
            done = await compile_episode(work.store, caller, command, last_try=last_try)
            if isinstance(done, StillCommitting):
                raise StillWorking
            found = await work.views.compilation(done.compilation_id)
            return Result(
                202,
                {
                    "compilation_job_id": done.compilation_id,
                    "status": "started",
                    "estimated_duration": done.estimated_duration_s,
                    "left_out": found["left_out"],
                },
                location(f"/compilation-jobs/{done.compilation_id}"),
            )

        return await context.command(effect, then=None if prefer.respond_async else then_estimate(context, project_id))

    return await patiently(context, project_id, attempt)


@router.get(
    "/compilation-jobs/{compilation_id}",
    **answers(Compilation, headers=("Preference-Applied",)),
    tags=["seed 004"],
    summary="A film and how far it is",
)
async def compilation(compilation_id: FilmId, prefer: Prefer, context: SignedIn) -> Response:
    """`output_video_url` is there once it is completed. `Prefer: wait=N` holds the answer until it has ended."""
    return await get_waiting(context, "compilation", compilation_id, prefer)


@router.post(
    "/compilation-jobs/{compilation_id}/cancel",
    **answers(Compilation, *POST, Slug.INVALID_STATE, status=202, also={200: "At rest, with `Prefer: wait`."}),
    summary="Cancel (editor)",
)
async def cancel(compilation_id: FilmId, prefer: Prefer, context: SignedIn) -> Response:
    """Stops the render at once. A film that is completed stays."""

    async def effect(work: UnitOfWork) -> Result:
        await cancel_compilation(
            work.store, await work.require_role("compilation", compilation_id, Role.EDITOR), compilation_id
        )
        return Result(
            202, await work.views.compilation(compilation_id), location(f"/compilation-jobs/{compilation_id}")
        )

    return await context.command(effect, then=then_wait(context, "compilation", prefer))


@router.put(
    "/compilation-jobs/{compilation_id}/rating",
    **answers(Compilation, *WITH_BODY, Slug.INVALID_STATE),
    summary="Rate a film (reviewer)",
)
async def rate(compilation_id: FilmId, body: FilmRating, context: SignedIn) -> Response:
    """1 to 5 for the film as a whole; a later rating replaces it. Only a completed film can be rated."""

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("compilation", compilation_id, Role.REVIEWER)
        await rate_film(work.store, caller, compilation_id, body.rating, body.feedback)
        return Result(200, await work.views.compilation(compilation_id))

    return await context.change(effect)
