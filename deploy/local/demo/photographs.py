"""The demo's photographs: files of the installed package scikit-image, which is never imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from client.cli.exit_codes import UsageError
from deploy.local.supervisor.data_dir import SOURCE_ROOT

NAMES: Final = ("coffee.png", "astronaut.png", "rocket.jpg", "hubble_deep_field.jpg")
SAMPLES: Final = SOURCE_ROOT / "samples"
SCRIPT: Final = SAMPLES / "demo.yaml"


def photographs() -> list[Path]:
    """The four files. Raises UsageError if the package is not installed or has changed."""
    spec = find_spec("skimage")  # finds a top-level package without running it
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise UsageError(
            "The demo's photographs are not installed; they are part of scikit-image.",
            "`make demo` installs them. To use your own: make demo PHOTOS=folder",
        )
    files = [Path(folders[0]) / "data" / name for name in NAMES]
    if missing := [f.name for f in files if not f.is_file()]:
        raise UsageError(
            f"The installed scikit-image does not contain {', '.join(missing)}.",
            "Use your own photographs: make demo PHOTOS=folder",
        )
    return files


def credits() -> list[str]:
    """One line per photograph."""
    lines = (SAMPLES / "CREDITS.md").read_text().splitlines()
    return [line.removeprefix("- ").replace("`", "") for line in lines if line.startswith("- ")]
