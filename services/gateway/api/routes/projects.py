"""Projects, their settings, members, spending, metrics and feed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.gateway.api.context import Snapshot, UnitOfWork
from services.gateway.api.documents import CONDITIONAL, POST, WITH_BODY, answers
from services.gateway.api.headers import IfMatch, Paging, json_only
from services.gateway.api.idempotency import idempotent
from services.gateway.api.path_ids import ProjectId, UserId
from services.gateway.api.responses import NO_CONTENT, Result, changed, created, json_response, with_etag
from services.gateway.api.schemas.accounts import Member, MemberList, NewMember
from services.gateway.api.schemas.base import Moment
from services.gateway.api.schemas.projects import (
    FeedEntryList,
    Metrics,
    NewProject,
    Project,
    ProjectChanges,
    ProjectList,
    Settings,
    SettingsChanges,
    Usage,
)
from services.gateway.api.transactions import transactional
from services.gateway.commands.accounts import remove_member, set_member
from services.gateway.commands.projects import (
    ChangeProject,
    ChangeSettings,
    CreateProject,
    change_project,
    change_settings,
    create_project,
    delete_project,
)
from services.gateway.domain.accounts import Role
from services.gateway.domain.problems import Slug

router = APIRouter(prefix="/projects", tags=["projects"], dependencies=[Depends(json_only)])


@router.get("", **answers(ProjectList, filters="project_id"), summary="List my projects")
async def projects(page: Paging, work: Snapshot) -> Response:
    """Those that the caller is a member of, with their role in each."""
    return json_response(await work.queries.projects(page))


@router.post(
    "", **answers(Project, *WITH_BODY, *POST, status=201, headers=("ETag",)), summary="Create a project as its owner"
)
@idempotent()
async def create(body: NewProject, work: UnitOfWork) -> Result:
    """Its settings may be given at once; what is left out takes the defaults."""
    command = CreateProject(body.name, body.description, body.settings.sent())
    project_id = await create_project(work.store, work.user_id, command)
    return created(await work.queries.project(project_id), f"/projects/{project_id}")


@router.get("/{project_id}", **answers(Project, headers=("ETag",)), summary="Get a project")
async def project(project_id: ProjectId, work: Snapshot) -> Response:
    """With the caller's role and the bytes it holds."""
    await work.require_role("project", project_id, Role.VIEWER)
    return with_etag(await work.queries.project(project_id))


@router.patch(
    "/{project_id}", **answers(Project, *WITH_BODY, *CONDITIONAL, headers=("ETag",)), summary="Rename a project (owner)"
)
@transactional
async def change(project_id: ProjectId, body: ProjectChanges, revision: IfMatch, work: UnitOfWork) -> Result:
    """What is left out stays."""
    caller = await work.require_role("project", project_id, Role.OWNER)
    await change_project(work.store, caller, ChangeProject(revision, body.sent()))
    return changed(await work.queries.project(project_id))


@router.delete("/{project_id}", **answers(None, status=204, description="Deleted."), summary="Delete a project (owner)")
@transactional
async def delete(project_id: ProjectId, work: UnitOfWork) -> Result:
    """With everything in it. Active runs are cancelled."""
    await delete_project(work.store, await work.require_role("project", project_id, Role.OWNER))
    return NO_CONTENT


@router.get("/{project_id}/settings", **answers(Settings, headers=("ETag",)), summary="A project's defaults")
async def settings(project_id: ProjectId, work: Snapshot) -> Response:
    """What new runs and episodes take where nobody says otherwise."""
    await work.require_role("project", project_id, Role.VIEWER)
    return with_etag(await work.queries.settings(project_id))


@router.patch(
    "/{project_id}/settings",
    **answers(Settings, *WITH_BODY, *CONDITIONAL, headers=("ETag",)),
    summary="Change a project's defaults (editor; spend_cap and review: owner)",
)
@transactional
async def change_defaults(project_id: ProjectId, body: SettingsChanges, revision: IfMatch, work: UnitOfWork) -> Result:
    """A merge patch: sections merge, null takes a setting away. Money and review policy need an owner."""
    caller = await work.require_role("project", project_id, Role.EDITOR)
    await change_settings(work.store, caller, ChangeSettings(revision, body.sent()))
    return changed(await work.queries.settings(project_id))


@router.get("/{project_id}/members", **answers(MemberList), summary="List the members")
async def members(project_id: ProjectId, page: Paging, work: Snapshot) -> Response:
    """Each with the role that they hold."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.members(project_id, page))


@router.put(
    "/{project_id}/members/{user_id}",
    **answers(Member, *WITH_BODY, Slug.INVALID_STATE),
    summary="Add a member or change their role (owner)",
)
@transactional
async def put_member(project_id: ProjectId, user_id: UserId, body: NewMember, work: UnitOfWork) -> Result:
    """They must have signed in once. The last owner stays one: 409."""
    caller = await work.require_role("project", project_id, Role.OWNER)
    await set_member(work.store, caller, user_id, Role(body.role))
    return Result(200, await work.queries.member(project_id, user_id))


@router.delete(
    "/{project_id}/members/{user_id}",
    **answers(None, Slug.INVALID_STATE, status=204, description="Gone."),
    summary="Remove a member (owner), or leave the project",
)
@transactional
async def delete_member(project_id: ProjectId, user_id: UserId, work: UnitOfWork) -> Result:
    """Their streams end at once and their media links open nothing more. The last owner stays: 409."""
    least = Role.VIEWER if user_id == work.user_id else Role.OWNER
    await remove_member(work.store, await work.require_role("project", project_id, least), user_id)
    return NO_CONTENT


@router.get("/{project_id}/usage", **answers(Usage), summary="Get the spending and the storage")
async def usage(
    project_id: ProjectId,
    work: Snapshot,
    start: Annotated[Moment | None, Query(alias="from", description="From this time on.")] = None,
    to: Annotated[Moment | None, Query(description="Before this time.")] = None,
    group_by: Annotated[
        Literal["day", "month", "kind", "provider", "model", "episode"],
        Query(description="What each group has in common."),
    ] = "day",
) -> Response:
    """From the runs' costs, as the providers reported them or as estimated. Times in UTC."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.usage(project_id, start, to, group_by, work.store.quotas.storage))


@router.get("/{project_id}/metrics", **answers(Metrics), summary="Get the review metrics")
async def metrics(project_id: ProjectId, work: Snapshot) -> Response:
    """First-time approval, regeneration, time to the final film, ratings, beside their targets; the formulas are
    in docs/guide/metrics.md. What a policy approved does not count."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.metrics(project_id, None))


@router.get(
    "/{project_id}/progress",
    **answers(FeedEntryList, filters="kind status episode_id segment_id asset_id run_id batch_id"),
    summary="List the activity, newest first",
)
async def progress(project_id: ProjectId, page: Paging, work: Snapshot) -> Response:
    """The steps of all runs, for a feed; each leads to its editor. `status` is the state that the step reached."""
    await work.require_role("project", project_id, Role.VIEWER)
    return json_response(await work.queries.progress(project_id, page))
