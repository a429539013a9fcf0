"""Kustomize, built once with Go for each machine; renders what `kubectl apply -k` would apply."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.cache import built_with_go

VERSION: Final = "v5.7.1"
MODULE: Final = "sigs.k8s.io/kustomize/kustomize/v5"

Resource = dict[str, Any]


def build() -> Path:
    """The binary, built once for each machine. Raises Missing."""
    return built_with_go(MODULE, VERSION)


def render(binary: Path, folder: Path) -> list[Resource]:
    """The resources of one overlay. Raises AssertionError with kustomize's message."""
    done = subprocess.run(
        [str(binary), "build", str(folder)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]
