"""``milepost runs`` and ``milepost report``."""

from __future__ import annotations

import argparse
import sys

from orchestrator.terminal import Terminal
from orchestrator.text import harmless
from orchestrator.workspace.layout import RunFiles, find_runs, open_run
from schemas.errors import ExitCode, InputError

__all__ = ["report_command", "runs_command"]

REASON = 120
"""Characters of a reason that the list shows; the report has it whole."""


def report_command(options: argparse.Namespace) -> ExitCode:
    """Print a run's report."""
    files = open_run(options.workspace, options.run)
    path = files.generated / ("report.json" if options.json else "report.md")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: {_why_missing(files)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start + 1}); {_again(files)}") from None
    sys.stdout.write(text)
    return ExitCode.OK


def _why_missing(files: RunFiles) -> str:
    if files.load().status != "running":
        return f"its report is missing; {_again(files)}"
    if files.under_way:
        return "there is no report yet: the run goes on"
    return f"there is no report yet: the run was killed; `milepost resume {files.name}` goes on"


def _again(files: RunFiles) -> str:
    """Say how a run that came to an end gets its report again: all of its calls are on record."""
    ended = files.load().status in ("accepted", "not accepted")
    return (
        f"`milepost resume {files.name}` {'writes it again without new calls' if ended else 'goes on, and writes one'}"
    )


def runs_command(options: argparse.Namespace) -> ExitCode:
    """List the runs of the workspace."""
    if not options.workspace.is_dir():
        raise InputError(f"--workspace {options.workspace}: there is no such folder")
    console = Terminal()
    runs = find_runs(options.workspace)
    for files in runs:
        console.print(_line(files), markup=False, highlight=False, soft_wrap=True)
    if not runs:
        console.print("No runs yet. `milepost run IDEA` starts one; `milepost init` writes an idea file.")
    return ExitCode.OK


def _line(files: RunFiles) -> str:
    try:
        info = files.load()
    except (InputError, OSError) as error:  # one damaged record hides no other run
        return f"{files.name:<44} damaged: {error}"
    status = "killed" if info.status == "running" and not files.under_way else info.status
    reason = " ".join(harmless(info.reason or "").split())
    reason = reason if len(reason) <= REASON else f"{reason[: REASON - 1]}…"
    return f"{files.name:<44} {status:<13} {info.created[:19]}Z {info.seconds / 60:6.1f} min  {reason}".rstrip()
