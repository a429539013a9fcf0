"""Provenance: the Content Credentials of versions and films, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from fastapi import APIRouter, Depends
from starlette.responses import Response

from services.gateway.api.context import RequestContext, SignedIn
from services.gateway.api.documents import answers
from services.gateway.api.headers import json_only
from services.gateway.api.path_ids import FilmId, VersionId
from services.gateway.api.problems import ProblemError
from services.gateway.api.responses import json_response
from services.gateway.api.schemas.provenance import Provenance, ProvenanceIngredient
from services.gateway.domain.accounts import Role
from services.gateway.domain.media import MediaFile
from services.gateway.domain.problems import Slug
from shared.core.errors import Permanent
from shared.media.c2pa_reading import Credentials

router = APIRouter(dependencies=[Depends(json_only)])

Source = Literal[
    "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "composite", "other"
]
_SOURCES: Final[dict[str, Source]] = {name: name for name in get_args(Source)}


@router.get(
    "/versions/{version_id}/provenance",
    **answers(Provenance, Slug.GONE),
    tags=["runs"],
    summary="Where a version comes from, by its Content Credentials",
)
async def of_version(version_id: VersionId, context: SignedIn) -> Response:
    """Read from the file and checked against its bytes. It names the model and the starting image; who approved the
    version was decided after it was signed, and is told by its reviews."""
    async with context.snapshot() as work:
        await work.require_role("version", version_id, Role.VIEWER)
        file = await work.queries.media("versions", version_id, "content")
        approvers = await work.queries.approvers(version_id)
        reason = await work.queries.unsigned_reason(version_id)
    return json_response(await _provenance(context, file, approvers, reason))


@router.get(
    "/compilation-jobs/{compilation_id}/provenance",
    **answers(Provenance, Slug.GONE),
    tags=["films"],
    summary="Where a film comes from, by its Content Credentials",
)
async def of_film(compilation_id: FilmId, context: SignedIn) -> Response:
    """Read from the file and checked against its bytes: the versions in it, their models, and who approved them. A film
    is signed moments after it is completed, and has none until then."""
    async with context.snapshot() as work:
        await work.require_role("compilation", compilation_id, Role.VIEWER)
        file = await work.queries.media("films", compilation_id, "content")
    return json_response(await _provenance(context, file, (), None))


async def _provenance(
    context: RequestContext, file: MediaFile, approvers: Sequence[str], unsigned_reason: str | None
) -> Provenance:
    """Raises ProblemError gone."""
    if file.gone:
        raise ProblemError(Slug.GONE)
    state = context.state
    try:
        found = await state.provenance.read(file.object, state.objects.of(file.object.bucket))
    except (FileNotFoundError, Permanent):
        raise ProblemError(Slug.GONE) from None
    ids = [i.facts["approved_by"] for i in found.ingredients if "approved_by" in i.facts]
    async with context.single_read() as work:
        names = await work.queries.names_of(ids) if ids else {}
    return _in_words(found, names, approvers, unsigned_reason)


def _in_words(
    found: Credentials, names: dict[str, str], approvers: Sequence[str], unsigned_reason: str | None
) -> Provenance:
    ingredients = [
        ProvenanceIngredient(
            title=i.title,
            relationship=i.relationship,
            version_id=i.facts.get("version_id"),
            model=i.facts.get("model"),
            approved_by=names.get(i.facts.get("approved_by", ""), i.facts.get("approved_by")),
        )
        for i in found.ingredients
    ]
    people = [*approvers, *(i.approved_by for i in ingredients if i.approved_by)]
    return Provenance(
        state=found.state,
        signer=found.signer,
        organisation=found.organisation,
        development=found.development,
        unsigned_reason=unsigned_reason if found.state == "none" else None,
        made_by=found.made_by,
        source=_SOURCES.get(found.source_type, "other") if found.source_type else None,
        ingredients=ingredients,
        approvers=list(dict.fromkeys(people)),
        problems=list(found.problems),
    )
