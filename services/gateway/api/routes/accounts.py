"""Tokens for pages, sessions, tickets, the caller."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from services.gateway.api.app_state import app_state
from services.gateway.api.auth.sign_in import SignIn, SignInOver
from services.gateway.api.context import SignedIn, Snapshot
from services.gateway.api.documents import WITH_BODY, answers
from services.gateway.api.headers import json_only
from services.gateway.api.middleware.auth import API, IDENTITY
from services.gateway.api.middleware.errors import LOCAL_HOSTS, host_of, origin_of
from services.gateway.api.middleware.request_heads import COOKIES, SESSION, SESSION_COOKIE
from services.gateway.api.problems import ProblemError, invalid
from services.gateway.api.responses import json_response
from services.gateway.api.schemas.accounts import Me, NewTicket, Quota, SignedOut, Ticket, Token
from services.gateway.api.schemas.base import Money
from services.gateway.commands.accounts import read_quotas
from services.gateway.commands.projects import LOCAL_USER
from services.gateway.domain.identity import InvalidToken
from services.gateway.domain.problems import Slug
from services.gateway.domain.quotas import CURRENCY
from shared.contracts.messages import message

LOCAL_NAME: Final = "Local user"
TOKEN_LIFE: Final = timedelta(hours=24)
_STREAM: Final = re.compile(rf"(?:{API})?(/events|/projects/[0-9a-fA-F-]{{36}}/events)")

router = APIRouter(prefix="/auth", tags=["accounts"], dependencies=[Depends(json_only)])
me_router = APIRouter(tags=["accounts"], dependencies=[Depends(json_only)])


@router.post(
    "/token",
    **answers(Token),
    summary="Issue a bearer token, in local mode or to a browser that is signed in",
    openapi_extra={"security": []},
)
async def token(request: Request) -> Response:
    """In local mode to every caller of this machine. Where browsers sign in at an identity provider, to one that did,
    by its cookie, if a page of this very origin asks. Elsewhere there is no such path."""
    state = app_state(request.app)
    if state.sign_in is not None:
        return await _mediated_token(request, state.sign_in)
    if not (state.settings.local_mode and _is_local(request)):
        raise ProblemError(Slug.NOT_FOUND)
    access = state.tokens.issue(LOCAL_USER, LOCAL_NAME, TOKEN_LIFE)
    seconds = int(TOKEN_LIFE.total_seconds())
    return json_response(Token(access_token=access, token_type="bearer", expires_in=seconds))


async def _mediated_token(request: Request, sign_in: SignIn) -> Response:
    """Raises ProblemError unauthenticated, Retryable."""
    cookie = request.scope[COOKIES].get(sign_in.cookie_name)
    if cookie is None or not _from_own_page(request, sign_in):
        raise _unauthenticated(message("problem.not_signed_in_here"))
    try:
        access, seconds = await sign_in.token(cookie)
    except SignInOver as e:
        raise _unauthenticated(message("problem.sign_in_ended")) from e
    return json_response(Token(access_token=access, token_type="bearer", expires_in=seconds))


def _from_own_page(request: Request, sign_in: SignIn) -> bool:
    """Browsers set both headers by themselves, and no page can change them."""
    asked_by = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    return asked_by == ("same-origin", sign_in.origin)


def _unauthenticated(detail: str) -> ProblemError:
    return ProblemError(
        Slug.UNAUTHENTICATED,
        detail,
        recovery=message("problem.not_signed_in_here.recovery"),
        headers={"WWW-Authenticate": "Bearer"},
    )


def _is_local(request: Request) -> bool:
    """From this machine, to a name of this machine, and not at the wish of a page from elsewhere."""
    try:
        if not ipaddress.ip_address(request.client.host if request.client else "").is_loopback:
            return False
    except ValueError:
        return False
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "none")
    return (
        host_of(request.scope) in LOCAL_HOSTS
        and site in ("none", "same-origin")
        and (origin is None or origin == origin_of(request.scope))
    )


@router.post(
    "/session",
    **answers(None, status=204, description="The cookie is set."),
    summary="Turn the bearer token into a session cookie",
    openapi_extra={"security": [{"bearer": []}]},
)
async def open_session(context: SignedIn) -> Response:
    """For pages: GET and HEAD take the cookie (HttpOnly, Secure, SameSite=Strict), writes never do."""
    value, seconds = context.state.tokens.open_session(context.identity)
    response = Response(status_code=204)
    response.set_cookie(SESSION_COOKIE, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
    return response


_SIGNED_OUT: Final = answers(SignedOut, description="The browser's sign-in is over, here and at the issuer.")
_SIGNED_OUT["responses"][204] = {"description": "The session is over."}


@router.delete("/session", **_SIGNED_OUT, summary="Sign out")
async def close_session(request: Request) -> Response:
    """Ends the session of the cookie that is sent, for every copy of it, and a browser's sign-in. A bearer token stays
    valid until it expires: forget it."""
    state = app_state(request.app)
    if cookie := request.scope.get(SESSION):
        with suppress(InvalidToken):  # it had expired, or was none: there is nothing to end
            session = state.tokens.verify_session(cookie)
            await state.ended_sessions.end(session.session_id, session.identity.expires_at)
    response = await _end_sign_in(request, state.sign_in)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return response


async def _end_sign_in(request: Request, sign_in: SignIn | None) -> Response:
    """Raises ProblemError unauthenticated: there is no sign-in, and nothing else says who is calling."""
    cookie = request.scope[COOKIES].get(sign_in.cookie_name) if sign_in else None
    if sign_in is None or cookie is None or not _from_own_page(request, sign_in):
        was_open, end_session_url = False, None
    else:
        was_open, end_session_url = await sign_in.end(cookie)
    if not was_open and request.scope.get(IDENTITY) is None:
        raise _unauthenticated(message("problem.not_signed_in_here"))
    response = json_response(SignedOut(end_session_url=end_session_url)) if was_open else Response(status_code=204)
    if sign_in is not None:
        response.delete_cookie(sign_in.cookie_name, path="/", secure=sign_in.secure, httponly=True, samesite="strict")
    return response


@router.post("/tickets", **answers(Ticket, *WITH_BODY, status=201), summary="Issue a ticket for one stream")
async def ticket(body: NewTicket, context: SignedIn) -> Response:
    """For an EventSource, which can send no header: append it as `?ticket=`. 30 s, one use, one path."""
    found = _STREAM.fullmatch(body.stream)
    if found is None:
        raise invalid(("/stream", "must be /events or /projects/{id}/events"))
    value, expires_at = await context.state.tickets.issue(context.user_id, API + found.group(1))
    return json_response(Ticket(ticket=value, expires_at=expires_at), 201)


@me_router.get("/me", **answers(Me), summary="Get the authenticated user")
async def me(context: SignedIn, work: Snapshot) -> Response:
    """The caller as their token tells, and what they may use."""
    settings = context.state.settings
    used = await read_quotas(work.store, context.user_id)
    cap = used.quotas.spend
    quotas = Quota(
        requests=settings.rate_quota,
        window_s=settings.rate_window_s,
        streams=settings.streams_per_user,
        generations=used.quotas.generations,
        generations_used=used.generations,
        spend=Money(amount=str(cap), currency=CURRENCY) if cap is not None else None,
        spent=Money(amount=str(used.spent), currency=CURRENCY),
        spent_since=used.month,
    )
    identity = context.identity
    return json_response(
        Me(
            user_id=identity.user_id,
            name=identity.name,
            scopes=list(identity.scopes),
            quotas=quotas,
            waiting_reviews=await work.queries.waiting_reviews(),
        )
    )
