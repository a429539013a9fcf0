"""What every group of calls shares: paths made safe, answers made models, lists walked page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from client.errors import BadResponse
from client.transport import Request, Transport, json_of, new_key

M = TypeVar("M", bound=BaseModel)
PAGE = 200  # the most that the gateway gives at once
LONGEST_HOLD_S = 60
SLACK_S = 15.0  # beyond what the gateway was asked to hold the answer


class Filters(TypedDict, total=False):
    """What narrows a list. Several values are joined by commas; not every list takes every filter."""

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
    """A list of the gateway: `await` it for all items, or walk it with `async for`, which fetches as it goes."""

    def __init__(self, items: Callable[[], AsyncIterator[M]]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[M]:
        return self._items()

    def __await__(self) -> Generator[Any, None, list[M]]:
        return self._all().__await__()

    async def _all(self) -> list[M]:
        return [item async for item in self._items()]


class Resource:
    """Calls on one kind of thing. `wait_s` asks the gateway to hold the answer until the work rests."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def _get(self, model: type[M], path: str, *, wait_s: float | None = None, **params: Any) -> M:
        request = Request("GET", path, params=params, headers=hold(wait_s), timeout_s=SLACK_S * 2 + (wait_s or 0))
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
        """`key` makes this call the repetition of an earlier one; without it, it is a new one."""
        request = Request(
            "POST",
            path,
            json=given(json or {}),
            headers=hold(wait_s),
            key=key or new_key(),
            timeout_s=SLACK_S * 2 + (wait_s or 0),
        )
        return parse(model, json_of(await self._transport.send(request)))

    async def _change(
        self, model: type[M], method: str, path: str, json: Mapping[str, Any], revision: int | str | None
    ) -> M:
        """PATCH or PUT; a null in `json` clears. `revision` is the one that was read; `*` overwrites."""
        request = Request(method, path, json=json, headers=if_match(revision))
        return parse(model, json_of(await self._transport.send(request)))

    async def _delete(self, path: str) -> None:
        await self._transport.send(Request("DELETE", path))

    def _list(self, model: type[M], path: str, max_items: int | None = None, **filters: Any) -> Listing[M]:
        """Newest first, segments in film order; the first `max_items` of them, else all."""

        async def items() -> AsyncIterator[M]:
            left, cursor = max_items, None
            while left is None or left > 0:
                limit = PAGE if left is None else min(PAGE, left)
                request = Request("GET", path, params={**filters, "limit": limit, "cursor": cursor})
                page = json_of(await self._transport.send(request))
                if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                    raise BadResponse("The list in the response has no `data`.", "Check the address.")
                for item in page["data"]:
                    yield parse(model, item)
                left = None if left is None else left - len(page["data"])
                cursor = page.get("next_cursor")
                if not cursor:
                    return

        return Listing(items)


def parse(model: type[M], answer: Any) -> M:
    try:
        return model.model_validate(answer)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadResponse(
            f"The gateway's {model.__name__} does not fit: {where}: {first['msg']}.",
            "Client and gateway may be of different releases.",
        ) from e


def path(*parts: str) -> str:
    """A path of these parts, each escaped: ids come from users too."""
    return "".join("/" + quote(part, safe="") for part in parts)


def given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given: None means left out."""
    return {k: v for k, v in fields.items() if v is not None}


def hold(wait_s: float | None) -> dict[str, str]:
    return {"Prefer": f"wait={min(LONGEST_HOLD_S, int(wait_s))}"} if wait_s and wait_s >= 1 else {}


def if_match(revision: int | str | None) -> dict[str, str]:
    if revision is None or revision == "*":
        return {"If-Match": "*"}
    return {"If-Match": f'"{revision}"'}
