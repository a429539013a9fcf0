"""Authentication, rate limits and body sizes: checked before a request reaches its route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.api.app_state import AppState
from services.gateway.api.auth.tokens import GUEST_PREFIX
from services.gateway.api.middleware.errors import header
from services.gateway.api.middleware.rate_limit import Standing, network_of
from services.gateway.api.middleware.request_heads import COOKIES, SESSION
from services.gateway.api.problems import ProblemError, invalid, of, rate_limited, render
from services.gateway.domain.identity import Identity, InvalidToken
from services.gateway.domain.json_bounds import json_problem
from services.gateway.domain.problems import Slug
from services.gateway.domain.shares import is_guest
from shared.contracts.messages import message, problem_text

API: Final = "/api/v1"
IDENTITY: Final = "retake.identity"
"""Key of the ASGI scope: the Identity of who is signed in, or None on a public path."""

MAX_JSON: Final = 1024 * 1024
_LENGTH_DIGITS: Final = len(str(MAX_JSON))
BODY_S: Final = 20.0  # for a body of that size: ten times what a slow mobile line needs
UPLOAD_STALL_S: Final = 60.0  # without a byte of a file: a phone that changes its network is back by then

_MEDIA: Final = f"{API}/media/"
_PARTS: Final = f"{API}/partial-uploads/"
_PUBLIC: Final = (
    *(f"{API}/auth/{name}" for name in ("token", "config", "login", "callback", "share")),
    f"{API}/openapi.json",
    _MEDIA,
)
_OF_GUESTS: Final = (
    *(f"{API}/{name}" for name in ("me", "models")),
    *(
        f"{API}/{name}/"
        for name in ("episodes", "segments", "assets", "runs", "versions", "notes", "batches", "compilation-jobs")
    ),
    *_PUBLIC,
)
"""What the guests of a share link may ask for: behind each path the rights of their episode are checked."""
_LIMITED: Final = ("/docs", "/openapi.json", "/problems/", "/metrics")
"""Paths outside the API that cost something. Probes of health must not fail because somebody else asks often: they
share their work instead."""
_SIGN_OUT: Final = f"{API}/auth/session"


class AuthMiddleware:
    """Lies inside CORS, so that a page of another origin can read the refusals too."""

    def __init__(self, app: ASGIApp, state: Callable[[], AppState]) -> None:
        self._app = app
        self._state = state
        self._seen: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API + "/"):
            if scope["type"] == "http" and scope["path"].startswith(_LIMITED) and (full := self._exceeded(scope)):
                await render(full, scope["path"])(scope, receive, send)
                return
            await self._app(scope, receive, send)
            return
        headers = [(b"cache-control", b"no-store")]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", ())}
                message["headers"] = [*message.get("headers", ()), *(h for h in headers if h[0] not in present)]
            await send(message)

        if _is_long(scope["path"]):
            await self._answer(scope, receive, with_headers, headers)
            return
        try:
            with self._state().concurrency.work():
                await self._answer(scope, receive, with_headers, headers)
        except ProblemError as e:  # there was no slot: whatever else is raised was answered inside
            await render(e, scope["path"])(scope, receive, with_headers)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        try:
            identity, refusal = await self._who(scope)
            if not scope["path"].startswith(_MEDIA):  # a page full of posters and seeks is not misuse
                standing = self._standing(scope, identity)
                headers += standing.headers()
                if standing.exceeded:
                    raise rate_limited(standing.policy, standing.reset_s, message("problem.too_many_requests"))
            if refusal is not None and not scope["path"].startswith(_PUBLIC) and not self._may_sign_out(scope):
                raise refusal
            if identity is not None and is_guest(identity.user_id):
                if not scope["path"].startswith(_OF_GUESTS):  # as if it were not there
                    raise ProblemError(Slug.NOT_FOUND)
            elif identity is not None:
                await self._welcome(identity)
            scope[IDENTITY] = identity
            receive = self._bounded(scope, receive)
        except Exception as e:
            await render(of(e), scope["path"])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _who(self, scope: Scope) -> tuple[Identity | None, ProblemError | None]:
        """Who is signed in, or why nobody is."""
        state = self._state()
        reading = scope["method"] in ("GET", "HEAD")
        try:
            if authorization := header(scope, b"authorization"):
                kind, _, token = authorization.partition(" ")
                if kind.lower() != "bearer" or not token.strip():
                    raise InvalidToken(message("problem.not_a_bearer_token"))
                return await self._bearer(token.strip()), None
            if ticket := _ticket(scope):
                user_id = await state.tickets.redeem(ticket, scope["path"])
                if user_id is None:
                    raise InvalidToken(message("problem.ticket_invalid"))
                return Identity(user_id, user_id, (), 0), None
            # Never for a write: no page elsewhere can make the browser do one.
            session = scope.get(SESSION)
            if session and (reading or scope["path"] == _SIGN_OUT):
                opened = state.tokens.verify_session(session)
                if await state.ended_sessions.has_ended(opened.session_id):
                    raise InvalidToken(message("problem.session_ended"))
                return opened.identity, None
            if session:
                return None, _unauthenticated(message("problem.session_only_reads"))
            return None, _unauthenticated(message("problem.not_signed_in"))
        except InvalidToken as e:
            return None, _unauthenticated(str(e))

    async def _bearer(self, token: str) -> Identity:
        """Raises InvalidToken."""
        state = self._state()
        if token.startswith(GUEST_PREFIX):
            return state.tokens.verify_guest(token)
        identity = await state.verifier.verify(token)
        if is_guest(identity.user_id):
            raise InvalidToken(message("problem.token_subject_reserved"))
        return identity

    def _may_sign_out(self, scope: Scope) -> bool:
        """With the cookie of a sign-in alone, since its token may be over and the issuer away; the route checks it."""
        sign_in = self._state().sign_in
        return (
            sign_in is not None
            and (scope["method"], scope["path"]) == ("DELETE", _SIGN_OUT)
            and sign_in.cookie_name in scope[COOKIES]
        )

    def _exceeded(self, scope: Scope) -> ProblemError | None:
        """Counts a request outside the API, which nobody signs in for."""
        standing = self._standing(scope, None)
        if not standing.exceeded:
            return None
        return rate_limited(standing.policy, standing.reset_s, message("problem.too_many_requests"))

    def _standing(self, scope: Scope, identity: Identity | None) -> Standing:
        if identity is not None:
            return self._state().limit.take("user", identity.user_id)
        client = scope.get("client")
        return self._state().limit.take("address", network_of(client[0]) if client else "unknown")

    async def _welcome(self, identity: Identity) -> None:
        """The first request of a user, or under a new name, makes them known. A ticket's bearer was known before."""
        known = (identity.user_id, identity.name)
        if identity.expires_at and known not in self._seen:
            await self._state().see_user(*known)
            if len(self._seen) > 100_000:
                self._seen.clear()
            self._seen.add(known)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Stops a body that is too large for JSON; uploads have limits of their own."""
        if scope["method"] in ("GET", "HEAD"):
            return receive
        if _is_file(scope["path"]):
            return _while_it_comes(receive)
        length = (header(scope, b"content-length") or "").lstrip("0")
        if len(length) > _LENGTH_DIGITS or (length.isascii() and length.isdigit() and int(length) > MAX_JSON):
            raise _too_large()
        body, complete = bytearray(), False

        patience = asyncio.get_running_loop().time() + BODY_S

        async def counted() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(patience):
                    message = await receive()
            except TimeoutError:
                raise _too_slow() from None
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            body.extend(message.get("body", b""))
            if len(body) > MAX_JSON:
                raise _too_large()
            if complete and (problem := json_problem(bytes(body))):
                raise invalid(("", problem))
            return message

        return counted


def _while_it_comes(receive: Receive) -> Receive:
    """A file may take as long as it likes, as long as something arrives."""
    complete = False

    async def next_part() -> Message:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout(UPLOAD_STALL_S):
                message = await receive()
        except TimeoutError:
            raise _stalled() from None
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return next_part


def _is_file(path: str) -> bool:
    """Whether a file, or a part of one, is sent there."""
    return path.endswith("/uploads") or path.startswith(_PARTS)


def _is_long(path: str) -> bool:
    """Streams, media and uploads take as long as their clients do; each has bounds of its own."""
    return path.endswith("/events") or _is_file(path) or path.startswith(_MEDIA)


def _too_large() -> ProblemError:
    return ProblemError(Slug.TOO_LARGE, message("problem.body_too_large", limit=MAX_JSON), limit=MAX_JSON)


def _too_slow() -> ProblemError:
    cause = message("problem.body_too_slow", seconds=f"{BODY_S:.0f}")
    return ProblemError(Slug.MALFORMED, cause, headers={"Connection": "close"})


def _stalled() -> ProblemError:
    text = problem_text("body_stalled", seconds=f"{UPLOAD_STALL_S:.0f}")
    return ProblemError(Slug.MALFORMED, text.cause, recovery=text.recovery, headers={"Connection": "close"})


def _unauthenticated(detail: str) -> ProblemError:
    return ProblemError(Slug.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": "Bearer"})


def _ticket(scope: Scope) -> str | None:
    """Only streams are opened by ticket."""
    if scope["method"] != "GET" or not scope["path"].endswith("/events") or b"ticket=" not in scope["query_string"]:
        return None
    found = parse_qs(scope["query_string"].decode("latin-1")).get("ticket")
    return found[0] if found else None
