"""`.ci/advisories`: what is vulnerable fails, what cannot be checked is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FLAW: Final = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fixed_in": ["2.1"], "withdrawn": None}
INDEX: Final[dict[str, dict[str, Any]]] = {
    "/good/1.0/json": {"vulnerabilities": []},
    "/old/2.0/json": {"vulnerabilities": [FLAW]},
    "/doubted/3.0/json": {"vulnerabilities": [FLAW | {"withdrawn": "2026-02-01T00:00:00Z"}]},
    "/silent/4.0/json": {"info": {}},
}


class _Index(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = INDEX.get(self.path)
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def audit(folder: Path, url: str, *packages: str) -> tuple[int, str]:
    lock = folder / "requirements.lock"
    lock.write_text("".join(f"{package} \\\n    --hash=sha256:00\n    # via other==9\n" for package in packages))
    command = [sys.executable, str(ROOT / ".ci" / "advisories"), str(lock)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=os.environ | {"ADVISORIES_URL": url}, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_vulnerable_version_fails_and_is_named_with_its_remedy(tmp_path: Path) -> None:
    with index() as url:
        code, told = audit(tmp_path, url, "good==1.0", "old==2.0", "doubted==3.0")
    assert code == 1
    assert "VULNERABLE old==2.0: PYSEC-2026-1 CVE-2026-1; fixed in 2.1 (requirements.lock)" in told
    assert "doubted" not in told
    assert "3 of 3 packages checked" in told


def test_what_the_index_does_not_know_is_named(tmp_path: Path) -> None:
    with index() as url:
        code, told = audit(tmp_path, url, "good==1.0", "strange==1.0 ; python_version < '3.12'", "silent==4.0")
    assert code == 0
    assert "no known; 1 of 3 packages checked" in told
    assert "NOT CHECKED: strange==1.0 (HTTP 404)" in told
    assert "NOT CHECKED: silent==4.0 (the index tells no advisories)" in told


def test_without_an_index_all_of_it_is_said_to_be_unchecked(tmp_path: Path) -> None:
    code, told = audit(tmp_path, "http://127.0.0.1:1", "good==1.0", "old==2.0")
    assert code == 0
    assert told.count("\n") == 1
    assert "NOT CHECKED" in told
    assert "2 packages of requirements.lock" in told
