"""`retake reset`: stop the system and delete its data."""

from __future__ import annotations

import shutil

from deploy.local.commands.down import stop
from deploy.local.supervisor.data_dir import DataDir
from shared.core.errors import UserError


def delete(data: DataDir) -> None:
    """Stop the system and delete its directory. Raises UserError if the directory is not one of ours."""
    if not data.root.exists():
        return
    if not data.run.exists():
        raise UserError("not_a_data_directory", f"{data.root} is not a Retake data directory.", "Check --data.")
    stop(data)
    shutil.rmtree(data.root)
