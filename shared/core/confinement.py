"""What the kernel takes from a process that reads untrusted files: system calls (seccomp), and files (Landlock).

Both need no privilege and bind a process and all that it starts, for good. Linux only; 64-bit x86 and ARM. This file is
also a program, for programs that cannot confine themselves, so it imports the standard library only:

    python -I -S confinement.py [--read PATH]... [--write FOLDER]... -- COMMAND...
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:  # this file starts before every ffmpeg: it imports at once only what it needs
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class InForce(NamedTuple):
    """What this kernel enforces. `landlock`: the version of its interface, 0 without."""

    seccomp: bool
    landlock: int


class Files(NamedTuple):
    """What a confined process may use beside programs, libraries, fonts and /dev/null: files or folders to read, and
    folders to write (or a device)."""

    read: tuple[Path | str, ...] = ()
    write: tuple[Path | str, ...] = ()


# --- seccomp (linux/seccomp.h, linux/filter.h, linux/audit.h)

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; the argument's low half
_X32: Final = 0x40000000  # the third table of x86 numbers
_CLONE_THREAD: Final = 0x00010000
_NEW_NAMESPACES: Final = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET

_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
# System calls by name: their numbers on x86_64 and aarch64.
_FORBIDDEN: Final = {
    # other machines and processes
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "tkill": (200, 130),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    # the file systems and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "unshare": (272, 97),
    "setns": (308, 268), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "fanotify_init": (300, 262),
    "quotactl": (179, 60), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    # the machine
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "sethostname": (170, 161), "setdomainname": (171, 162),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "syslog": (103, 116), "personality": (135, 92),
    # parts of the kernel that programs like ours never use, and attacks often do
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219),
}  # fmt: skip
_ON_OTHERS: Final = {"kill": (62, 129), "tgkill": (234, 131), "prlimit64": (302, 261)}  # allowed on oneself
_OF_X86: Final = {"iopl": 172, "ioperm": 173}
_PROGRAMS: Final = {"execve": (59, 221), "execveat": (322, 281)}
_FORKS_OF_X86: Final = {"fork": 57, "vfork": 58}
_CLONE, _CLONE3 = (56, 220), 435

# --- Landlock (linux/landlock.h)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE, _IOCTL = 1, 2, 4, 8, 1 << 14, 1 << 15
_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL
_MAKE_DEVICE: Final = 1 << 6 | 1 << 11
_RIGHTS_SINCE: Final = ((1, (1 << 13) - 1), (2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL))  # version: bits
_TCP, _SCOPES = 3, 3  # since versions 4 and 6: binding and connecting; abstract sockets and signals to others

_SIGPIPE, _SIGXFSZ = 13, 25
_READ_BY_ALL: Final = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/etc/ld.so.cache", "/etc/ld.so.conf",
    "/etc/ld.so.conf.d", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path", "/etc/fonts", "/etc/localtime",
    "/etc/alternatives", "/var/cache/fontconfig", "~/.fonts", "~/.local/share/fonts", "~/.config/fontconfig",
    "~/.cache/fontconfig", "/dev/zero", "/dev/random", "/dev/urandom", "/proc/self", "/proc/cpuinfo", "/proc/meminfo",
    "/proc/stat", "/sys/devices/system/cpu",
)  # fmt: skip
_PATH_VARIABLES: Final = ("LD_LIBRARY_PATH", "FONTCONFIG_PATH", "FONTCONFIG_FILE")


def confine(files: Files | None, *, programs: bool, in_force: InForce) -> None:
    """Confines this process for good to what `in_force` says. `files`: None for all that it may use now.

    Without `programs` it can start no process either. There must be no other thread. Raises OSError: then it must not
    go on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if in_force.seccomp or in_force.landlock:
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))
    if in_force.landlock:
        _restrict_files(libc, files, in_force.landlock)
    if in_force.seccomp:
        code = _program(programs)
        kept = ctypes.create_string_buffer(code, len(code))
        rules = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(kept)))
        _checked(libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), rules, ctypes.c_ulong(0), 0))


def _program(programs: bool) -> bytes:
    """The filter. What is forbidden fails with EPERM, as without the right to do it."""
    column, architecture = _ARCHITECTURES[os.uname().machine]
    refuse = _instruction(_RETURN, _ERRNO | errno.EPERM)
    code = [
        _instruction(_LOAD, _ARCHITECTURE), _instruction(_EQUAL, architecture, 1, 0), _instruction(_RETURN, _KILL),
        _instruction(_LOAD, _NUMBER),
    ]  # fmt: skip
    forbidden = [numbers[column] for numbers in _FORBIDDEN.values()]
    if column == 0:
        code += [_instruction(_AT_LEAST, _X32, 0, 1), refuse]
        forbidden += _OF_X86.values()
    if not programs:
        forbidden += [numbers[column] for numbers in _PROGRAMS.values()]
        forbidden += _FORKS_OF_X86.values() if column == 0 else ()
    for number in forbidden:
        code += [_instruction(_EQUAL, number, 0, 1), refuse]
    # Libraries then fall back to clone, whose flags are visible here.
    code += [_instruction(_EQUAL, _CLONE3, 0, 1), _instruction(_RETURN, _ERRNO | errno.ENOSYS)]
    argument, allow = _instruction(_LOAD, _FIRST_ARGUMENT), _instruction(_RETURN, _ALLOW)
    for numbers in _ON_OTHERS.values():
        own = [_instruction(_EQUAL, os.getpid(), 1, 0)]
        if numbers == _ON_OTHERS["prlimit64"]:
            own.insert(0, _instruction(_EQUAL, 0, 2, 0))
        code += [_instruction(_EQUAL, numbers[column], 0, len(own) + 3), argument, *own, refuse, allow]
    test = _instruction(_ANY_BIT, _NEW_NAMESPACES, 0, 1) if programs else _instruction(_ANY_BIT, _CLONE_THREAD, 1, 0)
    code += [_instruction(_EQUAL, _CLONE[column], 0, 4), argument, test, refuse, allow, allow]
    return b"".join(code)


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _restrict_files(libc: ctypes.CDLL, files: Files | None, version: int) -> None:
    every = sum(bits for since, bits in _RIGHTS_SINCE if version >= since)
    handled = every if files is not None else _MAKE_DEVICE
    attributes = struct.pack("=QQQ", handled, _TCP, _SCOPES)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    try:
        if files is not None:
            reading = _READ_FILE | _READ_DIR | _EXECUTE
            for path in (*_READ_BY_ALL, *_own_folders(), *files.read):
                _allow(libc, ruleset, path, reading & handled)
            for path in ("/dev/null", *files.write):
                _allow(libc, ruleset, path, handled & ~_MAKE_DEVICE & ~_EXECUTE)
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _own_folders() -> Iterable[str]:
    """Where this Python and its libraries are, and what the environment names for programs."""
    yield from (sys.prefix, sys.base_prefix)
    for name in _PATH_VARIABLES:
        yield from filter(None, os.environ.get(name, "").split(os.pathsep))


def _allow(libc: ctypes.CDLL, ruleset: int, path: str | Path, rights: int) -> None:
    """What does not exist cannot be used anyway."""
    try:
        opened = os.open(os.path.expanduser(path), os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{opened}"):
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, opened)
        _checked(libc.syscall(_ADD_RULE, ruleset, 1, rule, 0))
    finally:
        os.close(opened)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the kernel refused to confine the process: {os.strerror(number)}")
    return result


# --- the program


def command(files: Files | None, in_force: InForce) -> list[str]:
    """What to write before a command line."""
    argv = [sys.executable, "-I", "-S", __file__, "--in-force", f"{int(in_force.seccomp)}:{in_force.landlock}"]
    if files is not None:
        argv += [word for path in files.read for word in ("--read", str(path))]
        argv += [word for path in files.write for word in ("--write", str(path))]
        argv += ["--files"]
    return [*argv, "--"]


@cache
def supported() -> InForce:
    """What this kernel and container let us do, found by doing it in a process that ends. Blocks, once, briefly."""
    if sys.platform != "linux" or os.uname().machine not in _ARCHITECTURES or sys.maxsize < 1 << 32:
        return InForce(False, 0)
    version = max(0, ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1))
    none = Files()
    return InForce(_works(InForce(True, 0), none), version if version and _works(InForce(False, version), none) else 0)


def _works(wanted: InForce, files: Files) -> bool:
    import subprocess

    try:
        tried = subprocess.run([*command(files, wanted), "true"], check=False, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def main(argv: Sequence[str]) -> None:
    read, write, limited, in_force = list[str](), list[str](), False, InForce(False, 0)
    words = iter(argv)
    for word in words:
        match word:
            case "--":
                break
            case "--files":
                limited = True
            case "--in-force":
                seccomp, _, version = next(words).partition(":")
                in_force = InForce(seccomp == "1", int(version))
            case "--read":
                read.append(next(words))
            case _:
                write.append(next(words))
    program = list(words)
    found = _found(program[0])
    files = Files((*read, found), tuple(write)) if limited else None
    confine(files, programs=True, in_force=in_force)
    for ignored in (_SIGPIPE, _SIGXFSZ):  # by Python, and by what it executes
        ctypes.CDLL(None).signal(ignored, None)
    os.execv(found, program)


def _found(name: str) -> str:
    """A program's path: of one without a folder, the first on PATH."""
    if "/" in name:
        return name
    paths = (os.path.join(folder, name) for folder in os.get_exec_path())
    return next((path for path in paths if os.access(path, os.X_OK)), name)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"{sys.argv[-1]}: {error}")
