"""Reads docs/api/openapi.json and docs/events/asyncapi.json with tools that others use: `make check-documents`.

With Node: Redocly, Spectral and openapi-typescript. With Java and Maven: openapi-generator's Java (native) and Python
clients, which are compiled and imported. A check whose tools are missing is skipped by name. Exit code 1: a check
failed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[2]
OPENAPI: Final = ROOT / "docs" / "api" / "openapi.json"
ASYNCAPI: Final = ROOT / "docs" / "events" / "asyncapi.json"
NODE: Final = ("node", "npm")
JAVA: Final = ("java", "mvn")
TIMEOUT_S: Final = 900


class FailedCheckError(Exception):
    """The output of the tool that found something."""


def run(*command: str | Path, cwd: Path = HERE) -> None:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise FailedCheckError((done.stdout + done.stderr)[-6000:])


def _npm(name: str) -> Path:
    """A tool of package-lock.json, which is installed on first use."""
    modules = HERE / "node_modules"
    lock = HERE / "package-lock.json"
    installed = modules / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run("npm", "ci", "--no-audit", "--no-fund", "--no-progress")
        installed.touch()
    return modules / ".bin" / name


def _generator() -> str:
    """The class path of openapi-generator, which is fetched on first use."""
    jars = HERE / "jars"
    if not list(jars.glob("openapi-generator-cli-*.jar")):
        run("mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}")
    return f"{jars}/*"


def redocly(folder: Path) -> None:
    run(_npm("redocly"), "lint", "--config", HERE / "redocly.yaml", "--max-problems", "20", OPENAPI)


def spectral_openapi(folder: Path) -> None:
    run(_npm("spectral"), "lint", "--fail-severity", "hint", "-r", HERE / "spectral-openapi.yaml", OPENAPI)


def spectral_asyncapi(folder: Path) -> None:
    run(_npm("spectral"), "lint", "--fail-severity", "hint", "-r", HERE / "spectral-asyncapi.yaml", ASYNCAPI)


def typescript(folder: Path) -> None:
    run(_npm("openapi-typescript"), OPENAPI, "--output", folder / "api.ts")
    shutil.copy(HERE / "use.ts", folder)
    run(_npm("tsc"), "--strict", "--noEmit", folder / "use.ts", folder / "api.ts")


def java_client(folder: Path) -> None:
    _generate(folder, "java", "--library", "native")
    run("mvn", "-q", "-B", "compile", cwd=folder)


def python_client(folder: Path) -> None:
    _generate(folder, "python")
    imports = "import openapi_client, openapi_client.models; print(len(openapi_client.models.__dict__))"
    run(sys.executable, "-c", imports, cwd=folder)


def _generate(folder: Path, language: str, *options: str) -> None:
    generator = "org.openapitools.codegen.OpenAPIGenerator"
    run("java", "-cp", _generator(), generator, "generate", "-i", OPENAPI, "-g", language, *options, "-o", folder)


CHECKS: Final[Mapping[Callable[[Path], None], tuple[str, ...]]] = {
    redocly: NODE,
    spectral_openapi: NODE,
    spectral_asyncapi: NODE,
    typescript: NODE,
    python_client: JAVA,
    java_client: JAVA,
}
"""Each check, and the programs that it needs."""


def main() -> int:
    failed = False
    for check, needed in CHECKS.items():
        missing = [name for name in needed if shutil.which(name) is None]
        if missing:
            print(f"{check.__name__}: skipped, because there is no {' and no '.join(missing)}", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(Path(folder))
            except (FailedCheckError, subprocess.TimeoutExpired) as e:
                failed = True
                print(f"{check.__name__}: FAILED\n{e}", flush=True)
            else:
                print(f"{check.__name__}: ok", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
