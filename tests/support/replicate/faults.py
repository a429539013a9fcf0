"""Scripts of faults: what happens to the next requests, predictions, outputs or webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Where = Literal["create", "get", "list", "cancel", "files", "output", "account", "models", "prediction", "webhook"]
WHERE = ("create", "get", "list", "cancel", "files", "output", "account", "models", "prediction", "webhook")
_REQUEST = ("status", "hang", "drop")
WHAT: dict[str, tuple[str, ...]] = {
    "create": (*_REQUEST, "low_credit"),
    "get": _REQUEST,
    "list": _REQUEST,
    "cancel": _REQUEST,
    "files": _REQUEST,
    "account": _REQUEST,
    "models": _REQUEST,
    "output": (*_REQUEST, "html", "empty", "truncated", "redirect"),
    "prediction": ("fail", "abort", "never_start", "never_end", "output", "slow", "forget"),
    "webhook": ("lose", "duplicate", "late", "forge", "old"),
}
HELP = """\
A fault is JSON, POSTed to /_emulator/faults (one, or a list; DELETE takes them all back), or given as --fault:
  {"on": WHERE, "do": WHAT, "times": 1, "after": false, "matching": "", ...}
It befalls the next request (or prediction, or webhook) of that sort, `times` times; only one whose model and input
contain `matching`. Requests fail before they take effect, or, with `after`, once they did.

  create, get, list, cancel, files, account, models, output
      status {status, body?, headers?}     429 has Retry-After only if you say so; 5xx without a body are HTML
      hang {seconds}                       no answer for so long
      drop                                 the connection ends in the middle of the answer
  create
      low_credit                           429: reduced to 6 requests per minute
  output
      html, empty, truncated, redirect {to}
  prediction
      fail {error}                         "... (E005)" and so on
      abort, never_start, never_end        never: until its deadline or a cancel
      output {value}                       that is its output
      slow {seconds}
      forget                               input and output are purged at once, not after an hour
  webhook
      lose, duplicate, late {seconds}, forge, old

Examples:
  curl -d '{"on": "create", "do": "status", "status": 429, "headers": {"retry-after": "5"}}' URL/_emulator/faults
  curl -d '{"on": "create", "do": "status", "status": 504, "after": true}' URL/_emulator/faults
  curl -d '{"on": "prediction", "do": "fail", "error": "flagged as sensitive (E005)", "matching": "boat"}' ...
  curl URL/_emulator/books                 what was created, paid, cancelled; what was asked for
"""


@dataclass
class Fault:
    on: Where
    do: str
    times: int = 1
    after: bool = False
    matching: str = ""
    args: dict[str, Any] = field(default_factory=dict)


@dataclass
class Faults:
    waiting: list[Fault] = field(default_factory=list)

    def add(self, on: Where, do: str, *, times: int = 1, after: bool = False, matching: str = "", **args: Any) -> None:
        """Raises ValueError for what there is not."""
        if do not in WHAT.get(on, ()):
            raise ValueError(f"no {do!r} on {on!r}; there is " + "; ".join(f"{w}: {', '.join(WHAT[w])}" for w in WHERE))
        if do == "status" and not isinstance(args.get("status"), int):
            raise ValueError('`status` needs the number: {"status": 429}')
        self.waiting.append(Fault(on, do, times, after, matching, args))

    def draw(self, on: Where, text: str = "") -> Fault | None:
        """The first that waits for this; one with `matching` waits for a text that has it."""
        fault = next((f for f in self.waiting if f.on == on and f.matching in text), None)
        if fault:
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
        return fault
