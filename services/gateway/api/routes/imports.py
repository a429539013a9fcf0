"""Imports: a document with its pictures, or an existing film."""

from __future__ import annotations

from typing import Any

import yaml
from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.context import SignedIn, UnitOfWork
from services.gateway.api.documents import POST, WITH_BODY, answers
from services.gateway.api.headers import Prefer, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import ImportId, ProjectId
from services.gateway.api.prefer_wait import get_at_rest, until_rest
from services.gateway.api.problems import invalid
from services.gateway.api.responses import Result, accepted
from services.gateway.api.schemas.imports import Import, NewImport
from services.gateway.commands.imports import (
    ImportDocument,
    ImportFilm,
    ImportStarted,
    cancel_import,
    import_document,
    import_film,
)
from services.gateway.domain.accounts import Caller, Role
from services.gateway.domain.problems import Slug

router = APIRouter(tags=["episodes"], dependencies=[Depends(json_only)])


@router.post(
    "/projects/{project_id}/imports",
    **answers(Import, *WITH_BODY, *POST, status=202, also={200: "The work at rest, with `Prefer: wait`."}),
    summary="Import an episode (editor)",
)
@idempotent(until_rest("import"))
async def start(project_id: ProjectId, body: NewImport, work: UnitOfWork) -> Result:
    """The episode is there at once. Pictures that come with a document are versions approved at once."""
    if sum(given is not None for given in (body.document, body.yaml, body.upload_id)) != 1:
        raise invalid(("/document", "Give exactly one of document, yaml and upload_id"))
    document = _parse(body.yaml) if body.yaml is not None else body.document
    caller = await work.require_role("project", project_id, Role.EDITOR)
    import_id = (await _import(work, caller, body, document)).import_id
    return accepted(await work.queries.import_(import_id), f"/imports/{import_id}")


async def _import(work: UnitOfWork, caller: Caller, body: NewImport, document: dict[str, Any] | None) -> ImportStarted:
    if body.upload_id is not None:
        return await import_film(work.store, caller, ImportFilm(body.upload_id, body.title, body.scene_threshold))
    return await import_document(work.store, caller, ImportDocument(document or {}, body.title))


def _parse(text: str) -> dict[str, Any]:
    """Plain YAML: no tags, no aliases (a few bytes of them can stand for gigabytes)."""
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise invalid(("/yaml", "must not contain aliases"))
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise invalid(("/yaml", f"is not YAML: {_why(e)}")) from None
    if not isinstance(found, dict):
        raise invalid(("/yaml", "must be a mapping"))
    return found


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())[:300]


@router.get("/imports/{import_id}", **answers(Import, headers=("Preference-Applied",)), summary="Get an import")
async def import_(import_id: ImportId, prefer: Prefer, context: SignedIn) -> Response:
    """`Prefer: wait=N` holds the answer until it has ended."""
    return await get_at_rest(context, "import", import_id, prefer)


@router.post(
    "/imports/{import_id}/cancel",
    **answers(Import, *POST, Slug.INVALID_STATE, status=202, also={200: "The work at rest, with `Prefer: wait`."}),
    summary="Cancel an import (editor)",
)
@idempotent(until_rest("import"))
async def cancel(import_id: ImportId, work: UnitOfWork) -> Result:
    """What was made so far stays in its episode."""
    await cancel_import(work.store, await work.require_role("import", import_id, Role.EDITOR), import_id)
    return accepted(await work.queries.import_(import_id), f"/imports/{import_id}")
