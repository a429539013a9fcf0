"""Base of all resources: escaped paths, parsed responses, paginated lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from client.errors import BadResponse
from client.transport import Request, Transport, json_of, new_key

M = TypeVar("M", bound=BaseModel)
PAGE = 200  # the gateway's maximum
MAX_WAIT_S = 60
TIMEOUT_S = 30.0  # in addition to the requested wait


class Filters(TypedDict, total=False):
    """Filters of lists. Several values are joined by commas; not every list supports every filter."""

    kind: str | None
    status: str | None
    action: str | None
    provider: str | None
    stale: str | None
    episode_id: str | None
    segment_id: str | None
    asset_id: str | None
    run_id: str | None
    batch_id: str | None
    version_id: str | None
    created_after: str | None
    created_before: str | None


class Listing(Generic[M]):
    """A paginated list: `await` it for all items, or iterate with `async for`, which fetches pages as needed."""

    def __init__(self, items: Callable[[], AsyncIterator[M]]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[M]:
        return self._items()

    def __await__(self) -> Generator[Any, None, list[M]]:
        return self._all().__await__()

    async def _all(self) -> list[M]:
        return [item async for item in self._items()]


class Resource:
    """Calls on one kind of resource. With `wait_s` the gateway delays its response until the work has ended or needs a
    review, at most so many seconds."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def _get(self, model: type[M], path: str, *, wait_s: float | None = None, **params: Any) -> M:
        request = Request("GET", path, params=params, headers=prefer_wait(wait_s), timeout_s=TIMEOUT_S + (wait_s or 0))
        return parse(model, json_of(await self._transport.send(request)))

    async def _post(
        self,
        model: type[M],
        path: str,
        json: Mapping[str, Any] | None = None,
        *,
        wait_s: float | None = None,
        key: str | None = None,
    ) -> M:
        """`key` is an idempotency key: the key of an earlier call makes this one its repetition."""
        request = Request(
            "POST",
            path,
            json=without_none(json or {}),
            headers=prefer_wait(wait_s),
            key=key or new_key(),
            timeout_s=TIMEOUT_S + (wait_s or 0),
        )
        return parse(model, json_of(await self._transport.send(request)))

    async def _change(
        self, model: type[M], method: str, path: str, json: Mapping[str, Any], revision: int | str | None
    ) -> M:
        """PATCH or PUT; a null in `json` clears a field. `revision` is the one that was read; `*` overwrites any."""
        request = Request(method, path, json=json, headers=if_match(revision))
        return parse(model, json_of(await self._transport.send(request)))

    async def _delete(self, path: str) -> None:
        await self._transport.send(Request("DELETE", path))

    def _list(self, model: type[M], path: str, max_items: int | None = None, **filters: Any) -> Listing[M]:
        """Newest first, segments in film order; all of them, or the first `max_items`."""

        async def items() -> AsyncIterator[M]:
            remaining, cursor = max_items, None
            while remaining is None or remaining > 0:
                limit = PAGE if remaining is None else min(PAGE, remaining)
                request = Request("GET", path, params={**filters, "limit": limit, "cursor": cursor})
                page = json_of(await self._transport.send(request))
                if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                    raise BadResponse("The list in the response has no `data`.", "Check the address.")
                for item in page["data"]:
                    yield parse(model, item)
                remaining = None if remaining is None else remaining - len(page["data"])
                cursor = page.get("next_cursor")
                if not cursor:
                    return

        return Listing(items)


def parse(model: type[M], response: Any) -> M:
    """The response as a model. Raises BadResponse if it does not match."""
    try:
        return model.model_validate(response)
    except ValidationError as e:
        first = e.errors()[0]
        field = ".".join(str(p) for p in first["loc"])
        raise BadResponse(
            f"Invalid {model.__name__} in the gateway's response: {field}: {first['msg']}.",
            "Use a client of the same release as the gateway.",
        ) from e


def path(*parts: str) -> str:
    """A path of these parts, each escaped, since users enter ids, too."""
    return "".join("/" + quote(part, safe="") for part in parts)


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not None."""
    return {k: v for k, v in fields.items() if v is not None}


def prefer_wait(wait_s: float | None) -> dict[str, str]:
    return {"Prefer": f"wait={min(MAX_WAIT_S, int(wait_s))}"} if wait_s and wait_s >= 1 else {}


def if_match(revision: int | str | None) -> dict[str, str]:
    if revision is None or revision == "*":
        return {"If-Match": "*"}
    return {"If-Match": f'"{revision}"'}
