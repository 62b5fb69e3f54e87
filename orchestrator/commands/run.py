"""``milepost run`` and ``milepost resume``."""

from __future__ import annotations

import argparse
import asyncio
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from orchestrator.commands.refine import resume_program
from orchestrator.commands.settings import settings_for
from orchestrator.compose import build_models, build_sandbox, build_team, cache_folder
from orchestrator.config import Loaded
from orchestrator.evidence.environment import ensure_environment
from orchestrator.idea_file import load_idea, parse_idea
from orchestrator.journal.events import damaged
from orchestrator.run_loop import run, until_stopped
from orchestrator.terminal import Terminal, view_for
from orchestrator.workspace.layout import RunFiles, RunInfo, check_name, new_run, open_run
from orchestrator.workspace.project import find_git
from schemas.errors import ExitCode, InputError
from schemas.idea import Idea
from schemas.report import FinalReport

__all__ = ["resume_command", "run_command"]


def run_command(options: argparse.Namespace) -> ExitCode:
    """Start a new run."""
    idea, text = load_idea(options.idea)
    settings = settings_for(options, options.idea.parent)
    reuse = [open_run(options.workspace.absolute(), options.reuse).name] if options.reuse else []
    if options.run_name is not None:  # said now, not after a download
        check_name(options.workspace.absolute(), options.run_name)
    return _go(options, idea, text, None, settings, reuse)


def resume_command(options: argparse.Namespace) -> ExitCode:
    """Take up a run where it stopped."""
    files = open_run(options.workspace.absolute(), options.run)
    info = files.load()
    if problems := damaged(files.events):  # before the run's record says that it goes on
        mend = f"{files.name} is not resumed: put the log back from a copy, or take such lines out of it"
        raise InputError(*problems[:5], mend)
    if info.kind == "program":
        return resume_program(options, files, info)
    idea = parse_idea(info.idea_text, f"the idea of {files.name}", recorded=True)
    if idea.digest != info.idea_digest:
        raise InputError(
            f"{files.info}: the idea or its sealed checks were changed since the run began; start a new run"
        )
    settings = settings_for(options, Path(info.idea_path).parent, info.settings)
    return _go(options, idea, info.idea_text, (files, info), settings, info.reuse)


def _go(
    options: argparse.Namespace,
    idea: Idea,
    text: str,
    begun: tuple[RunFiles, RunInfo] | None,
    loaded: Loaded,
    reuse: Sequence[str],
) -> ExitCode:
    """Run, or resume what was ``begun``, show it, and print where the report is. Nothing is written before all that
    is needed is there."""
    console = Terminal()
    settings = loaded.settings
    with view_for(console, quiet=options.quiet, debug=options.debug) as view:
        find_git()
        environment = ensure_environment(cache_folder(settings), list(idea.constraints.dependencies))
        sandbox = build_sandbox(settings, environment, unsafe=options.unsafe_no_sandbox, say=view.note)
        models = build_models(settings, view.download)
        view.note(models.said)
        if options.unsafe_no_sandbox:
            view.note("WARNING: generated code runs unconfined, with all your rights (--unsafe-no-sandbox).")
        files = begun[0] if begun else new_run(options.workspace.absolute(), idea.slug, options.run_name)
        with files.locked():
            in_force = settings.public(), {agent: model.name for agent, model in models.by_agent.items()}
            info = (
                begun[1]
                if begun
                else RunInfo(
                    run=files.name,
                    created=datetime.now(UTC).isoformat(timespec="seconds"),
                    idea_path=str(options.idea.absolute()),
                    idea_text=text,
                    idea_digest=idea.digest,
                    settings=in_force[0],
                    models=in_force[1],
                    sandboxes=[],
                    reuse=list(reuse),
                )
            )
            info = info.begun_anew(*in_force, sandbox.name)
            _save_first(files, info)
            view.note(f"Run {files.name}: {idea.name}")
            others = tuple(RunFiles(files.workspace, name).logs for name in reuse)
            team = build_team(idea, files, info, settings, models, sandbox, environment, view, others)
            report, code = asyncio.run(until_stopped(run(team), team, models))
    _summary(console, report, files)
    return code


def _save_first(files: RunFiles, info: RunInfo) -> None:
    """Write the run's record; where it can't be, there is no run."""
    try:
        files.save(info)
    except OSError:
        if not files.info.exists():
            shutil.rmtree(files.logs, ignore_errors=True)
        raise


def _summary(console: Console, report: FinalReport, files: RunFiles) -> None:
    accepted = sum(m.status.value == "accepted" for m in report.milestones)
    tests = f"{report.tests.passed}/{report.tests.total} tests" if report.tests else "no tests"
    checks = (
        f", {sum(a.proof == 'passed' for a in report.acceptance)}/{len(report.acceptance)} checks"
        if report.acceptance
        else ""
    )
    lines = [f"{report.verdict.upper()}: {accepted} of {len(report.milestones)} milestones, {tests}{checks}"]
    if report.stopped_by:
        lines.append(f"Stopped: {report.stopped_by}")
        lines += [f"Go on:   milepost resume {report.run}"] if report.resumable else []
    where = files.generated
    if where.is_relative_to(Path.cwd()):
        where = where.relative_to(Path.cwd())
    lines += [f"Report:  {where}/report.md", f"Project: {where}/project", f"Log:     milepost logs {report.run}"]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
