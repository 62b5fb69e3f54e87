"""``milepost runs`` and ``milepost report``."""

from __future__ import annotations

import argparse
import sys

from orchestrator.terminal import Terminal
from orchestrator.workspace.layout import find_runs, open_run
from schemas.errors import ExitCode, InputError

__all__ = ["report_command", "runs_command"]


def report_command(options: argparse.Namespace) -> ExitCode:
    """Print a run's report."""
    files = open_run(options.workspace, options.run)
    path = files.generated / ("report.json" if options.json else "report.md")
    if not path.exists():
        raise InputError(
            f"{path}: there is no report yet; the run goes on, or was killed: then `milepost resume {files.name}`"
        )
    sys.stdout.write(path.read_text(encoding="utf-8"))
    return ExitCode.OK


def runs_command(options: argparse.Namespace) -> ExitCode:
    """List the runs of the workspace."""
    console = Terminal()
    runs = find_runs(options.workspace)
    for files in runs:
        try:
            info = files.load()
        except InputError as error:
            console.print(f"{files.name:<44} damaged: {error}", markup=False, highlight=False, soft_wrap=True)
            continue
        status = "killed" if info.status == "running" and not files.under_way else info.status
        line = f"{files.name:<44} {status:<13} {info.created[:19]}Z {info.seconds / 60:6.1f} min  {info.reason or ''}"
        console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
    if not runs:
        console.print("No runs yet. `milepost run IDEA` starts one; `milepost init` writes an idea file.")
    return ExitCode.OK
