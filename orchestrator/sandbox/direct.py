"""Sandboxes without namespaces: Landlock where bubblewrap is denied them, and the two that confine next to nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from orchestrator.sandbox import seccomp
from orchestrator.sandbox.bubblewrap import fresh_user
from orchestrator.sandbox.cgroup import find_cgroups
from orchestrator.sandbox.limited import FAILED, limited, means, supervised
from orchestrator.sandbox.port import Command, Result
from orchestrator.sandbox.turns import in_turn
from orchestrator.scratch import remove, scratch
from schemas.errors import Unavailable

__all__ = ["Direct"]

_DUMPABLE = 4
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime")
_MARKS = ("/.dockerenv", "/run/.containerenv")


class Direct:
    """Runs commands on the machine itself, under a supervisor.

    ``landlock`` lets them see the interpreter, the environment and the project, and write to a folder of their own; no
    sockets but pairs of them, so a server can't be tried out. ``container`` trusts a disposable container to hold them.
    ``none`` trusts the code.
    """

    def __init__(self, kind: Literal["landlock", "container", "none"]) -> None:
        """Find out whether ``kind`` can be had.

        Raises:
            Unavailable: it can't; says what is missing.
        """
        self.kind = kind
        self._filter = seccomp.program(among_others=True) if kind == "landlock" else None
        if kind == "landlock":
            if find_spec("landlockpy") is None:
                raise Unavailable("landlock needs the package landlockpy: pip install landlockpy")
            import landlockpy

            if not landlockpy.supported():
                raise Unavailable("landlock is not in this kernel, or not switched on (Linux 5.13, lsm=landlock)")
            if self._filter is None:
                raise Unavailable("landlock needs the filter of system calls, and Milepost has none for this processor")
        if kind == "container" and not any(Path(mark).exists() for mark in _MARKS):
            raise Unavailable(
                "sandbox.kind = container is for disposable containers only, and this is none "
                f"(there is neither {' nor '.join(_MARKS)})"
            )
        self._cgroups = find_cgroups()

    @property
    def name(self) -> str:
        """E.g. ``landlock (seccomp, watchdog)``; begins with ``none`` where nothing confines the code."""
        layers = f"seccomp, {means(self._cgroups)}" if self._filter else means(self._cgroups)
        return f"{self.kind} ({layers})"

    def place(self, project: Path) -> str:
        """Where it is."""
        return str(project)

    @in_turn
    async def run(self, command: Command) -> Result:
        """Run ``command`` with a temporary folder of its own.

        Raises:
            Unavailable: the confinement could not be made; nothing ran.
        """
        # Code of the same user must not read our environment from /proc.
        ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)
        report_fd: int | None = None
        pass_fds: list[int] = []
        variables = dict(command.variables)
        if command.report:
            report_fd, write_fd = os.pipe()
            pass_fds.append(write_fd)
            variables["MILEPOST_REPORT_FD"] = str(write_fd)
        with scratch(0o1777) as folder:
            words = self._words(command, variables, folder)
            try:
                execution, report = await limited(
                    lambda group: group.entering(words) if group else words,
                    command,
                    self._cgroups,
                    scratch=folder,
                    env={},
                    report_fd=report_fd,
                    pass_fds=pass_fds,
                )
            finally:  # in a thread: who watches another command is not kept from it
                await asyncio.to_thread(remove, folder)
        if execution.exit_code == 126 and execution.stderr.startswith(FAILED):
            raise Unavailable(f"the sandbox could not be made: {execution.stderr.strip()[-300:]}")
        return Result(execution, report)

    def _words(self, command: Command, variables: dict[str, str], folder: Path) -> list[str]:
        python = str(command.environment / "bin" / "python")
        environment = {
            "PATH": f"{command.environment}/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            **variables,
        }
        readable = [*_SYSTEM, sys.base_prefix, command.environment, command.project, *command.readable]
        first, *rest = command.argv
        return supervised(
            [python if first in ("python", "python3") else first, *rest],
            folder=str(command.project),
            environment=environment,
            user=None if self.kind == "none" else fresh_user(),
            landlock=self.kind == "landlock",
            filter=base64.b64encode(self._filter).decode() if self._filter else "",
            readable=[str(path) for path in readable],
            writable=[str(folder)],
            limits={
                "RLIMIT_AS": command.memory_bytes,
                "RLIMIT_NPROC": command.processes + (0 if os.geteuid() == 0 else _tasks_of(os.getuid())),
                "RLIMIT_FSIZE": command.tmp_bytes,
                "RLIMIT_NOFILE": 256,
                "RLIMIT_CORE": 0,
                "RLIMIT_CPU": round(command.seconds) + 5,
            },
        )


def _tasks_of(user: int) -> int:
    """Return how many processes and threads ``user`` has: the kernel counts them all against one limit."""
    count = 0
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and folder.stat().st_uid == user:
                count += len(list((folder / "task").iterdir()))
    return count
