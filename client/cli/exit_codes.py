"""The exit codes of commands."""

from __future__ import annotations

from enum import IntEnum

from client.errors import ClientError, ProblemError, ServerFailed, Unavailable, Unreachable


class Code(IntEnum):
    OK = 0
    FAILED = 1  # the work failed
    USAGE = 2  # the command line, or a file that it names, is invalid: nothing was started
    UNREACHABLE = 3
    REFUSED = 4  # the gateway refused: busy, already decided, not found, not permitted, invalid
    CHANGED = 5  # `retake provenance`: the file was changed after it was signed
    UNSIGNED = 6  # `retake provenance`: the file has no Content Credentials
    INTERRUPTED = 130  # Ctrl-C
    TERMINATED = 143  # SIGTERM


class UsageError(ClientError):
    """Invalid input of the user; nothing was started."""


class WorkFailed(ClientError):
    """The requested work was started and failed."""


class Stopped(ClientError):
    """The user ended the input instead of answering a prompt."""

    def __init__(self) -> None:
        super().__init__("Stopped: end of input.")


def code_of(error: ClientError) -> Code:
    from client.script.pictures import PictureError
    from client.script.source import ScriptError

    match error:
        case UsageError() | PictureError() | ScriptError():
            return Code.USAGE
        case Stopped():
            return Code.INTERRUPTED
        case Unreachable() | Unavailable():
            return Code.UNREACHABLE
        case ServerFailed():
            return Code.FAILED
        case ProblemError():
            return Code.FAILED if error.status >= 500 else Code.REFUSED
        case _:
            return Code.FAILED
