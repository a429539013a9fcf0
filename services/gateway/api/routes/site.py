"""The model catalogue, the problem types, the API's own documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path as FilePath
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import HTMLResponse, Response

from services.gateway.api.app_state import AppState
from services.gateway.api.context import SignedIn
from services.gateway.api.documents import answers, errors, problem_example
from services.gateway.api.headers import Paging, json_only
from services.gateway.api.problems import ProblemError
from services.gateway.api.ranges import matches
from services.gateway.api.responses import json_response
from services.gateway.api.schemas.models import Model, ModelList
from services.gateway.api.schemas.problems import Problem, ProblemType
from services.gateway.domain.problems import KINDS, Slug
from services.gateway.queries.base import check_filter
from shared.contracts.catalogue import Model as CatalogueRow
from shared.contracts.values import AssetKind

_READER: Final = FilePath(__file__).parents[1] / "reader"
_READER_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
}

models_router = APIRouter(tags=["projects"], dependencies=[Depends(json_only)])
router = APIRouter(tags=["operations"])


@models_router.get("/models", **answers(ModelList, filters="kind provider"), summary="List the models")
async def models(page: Paging, context: SignedIn) -> Response:
    """`settings_schema` is JSON Schema, made for forms."""
    kinds, providers = page.filters.get("kind"), page.filters.get("provider")
    check_filter("kind", kinds or (), tuple(AssetKind))
    check_filter("provider", providers or (), sorted({m.provider for m in context.state.catalogue}))
    found = [
        m
        for m in context.state.catalogue
        if (not kinds or set(kinds) & {k.value for k in m.kinds}) and (not providers or m.provider in providers)
    ]
    return json_response(ModelList(data=[_shown(m, context.state) for m in found], next_cursor=None))


def _shown(model: CatalogueRow, state: AppState) -> Model:
    """A model's own limits, else those of its provider's account."""
    provider = state.catalogue.provider(model.provider)
    usable = state.settings.has_account(provider)
    shared = model.model_dump(mode="json", include=set(Model.model_fields) - {"limits"})
    account, own = provider.limits.model_dump(), model.limits.model_dump(exclude_none=True)
    return Model(
        **shared,
        limits=account | own,
        usable=usable,
        unusable_reason=None if usable else provider.account or f"{provider.token} is not set.",
    )


def _explain(slug: Slug) -> ProblemType:
    kind = KINDS[slug]
    return ProblemType(
        type=f"/problems/{slug}",
        status=kind.status,
        title=kind.title,
        recovery=kind.recovery,
        extensions=sorted(kind.extensions),
        sample=Problem(**problem_example(slug)),
    )


@router.get(
    "/problems/{slug}",
    summary="Explain a problem type",
    responses={
        200: {"model": ProblemType, "content": {"text/html": {"schema": {"type": "string"}}}},
        404: errors(Slug.NOT_FOUND)[404],
    },
    response_class=Response,
    openapi_extra={"security": []},
)
async def problem(
    request: Request, slug: Annotated[str, Path(description="The end of a `type`.", examples=["busy"])]
) -> Response:
    """As a page for people, as JSON for programs."""
    if slug not in list(Slug):
        raise ProblemError(Slug.NOT_FOUND)
    kind = KINDS[Slug(slug)]
    if "text/html" in request.headers.get("accept", ""):
        extensions = ", ".join(kind.extensions) or "none"
        return HTMLResponse(
            f"<!doctype html><meta charset=utf-8><title>{escape(kind.title)}</title>"
            f"<h1>{kind.status} {escape(slug)}</h1><p>{escape(kind.title)}.</p>"
            f"<p>What to do: {escape(kind.recovery)}</p><p>Members of its own: {escape(extensions)}</p>"
        )
    return json_response(_explain(Slug(slug)))


@cache
def _reader_file(name: str) -> bytes:
    return (_READER / name).read_bytes()


@cache
def _etag(body: bytes) -> str:
    return f'"{sha256(body).hexdigest()[:32]}"'


def document(request: Request, body: bytes, media_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """A document that changes only with the program: clients keep it, and ask whether it is still the same."""
    etag = _etag(body)
    given = {"ETag": etag, "Cache-Control": "public, no-cache", **(headers or {})}
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=given)
    return Response(body, headers=given, media_type=media_type)


@router.get("/docs", summary="A reader of this document", response_class=HTMLResponse, openapi_extra={"security": []})
async def docs(request: Request) -> Response:
    """A page that shows /openapi.json. It loads nothing from other servers, so that it works offline."""
    return document(request, _reader_file("index.html"), "text/html; charset=utf-8", _READER_HEADERS)


@router.get("/docs/{name}", include_in_schema=False)
async def docs_file(request: Request, name: Literal["reader.css", "reader.js"]) -> Response:
    media_type = "text/css; charset=utf-8" if name.endswith(".css") else "text/javascript; charset=utf-8"
    return document(request, _reader_file(name), media_type, _READER_HEADERS)


@router.get(
    "/openapi.json",
    summary="OpenAPI 3.1",
    response_class=Response,
    openapi_extra={"security": []},
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}}}},
)
@router.get("/api/v1/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """This document."""
    return document(request, await asyncio.to_thread(request.app.openapi_bytes), "application/json")
