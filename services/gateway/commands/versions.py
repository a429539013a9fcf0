"""Register a user's own file as a version, and roll back to an earlier version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.gateway.commands.assets import lock_asset
from services.gateway.commands.run_admission import AdmittedRun, RunSpec, admit_run
from services.gateway.domain.accounts import Caller
from services.gateway.domain.errors import busy, invalid, invalid_state, not_found
from services.gateway.domain.run_parameters import RunParameters
from services.gateway.domain.settings import review_timeout_s
from services.gateway.domain.versions import VersionStatus, is_retired, version_gone
from services.gateway.store.unit_of_work import Store
from shared.contracts.values import AssetKind, ParentReason, RunSource

UPLOAD_KIND: Final = {
    AssetKind.VIDEO: "video",
    AssetKind.STARTING_IMAGE: "image",
    AssetKind.IMAGE: "image",
    AssetKind.NARRATION: "audio",
    AssetKind.MUSIC: "audio",
}
KIND_WITH_ARTICLE: Final = {"video": "a video", "image": "an image", "audio": "a sound file"}
"""What an upload is, in a sentence."""


@dataclass(frozen=True)
class RegisterVersion:
    """Either an upload of the project or a URL (https). `directions`: what it shows, kept with the version."""

    asset_id: str
    upload_id: str | None = None
    url: str | None = None
    directions: str | None = None


async def register_version(store: Store, caller: Caller, command: RegisterVersion) -> AdmittedRun:
    """Raises Refusal not-found, busy, invalid."""
    if (command.upload_id is None) == (command.url is None):
        raise invalid(("/upload_id", "give either upload_id or url"))
    asset = await lock_asset(store, caller, command.asset_id)
    if asset.active_run_id:
        raise busy(asset.label, asset.active_run_id)
    base = await store.assets.base_of(asset.asset_id)
    input_object = None
    if command.upload_id is not None:
        found = await store.uploads.of_project(caller.project_id, [command.upload_id])
        upload = found.get(command.upload_id)
        if upload is None:
            raise invalid(("/upload_id", "names no upload of this project: upload the file first"))
        if upload.kind != UPLOAD_KIND[asset.kind]:
            is_a, needs = KIND_WITH_ARTICLE[upload.kind], KIND_WITH_ARTICLE[UPLOAD_KIND[asset.kind]]
            raise invalid(("/upload_id", f"is {is_a}, but {asset.label} needs {needs}: choose another file"))
        input_object = upload.object
    if command.url is not None and not is_https(command.url):
        raise invalid(("/url", "must be a URL that begins with https://"))
    return AdmittedRun(
        await admit_run(
            store,
            RunSpec(
                asset=asset,
                base=base,
                actor=caller.actor,
                review_timeout_s=review_timeout_s(base.project.settings),
                parameters=RunParameters(command.directions),
                source=RunSource.UPLOAD if command.upload_id else RunSource.URL,
                input_object=input_object,
                input_url=command.url,
            ),
        )
    )


def is_https(url: str) -> bool:
    """Only the form is checked here; the generator's guard decides when it fetches."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


async def roll_back(store: Store, caller: Caller, version_id: str) -> AdmittedRun:
    """Raises Refusal not-found, invalid-state, gone, busy."""
    version = await store.versions.get(version_id)
    if version is None or version.project_id != caller.project_id:
        raise not_found("version")
    asset = await lock_asset(store, caller, version.asset_id)
    if asset.committed_version_id == version_id:
        raise invalid_state("version", "committed", [VersionStatus.ACCEPTED], "It is the committed one already.")
    if version.status is not VersionStatus.ACCEPTED:
        raise invalid_state("version", version.status, [VersionStatus.ACCEPTED], "Only accepted versions come back.")
    if is_retired(version, store.now()):
        raise version_gone()
    if asset.active_run_id:
        raise busy(asset.label, asset.active_run_id)
    base = await store.assets.base_of(asset.asset_id)
    return AdmittedRun(
        await admit_run(
            store,
            RunSpec(
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
            ),
        )
    )
