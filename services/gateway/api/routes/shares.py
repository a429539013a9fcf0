"""Share links: made by owners, opened by guests."""

from __future__ import annotations

import json
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.gateway.api.app_state import app_state
from services.gateway.api.auth.share_tokens import ShareTokens
from services.gateway.api.context import SignedIn, Snapshot, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import Paging, json_only
from services.gateway.api.idempotency import run_once
from services.gateway.api.middleware.errors import origin_of
from services.gateway.api.middleware.rate_limit import Standing, network_of
from services.gateway.api.path_ids import ProjectId, ShareId
from services.gateway.api.problems import ProblemError, rate_limited
from services.gateway.api.responses import NO_CONTENT, Result, json_response, location
from services.gateway.api.schemas.shares import CreatedShare, GuestToken, NewShare, ShareList, ShareToken
from services.gateway.api.transactions import transactional
from services.gateway.commands.shares import create_share, open_share, revoke_share
from services.gateway.domain.accounts import Role
from services.gateway.domain.errors import Refusal
from services.gateway.domain.problems import Slug
from shared.contracts.messages import message, problem_text

WRONG_COSTS: Final = 20
"""Requests that a wrong token counts as, so that an address can try 30 in a minute. A right one is one of 2**256."""

router = APIRouter(prefix="/projects", tags=["shares"], dependencies=[Depends(json_only)])
guest_router = APIRouter(prefix="/auth", tags=["shares"], dependencies=[Depends(json_only)])


@router.get("/{project_id}/shares", **answers(ShareList, filters="episode_id"), summary="List the share links (owner)")
async def shares(project_id: ProjectId, page: Paging, work: Snapshot) -> Response:
    """Also those that are over or revoked."""
    await work.require_role("project", project_id, Role.OWNER)
    return json_response(await work.queries.shares(project_id, page))


@router.post(
    "/{project_id}/shares",
    **answers(CreatedShare, *WITH_BODY, *POST, status=201),
    summary="Create a share link to an episode (owner)",
)
async def create(project_id: ProjectId, body: NewShare, context: SignedIn) -> Response:
    """Whoever has the link sees this episode, and nothing else, until it expires or is revoked."""
    tokens = ShareTokens(context.state.settings.jwt_secrets[0])

    async def effect(work: UnitOfWork) -> Result:
        caller = await work.require_role("project", project_id, Role.OWNER)
        share_id = context.state.new_id()
        made = await create_share(
            work.store,
            caller,
            share_id,
            tokens.of(share_id),
            episode_id=body.episode_id,
            role=Role(body.role),
            label=body.label.strip(),
            expires_at=body.expires_at,
        )
        path = f"/projects/{project_id}/shares/{share_id}"
        return Result(201, await work.queries.share(project_id, made.share_id), location(path))

    response = await run_once(context, effect)  # what is kept for repetitions has no token
    share = json.loads(bytes(response.body))
    token = tokens.of(share["id"])
    base = context.state.settings.public_url or origin_of(context.request.scope)
    own = ("content-length", "content-type")
    headers = {name: value for name, value in response.headers.items() if name not in own}
    return json_response(CreatedShare(**share, token=token, url=f"{base}/s#{token}"), 201, headers)


@router.delete(
    "/{project_id}/shares/{share_id}",
    **answers(None, status=204, description="It opens nothing any more."),
    summary="Revoke a share link (owner)",
)
@transactional
async def revoke(project_id: ProjectId, share_id: ShareId, work: UnitOfWork) -> Result:
    """At once: its guests' streams end, and their media links open nothing more."""
    await revoke_share(work.store, await work.require_role("project", project_id, Role.OWNER), share_id)
    return NO_CONTENT


@guest_router.post(
    "/share",
    **answers(GuestToken, *WITH_BODY),
    summary="Open a share link",
    openapi_extra={"security": []},
)
async def open_(request: Request, body: ShareToken) -> Response:
    """A bearer token for the episode, for an hour; ask again for the next one. Open to everyone who has the link."""
    state = app_state(request.app)
    address = network_of(request.client.host) if request.client else "unknown"
    _refuse_guessing(state.limit.take("address", address, 0))  # also of callers who are signed in as somebody
    try:
        async with state.connection() as connection:
            share = await open_share(state.stores(connection), body.token)
    except Refusal as e:
        state.limit.take("address", address, WRONG_COSTS - 1)
        text = problem_text("share_not_open")
        raise ProblemError(Slug.NOT_FOUND, text.cause, recovery=text.recovery) from e
    access, seconds = state.tokens.issue_guest(share.guest, share.label, share.expires_at)
    return json_response(
        GuestToken(
            access_token=access,
            token_type="bearer",
            expires_in=seconds,
            project_id=share.project_id,
            episode_id=share.episode_id,
            role="reviewer" if share.role is Role.REVIEWER else "viewer",
            label=share.label,
            expires_at=share.expires_at,
        )
    )


def _refuse_guessing(standing: Standing) -> None:
    """Raises ProblemError rate-limited."""
    if standing.exceeded:
        raise rate_limited(standing.policy, standing.reset_s, message("problem.too_many_requests"))
