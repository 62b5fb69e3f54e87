"""Running one command within the limits that hold for all its processes together."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.sandbox.cgroup import Cgroups, Group
from orchestrator.sandbox.port import Command
from orchestrator.sandbox.process import bounded
from orchestrator.sandbox.watchdog import watch
from schemas.evidence import Execution

__all__ = ["FAILED", "limited", "means", "supervised", "watched_by_shell"]

SUPERVISOR = Path(__file__).with_name("supervisor.py").resolve()
FAILED = "supervisor:"
"""What the supervisor writes first to standard error, with exit code 126, where it can't confine the command."""


# Told to end, or that Milepost has died (setpriv asks for that signal; then we look whether it came too late), the
# shell kills its whole group. Its children leave the group only when they die with their parents.
_SHELL = """trap 'kill -9 0' TERM
[ "$PPID" = "$1" ] || exit 1
shift
while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done
shift
"$@" & wait $!"""


def watched_by_shell(argv: Sequence[str], group: Group | None) -> list[str]:
    """Return ``argv``, whose own processes die with their parent, so that it does not outlive Milepost either, and runs
    in ``group``. A shell starts in a tenth of the time of the supervisor."""
    folders = [str(folder / "cgroup.procs") for folder in group.folders] if group else []
    shell = ["setpriv", "--pdeathsig", "TERM", "--", "/bin/sh", "-c", _SHELL, "sh"]
    return [*shell, str(os.getpid()), *folders, "--", *argv]


def supervised(argv: Sequence[str], **given: Any) -> list[str]:
    """Return ``argv`` so that it runs under the supervisor, which confines it as ``given`` says: not at all, if nothing
    is given."""
    nothing: dict[str, Any] = {
        "parent": os.getpid(),
        "folder": "/",
        "environment": {},
        "user": None,
        "landlock": False,
        "filter": "",
        "limits": {},
        "failed": FAILED,
    }
    return [sys.executable, "-I", str(SUPERVISOR), json.dumps({**nothing, **given}), *argv]


async def limited(
    watched: Callable[[Group | None], list[str]],
    command: Command,
    cgroups: Cgroups | None,
    *,
    scratch: Path | None = None,
    **options: Any,
) -> tuple[Execution, bytes]:
    """Run ``watched``, given the control group, as `bounded` does; where there can be none, under the watchdog.

    ``scratch`` is the folder that the command may write to, where that has no bound of its own.
    """
    options |= {"seconds": command.seconds, "output_bytes": command.output_bytes}
    options["watch"] = partial(
        watch,
        memory_bytes=command.memory_bytes if cgroups is None else None,
        processes=command.processes if cgroups is None else None,
        scratch=scratch,
        scratch_bytes=command.tmp_bytes,
    )
    if cgroups is None:
        return await bounded(watched(None), **options)
    with cgroups.group(command.memory_bytes, command.processes) as group:
        execution, report = await bounded(watched(group), **options)
        if group.out_of_memory() and execution.ended is None:
            ended = f"memory limit of {command.memory_bytes:,} bytes"
            execution = execution.model_copy(update={"ended": ended, "exit_code": None})
    return execution, report


def means(cgroups: Cgroups | None) -> str:
    """Return what the limits rest on, in words."""
    return cgroups.name if cgroups else "watchdog"
