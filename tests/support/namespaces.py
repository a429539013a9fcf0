"""A network namespace with one link to this machine, which can be cut: packets are then dropped without a word."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Node:
    """`name`: of the namespace; `host`: this machine's address as seen from there."""

    name: str
    host: str
    link: str

    def command(self, *words: str) -> list[str]:
        """That program, inside."""
        return ["ip", "netns", "exec", self.name, *words]

    def vanish(self) -> None:
        _ip("link", "set", self.link, "down")

    def return_(self) -> None:
        _ip("link", "set", self.link, "up")


@contextmanager
def node() -> Iterator[Node]:
    """Skips, by name, where namespaces may not be made."""
    name = f"retake{secrets.token_hex(3)}"
    third = secrets.randbelow(250) + 1
    host, there = f"10.213.{third}.1", f"10.213.{third}.2"
    made = Node(name, host, f"{name}h")
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as e:
        pytest.skip(f"network namespace: it cannot be made here ({_reason(e)})")
    try:
        try:
            _ip("link", "add", made.link, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("addr", "add", f"{host}/30", "dev", made.link)
            _ip("link", "set", made.link, "up")
            for words in (
                ("addr", "add", f"{there}/30", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-n", name, *words)
        except subprocess.CalledProcessError as e:
            pytest.skip(f"network namespace: it cannot be linked here ({_reason(e)})")
        yield made
    finally:
        subprocess.run(["ip", "link", "del", made.link], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, check=True, text=True, env=os.environ | {"LC_ALL": "C"})


def _reason(error: OSError | subprocess.CalledProcessError) -> str:
    return str(error.stderr).strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
