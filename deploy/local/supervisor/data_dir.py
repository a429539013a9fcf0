"""The layout of a data directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import deploy

SOURCE_ROOT: Final = Path(deploy.__file__).resolve().parents[1]
"""The directory that holds the packages `services`, `shared`, `client` and `deploy`."""


def default_data_dir() -> Path:
    return Path(os.environ.get("RETAKE_DATA") or ".retake")


@dataclass(frozen=True)
class DataDir:
    """The directory of one system. Everything below `root` is ours; two systems never share a directory."""

    root: Path

    @classmethod
    def of(cls, path: Path | str | None) -> DataDir:
        return cls((Path(path) if path else default_data_dir()).expanduser().resolve())

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def objects(self) -> Path:
        return self.root / "objects"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def state(self) -> Path:
        return self.run / "state.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    def environment(self, service: str) -> Path:
        """The settings of the running service, for commands that run next to it. Contains its passwords."""
        return self.run / f"{service}.env.json"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets.json"

    @property
    def token(self) -> Path:
        return self.root / "token"

    @property
    def work(self) -> Path:
        """Temporary files of the services, on the disk of the objects, so that a finished one is moved, not copied."""
        return self.root / "work"

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"
