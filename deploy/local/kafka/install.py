"""Java, and Kafka's jars, fetched once by Maven into a cache outside of every checkout and data directory."""

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
    """The program `java`, at least of version 17."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None) or shutil.which("java")
    recovery = f"Install a Java runtime of version {MIN_JAVA} or newer, or use the embedded broker."
    if not found:
        raise UserError("java_missing", "Apache Kafka needs Java, and there is none.", recovery)
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    version = re.search(r'version "(\d+)', said.stderr + said.stdout)
    if said.returncode or not version or int(version[1]) < MIN_JAVA:
        shown = (said.stderr or said.stdout).strip().splitlines()[:1]
        raise UserError("java_too_old", f"Apache Kafka {VERSION} does not run on this Java: {shown}.", recovery)
    return found


def jars() -> Path:
    """The folder of Kafka's jars. Maven fills it the first time, which takes some ten seconds and the network."""
    target = cache_dir()
    if target.exists():
        return target
    maven = shutil.which("mvn")
    if not maven:
        raise UserError(
            "maven_missing",
            f"Apache Kafka {VERSION} is not in {target}, and there is no mvn to fetch it.",
            "Install Maven, or use the embedded broker or an existing Kafka (--kafka HOST:PORT).",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():  # somebody else may have fetched it while we waited
            _fetch(maven, target)
    return target


def _fetch(maven: str, target: Path) -> None:
    """All or nothing: the folder gets its name when it is complete."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{target.name}.") as work:
        made = subprocess.run(
            [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if made.returncode:
            last = [line for line in (made.stdout + made.stderr).splitlines() if line.strip()][-5:]
            raise Permanent("maven_failed", "Maven could not fetch Apache Kafka:\n" + "\n".join(last))
        os.rename(f"{work}/jars", target)
