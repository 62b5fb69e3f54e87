"""Running one command within the limits that hold for all its processes together."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.sandbox.cgroup import Cgroups
from orchestrator.sandbox.port import Command
from orchestrator.sandbox.process import bounded
from orchestrator.sandbox.watchdog import watch
from schemas.evidence import Execution

__all__ = ["FAILED", "limited", "means", "supervised"]

SUPERVISOR = Path(__file__).with_name("supervisor.py").resolve()
FAILED = "supervisor:"
"""What the supervisor writes first to standard error, with exit code 126, where it can't confine the command."""


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
    # Without site: nothing of it is needed, but for Landlock's package.
    quick = [] if given.get("landlock") else ["-S"]
    return [sys.executable, "-I", *quick, str(SUPERVISOR), json.dumps({**nothing, **given}), *argv]


async def limited(
    argv: Sequence[str], command: Command, cgroups: Cgroups | None, *, scratch: Path | None = None, **options: Any
) -> tuple[Execution, bytes]:
    """Run ``argv`` as `bounded` does, in a control group where there can be one, else under the watchdog.

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
        return await bounded(argv, **options)
    with cgroups.group(command.memory_bytes, command.processes) as group:
        execution, report = await bounded(group.entering(list(argv)), **options)
        if group.out_of_memory() and execution.ended is None:
            ended = f"memory limit of {command.memory_bytes:,} bytes"
            execution = execution.model_copy(update={"ended": ended, "exit_code": None})
    return execution, report


def means(cgroups: Cgroups | None) -> str:
    """Return what the limits rest on, in words."""
    return cgroups.name if cgroups else "watchdog"
