"""Programs that another account can execute."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from deploy.local.parts import os_account


def test_an_installation_below_a_private_folder_is_copied_once_with_what_lies_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os_account, "COPIES", tmp_path / "copies")
    private = tmp_path / "private"
    program, beside = private / "package" / "install" / "bin" / "tell", private / "package.libs" / "words"
    for file, text in ((program, '#!/bin/sh\ncat "$(dirname "$0")/../../../package.libs/words"\n'), (beside, "hello")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    program.chmod(0o700)
    private.chmod(0o700)
    folders = program.parents[1], beside.parent
    found = os_account.for_everyone(program, *folders)
    assert found.is_relative_to(tmp_path / "copies")
    assert subprocess.run([found], capture_output=True, text=True, check=True).stdout == "hello"
    assert found.stat().st_mode & 0o555 == 0o555
    assert os_account.for_everyone(program, *folders) == found
    program.write_text("#!/bin/sh\n")  # another version of it
    os.utime(program, (1, 1))
    assert os_account.for_everyone(program, *folders) != found
    assert len(list((tmp_path / "copies").iterdir())) == 2
