"""Scripts of faults: what happens to the next requests, predictions, outputs or webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Where = Literal["create", "get", "list", "cancel", "files", "output", "prediction", "webhook"]
WHERE = ("create", "get", "list", "cancel", "files", "output", "prediction", "webhook")
"""`create` to `output` are requests; `prediction` is drawn when one is created; `webhook` when one is sent.

Requests: `status` {status, body?, headers?}, `hang` {seconds}, `drop`; with `after`: once it took effect.
Predictions: `fail` {error}, `abort`, `never_start`, `never_end`, `output` {value}, `slow` {seconds}.
Outputs: also `html`, `empty`, `truncated`, `redirect` {to}.
Webhooks: `lose`, `duplicate`, `late` {seconds}, `forge`, `old`.
"""


@dataclass
class Fault:
    on: Where
    do: str
    times: int = 1
    after: bool = False
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class Faults:
    waiting: list[Fault] = field(default_factory=list)

    def add(self, on: Where, do: str, *, times: int = 1, after: bool = False, **args: Any) -> None:
        assert on in WHERE, f"there is no {on}"
        self.waiting.append(Fault(on, do, times, after, args))

    def draw(self, on: Where) -> Fault | None:
        fault = next((f for f in self.waiting if f.on == on), None)
        if fault:
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
        return fault
