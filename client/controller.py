"""The controller of an asset editor: it executes the effects of `client.editing` at a gateway.

async with AssetController(client, await client.assets.get(asset_id)) as editor:
    await editor.start()
    ...                          # events of the project's stream go to editor.apply
    await editor.accept(rating=5)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, assert_never

from client import editing
from client.api import AsyncRetake
from client.editing import Committed, Decide, Editor, Phase, Preview, Refresh, Start, Values
from client.errors import ClientError
from client.models import Asset, Run, RunStatus, Version
from client.models import events as e

_FACTS = ("duration", "resolution", "aspect_ratio")


class AssetController:
    """One class for every kind of asset. `state` is the state to show; `on_change` is called after every change."""

    def __init__(
        self,
        client: AsyncRetake,
        asset: Asset,
        *,
        on_change: Callable[[Editor], None] = lambda _state: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._on_change = on_change
        self._sleep = sleep
        self._refreshing: asyncio.Task[None] | None = None
        self.state = of_asset(asset)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._refreshing:
            self._refreshing.cancel()
            with suppress(asyncio.CancelledError):
                await self._refreshing

    def edit(self, draft: Values) -> None:
        self._set(editing.edit(self.state, draft))

    async def save(self) -> None:
        """Save the draft at the gateway, so that it is available elsewhere and after a reload."""
        draft = self.state.draft
        settings = {**draft.parameters, **({"model": draft.model} if draft.model else {})}
        await self._client.assets.save_draft(self.state.asset_id, directions=draft.directions, settings=settings)
        self._set(editing.saved(self.state, draft))

    def reset(self) -> None:
        self._set(editing.reset(self.state))

    def leave(self) -> None:
        self._set(editing.leave(self.state))

    def open_review(self) -> None:
        self._set(editing.open_review(self.state))

    def close_review(self) -> None:
        self._set(editing.close_review(self.state))

    async def start(self) -> None:
        await self._do(editing.start(self.state))

    async def accept(self, version_id: str | None = None, **review: Any) -> None:
        """Accept a preview. `review` may have `rating` and `feedback`."""
        await self._do(editing.accept(self.state, version_id), **review)

    async def reject(self, version_id: str | None = None, **review: Any) -> None:
        """Reject a preview. `review` may have `rating`, `feedback`, `suggested_changes` and `regenerate`."""
        await self._do(editing.reject(self.state, version_id), **review)

    async def apply(self, event: e.Event) -> None:
        """Apply an event of the project's stream; events of other assets are ignored."""
        match event:
            case e.RunEvent():
                await self._do(editing.apply(self.state, event))
            case e.Reset() | e.Snapshot():
                await self._do((self.state, (Refresh(),)))
            case e.Changed(id=id) if id == self.state.asset_id:
                await self._do((self.state, (Refresh(),)))

    async def _do(self, step: editing.Step, **review: Any) -> None:
        state, effects = step
        self._set(state)
        for effect in effects:
            match effect:
                case Start():
                    await self._start(effect)
                case Decide():
                    await self._decide(effect, review)
                case Refresh():
                    self._refresh_soon()
                case _:
                    assert_never(effect)

    async def _start(self, effect: Start) -> None:
        values = effect.values
        try:
            run = await self._client.assets.regenerate(
                self.state.asset_id,
                directions=values.directions or None,
                model=values.model,
                settings=dict(values.parameters) or None,
            )
        except ClientError as error:
            await self._do(editing.not_started(self.state, _text_of(error)))
            return
        if run.updated_at is not None:
            self._set(editing.started(self.state, run.id, run.updated_at))

    async def _decide(self, effect: Decide, review: dict[str, Any]) -> None:
        decide = self._client.reviews.approve if effect.action == "approve" else self._client.reviews.reject
        try:
            await decide(effect.run_id, version_id=effect.version_id, **review)
        except ClientError as error:
            await self._do(editing.not_decided(self.state, _text_of(error)))

    def _refresh_soon(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(), name="refresh the asset")

    async def _refresh(self) -> None:
        await self._sleep(editing.REFRESH_DEBOUNCE_S)
        with suppress(ClientError):  # the next event, or the next reload, tries again
            self._set(editing.caught_up(self.state, of_asset(await self._client.assets.get(self.state.asset_id))))

    def _set(self, state: Editor) -> None:
        if state != self.state:
            self.state = state
            self._on_change(state)


def of_asset(asset: Asset) -> Editor:
    """The editor of a fetched asset. A waiting preview is offered, but its review is not opened."""
    committed = Committed(at=asset.committed_at)
    if asset.committed is not None:
        version = asset.committed
        committed = Committed(version.id, version.url, _values(version), asset.committed_at)
    saved = _saved_draft(asset, committed)
    return _with_run(Editor(asset.id, committed, saved, saved), asset)


def _saved_draft(asset: Asset, committed: Committed) -> Values:
    """What a person has chosen for the next run; the directions of the committed version if there are no others."""
    settings = dict(asset.draft.settings) if asset.draft else {}
    model = settings.pop("model", None)
    directions = (asset.draft.directions if asset.draft else None) or committed.values.directions
    return Values(directions, model if isinstance(model, str) else None, settings)


def _with_run(editor: Editor, asset: Asset) -> Editor:
    run, at = asset.preview, asset.updated_at
    if run is not None:
        seen = (run.updated_at, 2) if run.updated_at else None
        previews = tuple(Preview(v.id, _values(v)) for v in run.versions)
        return replace(editor, phase=_phase(run), run_id=run.id, previews=previews, percent=100.0, seen=seen)
    if asset.active_run_id:
        seen = (at, 0) if at else None
        return replace(editor, phase=Phase.GENERATING, run_id=asset.active_run_id, seen=seen)
    return replace(editor, seen=(at, 5) if at else None)


def _phase(run: Run) -> Phase:
    return Phase.REVIEW if run.status is RunStatus.PREVIEW_READY else Phase.COMMITTING


def _values(version: Version) -> Values:
    facts = {name: getattr(version, name) for name in _FACTS}
    return Values(version.directions or "", version.model_slug, {k: v for k, v in facts.items() if v is not None})


def _text_of(error: ClientError) -> str:
    return " ".join(part for part in (error.message, error.recovery) if part)
