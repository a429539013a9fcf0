"""A stub of the Docker Engine API, as far as testcontainers uses it: images exist, containers start at once.

A container's ports are mapped to those that `listeners` names for its image, so that a test can let a real server
answer in its place. `containers` keeps every creation request.
"""

from __future__ import annotations

import json
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

API_VERSION: Final = "1.44"
STDOUT: Final = 1


@dataclass
class Container:
    """A created container: its request and its state."""

    id: str
    image: str
    environment: dict[str, str]
    request: dict[str, Any]
    status: str = "created"
    removed: bool = False

    @property
    def command(self) -> list[str]:
        found: list[str] = self.request.get("Cmd") or []
        return found


@dataclass
class DockerStub:
    """`listeners`: image prefix -> (container port, host port). `log`: what every container prints when it starts."""

    url: str
    listeners: dict[str, tuple[int, int]] = field(default_factory=dict)
    log: str = "Kafka Server started\n"
    refuse_to_start: bool = False
    containers: list[Container] = field(default_factory=list)

    def get(self, path: str) -> tuple[int, Any]:
        match path.split("/"):
            case ["_ping"]:
                return 200, b"OK"
            case ["version"]:
                return 200, {"ApiVersion": API_VERSION, "Version": "stub"}
            case ["networks"]:
                return 200, []
            case ["images", *_, "json"]:
                return 200, {"Id": "sha256:stub", "RepoTags": []}
            case ["containers", container_id, "json"]:
                return 200, self._inspect(self._find(container_id))
            case ["containers", container_id, "logs"]:
                started = self._find(container_id).status == "running"
                return 200, _frame(self.log if started else "")
        return 404, {"message": f"the stub has no GET {path}"}

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        match path.split("/"):
            case ["containers", "create"]:
                return 201, self._create(body)
            case ["containers", container_id, "start"]:
                if self.refuse_to_start:
                    return 500, {"message": "no space left on device"}
                self._find(container_id).status = "running"
                return 204, None
        return 404, {"message": f"the stub has no POST {path}"}

    def delete(self, path: str) -> tuple[int, Any]:
        _, container_id = path.split("/")
        self._find(container_id).removed = True
        return 204, None

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        environment = dict(pair.split("=", 1) for pair in body.get("Env") or [])
        container = Container(f"{len(self.containers):064x}", body["Image"], environment, body)
        self.containers.append(container)
        return {"Id": container.id, "Warnings": []}

    def _find(self, container_id: str) -> Container:
        return next(c for c in self.containers if c.id == container_id)

    def _inspect(self, container: Container) -> dict[str, Any]:
        ports = {
            f"{inside}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(outside)}]
            for prefix, (inside, outside) in self.listeners.items()
            if container.image.startswith(prefix)
        }
        return {
            "Id": container.id,
            "Name": f"/{container.id[:12]}",
            "Image": "sha256:stub",
            "Config": {"Image": container.image, "Tty": False},
            "State": {"Status": container.status, "Running": container.status == "running"},
            "NetworkSettings": {"Ports": ports},
        }


@contextmanager
def docker_stub() -> Iterator[DockerStub]:
    """The stub on a free port of the loopback interface; `url` is its DOCKER_HOST."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    _Handler.stub = DockerStub(f"tcp://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, name="docker-stub", daemon=True)
    thread.start()
    try:
        yield _Handler.stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    stub: DockerStub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(*self.stub.get(self._path()))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        self._answer(*self.stub.post(self._path(), body))

    def do_DELETE(self) -> None:
        self._answer(*self.stub.delete(self._path()))

    def _path(self) -> str:
        return re.sub(r"^/(v[\d.]+/)?", "", self.path.partition("?")[0])

    def _answer(self, status: int, body: Any) -> None:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if body is not None:
            content_type = "application/octet-stream" if isinstance(body, bytes) else "application/json"
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: a failing test shows `containers`."""


def _frame(text: str) -> bytes:
    """One frame of the engine's multiplexed log stream: stream type, three zero bytes, big-endian length, payload."""
    data = text.encode()
    return struct.pack(">BxxxL", STDOUT, len(data)) + data if data else b""
