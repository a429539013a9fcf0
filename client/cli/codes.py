"""Exit codes: what a script can tell from how a command ended."""

from __future__ import annotations

from enum import IntEnum

from client.errors import ProblemError, RetakeError, ServerFailed, Unavailable, Unreachable


class Code(IntEnum):
    OK = 0
    FAILED = 1  # the work was done and came out wrong
    USAGE = 2  # the command line, or a file that it names, is wrong: nothing was started
    UNREACHABLE = 3
    REFUSED = 4  # the gateway said no: busy, decided already, not found, not allowed, not valid
    CHANGED = 5  # `retake provenance`: the file is not as it was signed
    UNSIGNED = 6  # `retake provenance`: it carries no Content Credentials
    INTERRUPTED = 130  # Ctrl-C
    TERMINATED = 143  # SIGTERM


class UsageError(RetakeError):
    """What the user gave cannot be used; nothing was started."""


class WorkFailed(RetakeError):
    """What was asked for was tried and failed."""


class Stopped(RetakeError):
    """The person ended it instead of answering."""

    def __init__(self) -> None:
        super().__init__("Stopped: the input ended.")


def code_of(error: RetakeError) -> Code:
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
