"""Kustomize, built once with Go for each machine; renders what `kubectl apply -k` would apply."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.cache import cache_dir, exclusive, run_quietly
from tests.support.components import Missing

VERSION: Final = "v5.7.1"
MODULE: Final = "sigs.k8s.io/kustomize/kustomize/v5"
BUILD_TIMEOUT_S: Final = 900.0

Resource = dict[str, Any]


def build() -> Path:
    """The binary, built once for each machine. Raises Missing."""
    binary = cache_dir() / "kustomize" / VERSION / "kustomize"
    with exclusive("kustomize"):
        if binary.exists():
            return binary
        if not shutil.which("go"):
            raise Missing("go is not installed")
        try:
            run_quietly(
                ["go", "install", f"{MODULE}@{VERSION}"],
                env={"GOBIN": str(binary.parent), "GOFLAGS": "-mod=mod"},
                timeout_s=BUILD_TIMEOUT_S,
            )
        except RuntimeError as e:
            raise Missing(f"kustomize {VERSION} could not be built: {e}") from e
    return binary


def render(binary: Path, folder: Path) -> list[Resource]:
    """The resources of one overlay. Raises AssertionError with kustomize's message."""
    done = subprocess.run(
        [str(binary), "build", str(folder)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]
