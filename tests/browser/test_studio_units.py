"""The page's own tests, types and rules, where Node is there; and that building it again gives what is committed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.gateway.api.routes.studio import BUILT
from tests.support.editing_vectors import vectors
from tests.support.node import npm

pytestmark = [pytest.mark.xdist_group("node"), pytest.mark.usefixtures("node")]


def test_the_pages_unit_tests_pass_with_fresh_vectors_of_the_clients_editor(tmp_path: Path) -> None:
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps(vectors(2000, seed=11)))
    done = npm("test", RETAKE_EDITING_VECTORS=str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_and_rules_hold() -> None:
    done = npm("run", "check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_building_again_gives_what_is_committed(tmp_path: Path) -> None:
    done = npm("exec", "--", "vite", "build", "--outDir", str(tmp_path / "built"), "--emptyOutDir")
    assert done.returncode == 0, done.stdout + done.stderr
    again = {p.relative_to(tmp_path / "built"): p.read_bytes() for p in (tmp_path / "built").rglob("*") if p.is_file()}
    committed = {
        p.relative_to(BUILT): p.read_bytes() for p in BUILT.rglob("*") if p.is_file() and p.name != "build.json"
    }
    assert again == committed, "run `make studio`"
