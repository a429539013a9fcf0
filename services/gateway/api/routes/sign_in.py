"""Signing in a browser at the configured identity provider: there, and back."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from services.gateway.api.app_state import AppState, app_state
from services.gateway.api.auth.logins import LOGIN_LIFE, LoginFailed, SignInRefusal
from services.gateway.api.auth.sign_in import SignIn
from services.gateway.api.documents import answers
from services.gateway.api.headers import json_only
from services.gateway.api.middleware.auth import API
from services.gateway.api.middleware.request_heads import COOKIES
from services.gateway.api.problems import ProblemError, invalid
from services.gateway.api.responses import json_response
from services.gateway.api.schemas.accounts import SignInConfig
from services.gateway.domain.identity import own_path
from services.gateway.domain.problems import Slug
from shared.core.errors import Retryable

LOGIN: Final = f"{API}/auth/login"
PAGE: Final = "/sign-in"
"""The page's own address, which says why nobody was signed in."""
_HOME: Final = "/"

router = APIRouter(prefix="/auth", tags=["accounts"])


@router.get(
    "/config",
    **answers(SignInConfig),
    summary="Get how a browser signs in",
    openapi_extra={"security": []},
    dependencies=[Depends(json_only)],
)
async def config(request: Request) -> Response:
    """Open to everyone: a page asks before anybody is signed in."""
    state = app_state(request.app)
    if state.settings.local_mode:
        return json_response(SignInConfig(mode="local", login_url=None, name=None))
    if state.sign_in is None:
        return json_response(SignInConfig(mode="token", login_url=None, name=None))
    name = state.settings.oidc_name or urlsplit(state.settings.oidc_issuer or "").hostname
    return json_response(SignInConfig(mode="oidc", login_url=LOGIN, name=name))


@router.get(
    "/login",
    **answers(None, status=302, description="To the identity provider, or to the page that says why not."),
    summary="Begin to sign in a browser",
    openapi_extra={"security": []},
)
async def login(
    request: Request,
    return_to: Annotated[
        str, Query(description="A path of this site, where the browser comes back to.", examples=["/inbox"])
    ] = _HOME,
) -> Response:
    """Navigate there: authorization code flow with PKCE. Where nobody can sign in by browser there is no such path."""
    sign_in, state = _configured(request), app_state(request.app)
    try:
        own_path(return_to)
    except ValueError as e:
        raise invalid(("query:return_to", str(e))) from e
    try:
        begun = await sign_in.logins.begin(return_to)
    except Retryable:
        return _refused(state, SignInRefusal.UNAVAILABLE, return_to)
    response = _redirect(begun.url)
    # Lax: the browser comes back by a link of the issuer's.
    response.set_cookie(
        begun.cookie_name,
        begun.cookie,
        max_age=int(LOGIN_LIFE.total_seconds()),
        path="/",
        secure=sign_in.secure,
        httponly=True,
        samesite="lax",
    )
    for name in sign_in.logins.displaced(request.scope[COOKIES]):
        _forget_login(response, sign_in, name)
    return response


@router.get("/callback", include_in_schema=False)
async def callback(request: Request) -> Response:
    """The identity provider sends the browser here. Always answers with a redirect to the page."""
    sign_in, state = _configured(request), app_state(request.app)
    query = dict(request.query_params)
    try:
        signed_in = await sign_in.finish(query, request.scope[COOKIES])
    except LoginFailed as e:
        response = _refused(state, e.refusal, e.return_to)
    else:
        response = _redirect(f"{sign_in.origin}{signed_in.return_to}")
        # Strict: only this site's own pages send it, and they do so by script, after the redirect.
        response.set_cookie(
            sign_in.cookie_name,
            signed_in.cookie,
            max_age=signed_in.seconds,
            path="/",
            secure=sign_in.secure,
            httponly=True,
            samesite="strict",
        )
    _forget_login(response, sign_in, sign_in.logins.cookie_name(query.get("state", "")))
    return response


def _forget_login(response: Response, sign_in: SignIn, cookie_name: str) -> None:
    response.delete_cookie(cookie_name, path="/", secure=sign_in.secure, httponly=True, samesite="lax")


def _configured(request: Request) -> SignIn:
    """Raises ProblemError not-found."""
    if (sign_in := app_state(request.app).sign_in) is None:
        raise ProblemError(Slug.NOT_FOUND)
    return sign_in


def _refused(state: AppState, refusal: SignInRefusal, return_to: str | None) -> Response:
    query = {"refused": refusal.value} | ({"return_to": return_to} if return_to else {})
    return _redirect(f"{state.settings.public_url}{PAGE}?{urlencode(query)}")


def _redirect(url: str) -> Response:
    """The address that is left may hold a code: no page is told of it."""
    return Response(status_code=302, headers={"Location": url, "Referrer-Policy": "no-referrer"})
