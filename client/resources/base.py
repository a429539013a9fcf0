"""What every group of calls shares: paths made safe, answers made models, lists walked page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from client.errors import BadAnswer
from client.transport import Request, Transport, json_of, new_key

M = TypeVar("M", bound=BaseModel)
PAGE = 200  # the most that the gateway gives at once
LONGEST_HOLD_S = 60
SLACK_S = 15.0  # beyond what the gateway was asked to hold the answer


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

    async def _list(self, model: type[M], path: str, max_items: int | None = None, **filters: Any) -> list[M]:
        """All items, or the first `max_items`; newest first, segments in film order."""
        items: list[M] = []
        cursor: str | None = None
        while max_items is None or len(items) < max_items:
            limit = PAGE if max_items is None else min(PAGE, max_items - len(items))
            request = Request("GET", path, params={**filters, "limit": limit, "cursor": cursor})
            page = json_of(await self._transport.send(request))
            if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                raise BadAnswer("The gateway answered a list without `data`.", "Check the address.")
            items += [parse(model, item) for item in page["data"]]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        return items


def parse(model: type[M], answer: Any) -> M:
    try:
        return model.model_validate(answer)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadAnswer(
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
