"""Starts one command and outlives all that comes of it: the part of every sandbox that runs as a program of its own.
``python -I supervisor.py '{"landlock": …}' COMMAND…``

The child confines itself (limits, an unprivileged user, Landlock, the filter of system calls: whatever is asked for;
bwrap does it by itself) and becomes the command. The supervisor stays outside of that confinement, so that nothing
inside can end it; whatever the command leaves behind becomes its child (``PR_SET_CHILD_SUBREAPER``), and is killed when
the command ends, when SIGTERM says so, or when Milepost dies (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_PDEATHSIG, _CHILD_SUBREAPER, _NO_NEW_PRIVS, _SECCOMP, _SECCOMP_FILTER = 1, 36, 38, 22, 2


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of ``linux/filter.h``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def main(given: dict[str, Any], command: list[str]) -> int:
    """Run ``command`` as ``given`` says and return its exit code, 128 + n where signal n ended it."""
    _control(_CHILD_SUBREAPER, 1)
    _control(_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, _stop)
    if os.getppid() != given["parent"]:  # Milepost died before we asked to be told
        return 1
    # SIGTERM waits until there is a child to kill.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            _confine(given)
            os.execvpe(command[0], command, given["environment"])  # noqa: S606  (that is what it is for)
        except BaseException as error:  # whatever it is, the code must not run unconfined
            os.write(2, f"{given['failed']} {error}\n".encode())
        os._exit(126)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        pid, status = os.wait()
        if pid == child:
            _kill_descendants()
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _stop(number: int, frame: object) -> None:
    _kill_descendants()
    os._exit(128 + number)


def _control(option: int, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *arguments, *[0] * (4 - len(arguments))):
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _confine(given: dict[str, Any]) -> None:
    os.chdir(given["folder"])
    for name, value in given["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if given["landlock"]:
        import landlockpy  # noqa: F401  (while it can still be read)
    if os.geteuid() == 0 and given["user"] is not None:
        os.setgroups([])
        os.setresgid(*[given["user"]] * 3)
        os.setresuid(*[given["user"]] * 3)
    if given["landlock"] or given["filter"]:
        _control(_NO_NEW_PRIVS, 1)
    if given["landlock"]:
        _landlock(given["readable"], given["writable"])
    if given["filter"]:
        code = base64.b64decode(given["filter"])
        _control(_SECCOMP, _SECCOMP_FILTER, ctypes.byref(_Program(len(code) // 8, code)))


def _landlock(readable: list[str], writable: list[str]) -> None:
    from landlockpy import AccessFS, Ruleset, Scope

    look = AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE
    change = look | AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.REMOVE_FILE | AccessFS.REMOVE_DIR
    change |= AccessFS.MAKE_REG | AccessFS.MAKE_DIR | AccessFS.MAKE_SYM | AccessFS.MAKE_FIFO | AccessFS.MAKE_SOCK
    with Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET) as rules:
        for path in readable:
            if Path(path).exists():
                is_folder = Path(path).is_dir()
                rules.allow_path(path, look if is_folder else AccessFS.READ_FILE | AccessFS.EXECUTE)
        for path in writable:
            rules.allow_path(path, change | AccessFS.REFER)
        for path in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
            rules.allow_path(path, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
        rules.restrict()


def _kill_descendants() -> None:
    """Kill all that descends from this process. Whoever is stopped first can't make more meanwhile, and takes a place
    that the limit of processes counts."""
    stopped: set[int] = set()
    while fresh := _descendants() - stopped:
        for pid in fresh:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= fresh
    while True:
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _descendants() -> set[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    children.setdefault(int(parent), []).append(int(folder.name))
    found, todo = set[int](), [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found.update(below)
        todo += below
    return found


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
