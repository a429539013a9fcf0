"""Messages between this process and a job's: a length in four bytes, then JSON."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Final

HEAD: Final = struct.Struct(">I")
MOST: Final = 64 << 20
"""Bytes of one message; the times of a film's million frames are a third of it."""

Job = dict[str, Any]
Message = dict[str, Any]


def encode(message: Message) -> bytes:
    body = json.dumps(message).encode()
    return HEAD.pack(len(body)) + body


def decode(body: bytes) -> Message:
    """Raises ValueError for anything but an object."""
    try:
        message = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("no object")
    return message


def length(head: bytes) -> int:
    """Of the message that follows. Raises ValueError for one that is too long."""
    (size,) = HEAD.unpack(head)
    if size > MOST:
        raise ValueError(f"a message of {size} bytes")
    return int(size)


class Channel:
    """The job's end, which blocks."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, message: Message) -> None:
        self._connection.sendall(encode(message))

    def receive(self) -> Message:
        """Raises EOFError when the other side has gone."""
        return decode(self._exactly(length(self._exactly(HEAD.size))))

    def _exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            if not (part := self._connection.recv(min(1 << 20, count - len(received)))):
                raise EOFError
            received += part
        return bytes(received)
