"""Many small clients of one event stream: `python -m bench._sse_clients PORT PATH COUNT [HEADER ...]`.

One process, one epoll, one non-blocking socket for each client. It prints {"open": COUNT} once every client has
received its response headers; then it responds to each line on stdin with what was received since the previous line.
An event carries its publication time as `"at":"` and 16 digits, microseconds of CLOCK_MONOTONIC, which all processes
of a machine share.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from array import array

AT = b'"at":"'
DIGITS = 16
OPENING = 16  # connections that are being made at once: a crowd at the door is another measurement
CHUNK = 256 * 1024


class Clients:
    def __init__(self, port: int, request: bytes, count: int) -> None:
        self._port = port
        self._request = request
        self._left = count
        self._count = count
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._pending: dict[int, bytes] = {}  # of a client that has no answer yet: what came of its head
        self._tails: dict[int, bytes] = {}  # an event may be cut anywhere
        self._open = 0
        self._events = self._bytes = self._lost = 0
        self._latencies = array("d")

    def run(self) -> None:
        os.set_blocking(0, False)
        self._poll.register(0, select.EPOLLIN)
        while True:
            while self._left and len(self._pending) < OPENING:
                self._left -= 1
                self._connect()
            for fd, _ in self._poll.poll():
                if fd == 0:
                    if not os.read(0, 4096):
                        return
                    self._report()
                else:
                    self._read(fd)

    def _connect(self) -> None:
        made = socket.create_connection(("127.0.0.1", self._port))
        made.sendall(self._request)
        made.setblocking(False)
        fd = made.fileno()
        self._sockets[fd], self._pending[fd] = made, b""
        self._poll.register(fd, select.EPOLLIN)

    def _read(self, fd: int) -> None:
        try:
            data = self._sockets[fd].recv(CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        now = time.monotonic()
        if not data:
            self._lost += 1
            self._poll.unregister(fd)
            self._sockets.pop(fd).close()
            self._pending.pop(fd, None)
            return
        self._bytes += len(data)
        if fd in self._pending:
            data = self._head(fd, data)
        self._count_events(fd, data, now)

    def _head(self, fd: int, data: bytes) -> bytes:
        head, end, rest = (self._pending[fd] + data).partition(b"\r\n\r\n")
        if not end:
            self._pending[fd] = head
            return b""
        if b" 200 " not in head[:20]:
            sys.exit(f"refused: {head[:200]!r} {rest[:200]!r}")
        del self._pending[fd]
        self._open += 1
        if self._open == self._count:
            print(json.dumps({"open": self._open}), flush=True)
        return rest

    def _count_events(self, fd: int, data: bytes, now: float) -> None:
        data = self._tails.pop(fd, b"") + data
        found = data.count(AT)
        last = data.rfind(AT)
        if found and last + len(AT) + DIGITS > len(data):
            found -= 1
            self._tails[fd] = data[last:]
        elif not data.endswith(b"\n"):
            self._tails[fd] = data[max(last + 1, len(data) - len(AT)) :]
        self._events += found
        if found == 1:
            start = data.find(AT) + len(AT)
            self._latencies.append(now - int(data[start : start + DIGITS]) / 1e6)

    def _report(self) -> None:
        print(
            json.dumps(
                {
                    "events": self._events,
                    "bytes": self._bytes,
                    "lost": self._lost,
                    "latencies_ms": [round(s * 1000, 2) for s in self._latencies],
                }
            ),
            flush=True,
        )
        self._events = self._bytes = 0
        self._latencies = array("d")


def main() -> None:
    port, path, count, *headers = sys.argv[1:]
    request = "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", "Accept: text/event-stream", *headers, "", ""])
    Clients(int(port), request.encode(), int(count)).run()


if __name__ == "__main__":
    main()
