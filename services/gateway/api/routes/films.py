"""Films: compile committed versions, follow the compilation, rate the film."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.compile_requests import (
    StillCommittingError,
    compile_command,
    retry_while_committing,
    until_estimate,
)
from services.gateway.api.context import SignedIn, Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import Paging, Prefer, json_only
from services.gateway.api.idempotency import idempotent, run_once
from services.gateway.api.path_ids import EpisodeId, FilmId
from services.gateway.api.prefer_wait import get_at_rest, until_rest
from services.gateway.api.responses import Result, accepted, json_response, location
from services.gateway.api.schemas.estimates import Estimate
from services.gateway.api.schemas.films import (
    Compilation,
    CompilationList,
    CompilationStarted,
    FilmRating,
    NewCompilation,
)
from services.gateway.api.transactions import DryRun, transactional
from services.gateway.commands.films import (
    CompileEpisode,
    StillCommitting,
    cancel_compilation,
    compile_episode,
    rate_film,
)
from services.gateway.domain.accounts import Role
from services.gateway.domain.estimates import Estimate as Expected
from services.gateway.domain.estimates import MissingPiece
from services.gateway.domain.problems import Slug
from shared.contracts.messages import problem_text
from shared.contracts.values import AssetKind

router = APIRouter(tags=["films"], dependencies=[Depends(json_only)])


@router.get(
    "/episodes/{episode_id}/compilation-jobs",
    **answers(CompilationList, filters="status batch_id"),
    summary="An episode's films",
)
async def compilations(episode_id: EpisodeId, page: Paging, work: Snapshot) -> Response:
    """Newest first. Films that can be played have the status completed."""
    await work.require_role("episode", episode_id, Role.VIEWER)
    return json_response(await work.queries.compilations(episode_id, page))


@router.post(
    "/episodes/{episode_id}/compile",
    **answers(
        CompilationStarted, *WITH_BODY, *POST, Slug.NOT_COMPILABLE, Slug.STORAGE_FULL, status=202, dry_run=Estimate
    ),
    tags=["workflow"],
    summary="Compile committed versions into a film (editor)",
)
async def compile_(episode_id: EpisodeId, body: NewCompilation, prefer: Prefer, context: SignedIn) -> Response:
    """What is pinned now is what the film shows. A version that is just being committed is waited for, up to 5 s; so is
    the compiler's own estimate, up to half a second, unless `Prefer: respond-async` says not to."""
    command = compile_command(episode_id, body)
    async with context.snapshot() as work:
        project_id = (await work.require_role("episode", episode_id, Role.EDITOR)).project_id

    async def attempt(last_try: bool) -> Response:
        effect = partial(_compile, command=command, last_try=last_try, dry_run=body.dry_run)
        return await run_once(context, effect, wait=until_estimate(project_id), prefer=prefer)

    return await retry_while_committing(context, project_id, attempt)


async def _compile(work: UnitOfWork, command: CompileEpisode, last_try: bool, dry_run: bool) -> Result:
    caller = await work.require_role("episode", command.episode_id, Role.EDITOR)
    compiled = await compile_episode(work.store, caller, command, last_try=last_try)
    if isinstance(compiled, StillCommitting):
        raise StillCommittingError
    film = await work.queries.compilation(compiled.compilation_id)
    if dry_run:
        order = await work.store.episodes.segment_ids(command.episode_id)
        numbers = [order.index(segment_id) + 1 for segment_id in compiled.left_out]
        missing = [MissingPiece(n, AssetKind.VIDEO, *problem_text("segment_unapproved", label=n)) for n in numbers]
        estimate = Expected(missing=tuple(missing), film_s=compiled.estimated_duration_s)
        raise DryRun(Result(200, await work.queries.estimate(caller.project_id, estimate)))
    started = CompilationStarted(
        compilation_job_id=compiled.compilation_id,
        status="started",
        estimated_duration=compiled.estimated_duration_s,
        left_out=film.left_out,
    )
    return Result(202, started, location(f"/compilation-jobs/{compiled.compilation_id}"))


@router.get(
    "/compilation-jobs/{compilation_id}",
    **answers(Compilation, headers=("Preference-Applied",)),
    tags=["workflow"],
    summary="Get a film and its progress",
)
async def compilation(compilation_id: FilmId, prefer: Prefer, context: SignedIn) -> Response:
    """`output_video_url` is there once it is completed. `Prefer: wait=N` holds the answer until it has ended."""
    return await get_at_rest(context, "compilation", compilation_id, prefer)


@router.post(
    "/compilation-jobs/{compilation_id}/cancel",
    **answers(Compilation, *POST, Slug.INVALID_STATE, status=202, also={200: "The work at rest, with `Prefer: wait`."}),
    summary="Cancel (editor)",
)
@idempotent(until_rest("compilation"))
async def cancel(compilation_id: FilmId, work: UnitOfWork) -> Result:
    """Stops the render at once. A film that is completed stays."""
    caller = await work.require_role("compilation", compilation_id, Role.EDITOR)
    await cancel_compilation(work.store, caller, compilation_id)
    return accepted(await work.queries.compilation(compilation_id), f"/compilation-jobs/{compilation_id}")


@router.put(
    "/compilation-jobs/{compilation_id}/rating",
    **answers(Compilation, *WITH_BODY, Slug.INVALID_STATE),
    summary="Rate a film (reviewer)",
)
@transactional
async def rate(compilation_id: FilmId, body: FilmRating, work: UnitOfWork) -> Result:
    """1 to 5 for the film as a whole; a later rating replaces it. Only a completed film can be rated."""
    caller = await work.require_role("compilation", compilation_id, Role.REVIEWER)
    await rate_film(work.store, caller, compilation_id, body.rating, body.feedback)
    return Result(200, await work.queries.compilation(compilation_id))
