"""Register a user's own file as a version, and roll back to an earlier version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.gateway.commands.accounts import check_storage
from services.gateway.commands.assets import check_free, lock_asset
from services.gateway.commands.run_admission import RunSpec, StartedRun, admit_run
from services.gateway.domain.accounts import Caller
from services.gateway.domain.assets import Asset
from services.gateway.domain.errors import invalid, invalid_state
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.domain.settings import review_timeout_s
from services.gateway.domain.versions import VersionStatus, is_retired, version_gone
from services.gateway.store.unit_of_work import Store
from shared.contracts.messages import message
from shared.contracts.values import AssetKind, ObjectRef, ParentReason, RunSource

UPLOAD_KINDS: Final = {
    AssetKind.VIDEO: "video",
    AssetKind.STARTING_IMAGE: "image",
    AssetKind.IMAGE: "image",
    AssetKind.NARRATION: "audio",
    AssetKind.MUSIC: "audio",
}
"""The kind of upload that each kind of asset takes."""
_WITH_ARTICLE: Final = {"video": "a video", "image": "an image", "audio": "an audio file"}


@dataclass(frozen=True)
class RegisterVersion:
    """Either an upload of the project or a URL (https). `directions`: what the file shows, kept with the version."""

    asset_id: str
    upload_id: str | None = None
    url: str | None = None
    directions: str | None = None


async def register_version(store: Store, caller: Caller, command: RegisterVersion) -> StartedRun:
    """The file becomes a candidate of a new run, and is reviewed like any other.

    Raises Refusal not-found, busy, invalid, storage-full.
    """
    if (command.upload_id is None) == (command.url is None):
        raise invalid(("/upload_id", "Give either upload_id or url"))
    asset = await lock_asset(store, caller, command.asset_id)
    await check_free(store, asset)
    await check_storage(store, caller.project_id)
    base = await store.assets.base_of(asset.asset_id)
    uploaded = await _uploaded_object(store, caller, asset, command.upload_id) if command.upload_id else None
    if command.url is not None and not is_https(command.url):
        raise invalid(("/url", "must be a URL that begins with https://"))
    spec = RunSpec(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=review_timeout_s(base.project.settings),
        parameters=RunParameters(command.directions),
        source=RunSource.UPLOAD if command.upload_id else RunSource.URL,
        input_object=uploaded,
        input_url=command.url,
    )
    return StartedRun(await admit_run(store, spec))


async def _uploaded_object(store: Store, caller: Caller, asset: Asset, upload_id: str) -> ObjectRef:
    """Raises Refusal invalid."""
    upload = (await store.uploads.of_project(caller.project_id, [upload_id])).get(upload_id)
    if upload is None:
        raise invalid(("/upload_id", "is not an upload of this project; upload the file first"))
    if upload.kind != UPLOAD_KINDS[asset.kind]:
        is_a, needs = _WITH_ARTICLE[upload.kind], _WITH_ARTICLE[UPLOAD_KINDS[asset.kind]]
        raise invalid(("/upload_id", f"is {is_a}, but {asset.label} needs {needs}; choose another file"))
    return upload.object


def is_https(url: str) -> bool:
    """Only the form is checked here; the generator guards the address when it fetches the file."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


async def roll_back(store: Store, caller: Caller, version_id: str) -> StartedRun:
    """Commits an earlier accepted version again, through a run like any other.

    Raises Refusal not-found, invalid-state, gone, busy.
    """
    version = caller.owned(await store.versions.get(version_id), "version")
    asset = await lock_asset(store, caller, version.asset_id)
    await check_free(store, asset)  # first, because what is committed may be about to change
    if asset.committed_version_id == version_id:
        recovery = message("problem.already_committed.recovery")
        raise invalid_state("version", "committed", [VersionStatus.ACCEPTED], recovery)
    if version.status is not VersionStatus.ACCEPTED:
        recovery = message("problem.not_accepted.recovery")
        raise invalid_state("version", version.status, [VersionStatus.ACCEPTED], recovery)
    if is_retired(version, store.now()):
        raise version_gone()
    base = await store.assets.base_of(asset.asset_id)
    spec = RunSpec(
        asset=asset,
        base=base,
        actor=caller.actor,
        review_timeout_s=None,
        parameters=RunParameters(version.directions),
        source=RunSource.EXISTING,
        auto_approve=True,
        parent_run_id=version.run_id,
        parent_reason=ParentReason.ROLLBACK,
        version_id=version_id,
    )
    return StartedRun(await admit_run(store, spec))
