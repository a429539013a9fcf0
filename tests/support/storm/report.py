"""What a storm did and found, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.support.storm.checker import INVARIANTS, SHOWN, Violation
from tests.support.storm.faults import Fault
from tests.support.storm.history import History


def table(
    history: History, faults: Sequence[Fault], violations: Sequence[Violation], repeats: int, waits: Mapping[str, int]
) -> str:
    """A line per kind of fault, a line per sort of work, a line per invariant with its violations."""
    lines = ["", "faults"]
    kinds = Counter((fault.target, fault.kind.value) for fault in faults)
    lines += [f"  {target:<11} {kind:<14} {n:>5}" for (target, kind), n in sorted(kinds.items())]
    lines += ["work"]
    for name, count in _work(history, repeats).items():
        lines.append(f"  {name:<26} {count:>8}")
    lines += [f"  still waiting: {what:<11} {n:>8}" for what, n in waits.items()]
    lines += ["invariants"]
    for name, (text, _) in INVARIANTS.items():
        found = [violation for violation in violations if violation.invariant == name]
        lines.append(f"  {name:<4} {text:<58} {'holds' if not found else f'VIOLATED {len(found)} times'}")
        lines += [f"       - {violation.what}" for violation in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"       - and {len(found) - SHOWN} more")
    others = [violation for violation in violations if violation.invariant not in INVARIANTS]
    lines += [f"  {violation}" for violation in others]
    return "\n".join(lines)


def _work(history: History, repeats: int) -> dict[str, int]:
    runs = Counter(run["status"] for run in history.rows("gateway", "runs"))
    predictions = Counter(p.status for p in history.ledger)
    return {
        "final answers": len(history.answers),
        "of them refusals": sum(answer.status >= 400 and not answer.foreign for answer in history.answers),
        "repeats": repeats,
        "events on streams": len(history.frames),
        "records": len(history.records),
        **{f"runs {status}": n for status, n in sorted(runs.items())},
        "batches": len(history.rows("gateway", "batches")),
        "films completed": len(history.films),
        **{f"predictions {status}": n for status, n in sorted(predictions.items())},
        "objects": len(history.objects),
    }
