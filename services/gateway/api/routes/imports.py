"""Imports: a document with its pictures, or an existing film."""

from __future__ import annotations

from typing import Annotated, Any

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
from services.gateway.api.yaml_documents import read_yaml
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


async def given_document(body: NewImport) -> dict[str, Any] | None:
    """The document of the body, read before a transaction is opened; None: the import is of a film."""
    if sum(given is not None for given in (body.document, body.yaml, body.upload_id)) != 1:
        raise invalid(("/document", "Give exactly one of document, yaml and upload_id"))
    return await read_yaml(body.yaml) if body.yaml is not None else body.document


GivenDocument = Annotated[dict[str, Any] | None, Depends(given_document)]


@router.post(
    "/projects/{project_id}/imports",
    **answers(
        Import, *WITH_BODY, *POST, Slug.STORAGE_FULL, status=202, also={200: "The work at rest, with `Prefer: wait`."}
    ),
    summary="Import an episode (editor)",
)
@idempotent(until_rest("import"))
async def start(project_id: ProjectId, body: NewImport, document: GivenDocument, work: UnitOfWork) -> Result:
    """The episode is there at once. Pictures that come with a document are versions approved at once."""
    caller = await work.require_role("project", project_id, Role.EDITOR)
    import_id = (await _import(work, caller, body, document)).import_id
    return accepted(await work.queries.import_(import_id), f"/imports/{import_id}")


async def _import(work: UnitOfWork, caller: Caller, body: NewImport, document: dict[str, Any] | None) -> ImportStarted:
    if body.upload_id is not None:
        film = ImportFilm(body.upload_id, body.title, body.scene_threshold, body.output)
        return await import_film(work.store, caller, film)
    return await import_document(work.store, caller, ImportDocument(document or {}, body.title, body.output))


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
