"""Java and Kafka's jars, which Maven downloads once into a cache outside every checkout and data directory."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from shared.core.errors import Permanent, UserError

VERSION: Final = "4.1.1"  # as in pom.xml
MIN_JAVA: Final = 17
POM: Final = Path(__file__).with_name("pom.xml")


def cache_dir() -> Path:
    home = os.environ.get("RETAKE_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "retake")
    return Path(home).expanduser() / f"kafka-{VERSION}"


def java() -> str:
    """The path of `java`. Raises UserError if there is none of version 17 or newer."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None) or shutil.which("java")
    recovery = f"Install a Java runtime of version {MIN_JAVA} or newer, or use the embedded broker."
    if not found:
        raise UserError("java_missing", "Apache Kafka needs Java, which is not installed.", recovery)
    result = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    version = re.search(r'version "(\d+)', result.stderr + result.stdout)
    if result.returncode or not version or int(version[1]) < MIN_JAVA:
        shown = "".join((result.stderr or result.stdout).strip().splitlines()[:1])
        raise UserError("java_too_old", f"Apache Kafka {VERSION} does not run on this Java: {shown}.", recovery)
    return found


def jars() -> Path:
    """The folder of Kafka's jars. The first call downloads them with Maven, which takes about ten seconds.

    Raises UserError without Maven, Permanent if the download fails.
    """
    target = cache_dir()
    if target.exists():
        return target
    maven = shutil.which("mvn")
    if not maven:
        raise UserError(
            "maven_missing",
            f"Apache Kafka {VERSION} is not in {target}, and mvn, which downloads it, is not installed.",
            "Install Maven, or use the embedded broker or an existing Kafka (--kafka HOST:PORT).",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():  # another process may have downloaded it while we waited
            _download(maven, target)
    return target


def _download(maven: str, target: Path) -> None:
    """All or nothing: the folder gets its name when it is complete."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as work:
        result = subprocess.run(
            [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if result.returncode:
            last = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()][-5:]
            raise Permanent("maven_failed", "Maven could not download Apache Kafka:\n" + "\n".join(last))
        os.rename(f"{work}/jars", target)
