"""What a storm leaves behind: everything the checker reads, as plain data that can be kept in a file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
Tables: TypeAlias = Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class Answer:
    """The final answer to a command or a probe. `key`: its Idempotency-Key; repeats have the same one."""

    client: str
    key: str
    method: str
    path: str
    status: int
    body: Any
    table: str = ""
    """The gateway's table that holds what the command made, if it makes something."""
    made: str = ""
    """The id of what it made."""
    foreign: bool = False
    """Whether the path belongs to a project that the client is not a member of."""


@dataclass(frozen=True)
class Frame:
    """An event of a stream. `stream` names the reader, which resumes: all its frames are one sequence."""

    stream: str
    project_id: str
    event_id: str | None
    name: str
    data: Any


@dataclass(frozen=True)
class Record:
    """A record of a topic. `body` is its text; None for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: str
    event_id: str
    project_id: str
    body: str | None


@dataclass(frozen=True)
class Offset:
    """How far a group has read a partition."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int


@dataclass(frozen=True)
class Stored:
    """A stored object."""

    bucket: str
    key: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Film:
    """A completed film, decoded. `expected` and `frames` count pictures; `problem`: what the decoder said."""

    compilation_id: str
    expected: int
    frames: int
    problem: str


@dataclass(frozen=True)
class Prediction:
    """A line of the provider's ledger."""

    id: str
    status: str
    prompt: str


@dataclass
class History:
    """`services`: name -> table -> rows. `leftovers`: temporary files that nobody uses."""

    answers: list[Answer] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    services: dict[str, Tables] = field(default_factory=dict)
    offsets: list[Offset] = field(default_factory=list)
    objects: list[Stored] = field(default_factory=list)
    ledger: list[Prediction] = field(default_factory=list)
    films: list[Film] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    def rows(self, service: str, table: str) -> Sequence[Row]:
        return self.services.get(service, {}).get(table, ())

    def save(self, path: Path) -> None:
        with gzip.open(path, "wt", encoding="utf-8") as out:
            json.dump(asdict(self), out)

    @classmethod
    def load(cls, path: Path) -> History:
        with gzip.open(path, "rt", encoding="utf-8") as source:
            raw = json.load(source)
        lines = {
            "answers": Answer,
            "frames": Frame,
            "records": Record,
            "offsets": Offset,
            "objects": Stored,
            "ledger": Prediction,
            "films": Film,
        }
        return cls(**raw | {name: [kind(**line) for line in raw[name]] for name, kind in lines.items()})
