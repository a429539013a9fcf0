"""The user's own file enters as a version, and is reviewed like any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from services.gateway.commands.admit_run import lock_asset
from services.gateway.commands.enter_run import Admitted, RunOrder, enter_run
from services.gateway.commands.ports import Caller, Store
from services.gateway.domain.changes import Wanted
from services.gateway.domain.errors import busy, invalid
from services.gateway.domain.settings import review_timeout_s
from shared.contracts.values import AssetKind, RunSource

UPLOAD_KIND: Final = {
    AssetKind.VIDEO: "video",
    AssetKind.STARTING_IMAGE: "image",
    AssetKind.IMAGE: "image",
    AssetKind.NARRATION: "audio",
    AssetKind.MUSIC: "audio",
}
A: Final = {"video": "a video", "image": "an image", "audio": "a sound file"}
"""What an upload is, in a sentence."""


@dataclass(frozen=True)
class RegisterVersion:
    """Either an upload of the project or a URL (https). `directions`: what it shows, kept with the version."""

    asset_id: str
    upload_id: str | None = None
    url: str | None = None
    directions: str | None = None


async def register_version(store: Store, caller: Caller, command: RegisterVersion) -> Admitted:
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
            is_a, needs = A[upload.kind], A[UPLOAD_KIND[asset.kind]]
            raise invalid(("/upload_id", f"is {is_a}, but {asset.label} needs {needs}: choose another file"))
        input_object = upload.object
    if command.url is not None and not is_https(command.url):
        raise invalid(("/url", "must be a URL that begins with https://"))
    return Admitted(
        await enter_run(
            store,
            RunOrder(
                asset=asset,
                base=base,
                actor=caller.actor,
                review_timeout_s=review_timeout_s(base.project.settings),
                wanted=Wanted(command.directions),
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
