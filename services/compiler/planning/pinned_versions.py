"""The versions that a film pins, with what their `complete` events say of them.

A compile request names versions and leaves their texts out (see docs/decisions/0017), so that the longest film fits in
one record. There is no order between topics: a version's event may come after the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shared.contracts.events.gateway import CompileItem, CompileRequested, PinnedMedia


def unknown_versions(request: CompileRequested, known: Mapping[str, PinnedMedia]) -> list[str]:
    """Ids of the pinned versions whose texts have not arrived yet. `known` by version id."""
    if not request.texts_in_complete:
        return []
    return list(dict.fromkeys(p.version_id for p in pinned_media(request) if p.version_id not in known))


def with_texts(request: CompileRequested, known: Mapping[str, PinnedMedia]) -> CompileRequested:
    """The request with directions, model, language and approver of the known versions. A request that carries its own
    stays as it is."""
    if not request.texts_in_complete:
        return request
    music = _described(request.music, known) if request.music else None
    return request.model_copy(update={"items": [_item(i, known) for i in request.items], "music": music})


def pinned_media(request: CompileRequested) -> Iterator[PinnedMedia]:
    for item in request.items:
        yield item.video
        if item.narration:
            yield item.narration
    if request.music:
        yield request.music


def _item(item: CompileItem, known: Mapping[str, PinnedMedia]) -> CompileItem:
    narration = _described(item.narration, known) if item.narration else None
    return item.model_copy(update={"video": _described(item.video, known), "narration": narration})


def _described(pinned: PinnedMedia, known: Mapping[str, PinnedMedia]) -> PinnedMedia:
    version = known.get(pinned.version_id)
    if version is None:
        return pinned
    names = ("media", "directions", "model", "approved_by", "language")
    return pinned.model_copy(update={name: getattr(version, name) for name in names})
