"""What each command of the command line does."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from orchestrator.compose import build_models, build_sandbox, build_team, cache_folder
from orchestrator.config import Loaded, load_settings, read_env_file
from orchestrator.files import write_text
from orchestrator.idea_file import load_idea, parse_idea
from orchestrator.journal.events import read_events, verify
from orchestrator.journal.store import RecordStore
from orchestrator.run_loop import run
from orchestrator.terminal import view_for
from orchestrator.workspace.layout import RunFiles, RunInfo, find_runs, new_run, open_run
from schemas.call import CallRecord
from schemas.errors import ExitCode, InputError, MilepostError, Unavailable
from schemas.idea import Idea
from schemas.report import FinalReport

__all__ = [
    "doctor_command",
    "fetch_command",
    "init_command",
    "logs_command",
    "report_command",
    "resume_command",
    "run_command",
    "runs_command",
]


def run_command(options: argparse.Namespace) -> ExitCode:
    """Start a new run."""
    idea, text = load_idea(options.idea)
    settings = _settings(options, options.idea.parent)
    reuse = (open_run(options.workspace, options.reuse).logs,) if options.reuse else ()
    files = new_run(options.workspace.absolute(), idea.slug, options.run_name)
    return _go(options, idea, text, files, None, settings, reuse)


def resume_command(options: argparse.Namespace) -> ExitCode:
    """Take up a run where it stopped."""
    files = open_run(options.workspace.absolute(), options.run)
    info = files.load()
    idea = parse_idea(info.idea_text, f"the idea of {files.name}")
    if idea.digest != info.idea_digest:
        raise InputError(
            f"{files.info}: the idea or its sealed checks were changed since the run began; start a new run"
        )
    return _go(options, idea, info.idea_text, files, info, _settings(options, Path()), ())


def _go(
    options: argparse.Namespace,
    idea: Idea,
    text: str,
    files: RunFiles,
    info: RunInfo | None,
    loaded: Loaded,
    reuse: tuple[Path, ...],
) -> ExitCode:
    """Run or resume, show it, and print where the report is. Nothing is written before all that is needed is there."""
    console = Console()
    settings = loaded.settings
    with view_for(console, quiet=options.quiet, debug=options.debug) as view:
        sandbox = build_sandbox()
        models = build_models(settings, view.download)
        view.note(models.said)
        if info is None:
            info = RunInfo(
                run=files.name,
                created=_now(),
                idea_text=text,
                idea_digest=idea.digest,
                settings=settings.public(),
                models={agent: model.name for agent, model in models.by_agent.items()},
                sandbox=sandbox.name,
            )
            files.save(info)
        view.note(f"Run {files.name}: {idea.name}")
        team = build_team(idea, files, info, settings, models, sandbox, view, reuse)

        async def work() -> tuple[FinalReport, ExitCode]:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  (we are in one)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            try:
                return await run(team)
            finally:
                await models.close()
                team.events.close()

        report, code = asyncio.run(work())
    _summary(console, report, files, options.workspace)
    return code


def _summary(console: Console, report: FinalReport, files: RunFiles, workspace: Path) -> None:
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
        lines.append(f"Go on:   milepost resume {report.run}")
    where = files.generated
    if where.is_relative_to(Path.cwd()):
        where = where.relative_to(Path.cwd())
    lines += [f"Report:  {where}/report.md", f"Project: {where}/project", f"Log:     milepost logs {report.run}"]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def report_command(options: argparse.Namespace) -> ExitCode:
    """Print a run's report."""
    files = open_run(options.workspace, options.run)
    path = files.generated / ("report.json" if options.json else "report.md")
    if not path.exists():
        raise InputError(
            f"{path}: there is no report yet; the run has not ended. `milepost resume {files.name}` goes on."
        )
    sys.stdout.write(path.read_text(encoding="utf-8"))
    return ExitCode.OK


def logs_command(options: argparse.Namespace) -> ExitCode:
    """List agent calls, show one whole, or verify the log."""
    files = open_run(options.workspace, options.run)
    store = RecordStore(files.logs)
    if options.verify:
        return _verify(files, store)
    if options.call:
        return _show(files, store, options.call)
    wanted = {
        name: value
        for name in ("agent", "milestone", "attempt", "outcome")
        if (value := getattr(options, name)) is not None
    }
    console = Console()
    shown = 0
    for event in read_events(files.events):
        if event.get("event") != "agent_call" or any(event.get(n) != v for n, v in wanted.items()):
            continue
        shown += 1
        if options.json:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
            continue
        console.print(
            f"{event['timestamp'][:19]}Z {event.get('milestone') or '-':<4} {event.get('attempt') or '-'} "
            f"{event['agent']:<9} {event['outcome']:<14} {event['duration_ms'] / 1000:7.1f}s "
            f"{event['gen_ai.usage.output_tokens']:>6} out  "
            f"{(event.get('call') or '')[:12]:<12} {event['output'][:60]}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if not shown and not options.json:
        console.print("No call fits." if wanted else "No calls yet.")
    return ExitCode.OK


def _show(files: RunFiles, store: RecordStore, digest: str) -> ExitCode:
    names = [p.stem for p in (files.logs / "calls").glob("*.json")]
    found = [name for name in names if name.startswith(digest)]
    if len(found) != 1:
        raise InputError(
            f"--call {digest}: {len(found)} calls of {files.name} begin so; `milepost logs {files.name}` lists them"
        )
    record = store.find(found[0])
    if record is None:
        raise InputError(f"{files.logs}/calls/{found[0]}.json: is damaged")
    sys.stdout.write(_whole(record))
    return ExitCode.OK


def _whole(record: CallRecord) -> str:
    request, reply, usage = record.request, record.reply, record.reply.usage
    lines = [
        f"call      {record.digest}",
        f"agent     {request.agent}",
        f"model     {request.model} (answered by {reply.model})",
        f"time      {record.timestamp}, {record.duration_ms} ms",
        f"tokens    {usage.input_tokens} in, {usage.output_tokens} out, "
        f"cache {usage.cache_read_tokens} read, {usage.cache_write_tokens} written",
        f"cost      {'not measured' if record.cost_usd is None else f'${record.cost_usd:.6f}'}",
        f"asked     max_tokens={request.max_tokens} temperature={request.temperature} sample={request.sample} "
        f"schema={'yes' if request.output_schema else 'no'}",
        "",
        "─── system",
        request.system,
    ]
    for message in request.messages:
        lines += ["", f"─── {message.role}", message.content]
    lines += ["", f"─── reply ({reply.stop_reason})", reply.text, ""]
    return "\n".join(lines)


def _verify(files: RunFiles, store: RecordStore) -> ExitCode:
    problems = verify(files.events)
    events = list(read_events(files.events))
    for event in events:
        digest = event.get("call")
        if event.get("event") != "agent_call" or not digest:
            continue
        record = store.find(digest)
        if record is None:
            problems.append(f"{files.logs}/calls/{digest}.json: is missing or damaged")
        elif record.request.digest != digest:
            problems.append(f"{files.logs}/calls/{digest}.json: its request was changed")
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{files.events}: {len(events)} lines, the chain is whole and every call's record is there.")
    return ExitCode.NOT_ACCEPTED if problems else ExitCode.OK


def runs_command(options: argparse.Namespace) -> ExitCode:
    """List the runs of the workspace."""
    console = Console()
    runs = find_runs(options.workspace)
    for files in runs:
        info = files.load()
        line = (
            f"{files.name:<44} {info.status:<13} {info.created[:19]}Z {info.seconds / 60:6.1f} min  {info.reason or ''}"
        )
        console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
    if not runs:
        console.print("No runs yet. `milepost run IDEA` starts one; `milepost init` writes an idea file.")
    return ExitCode.OK


def init_command(options: argparse.Namespace) -> ExitCode:
    """Write a commented idea file."""
    if options.file.exists():
        raise InputError(f"{options.file}: exists already; give another name")
    write_text(options.file, IDEA_TEMPLATE)
    print(f"Wrote {options.file}. Edit it, then: milepost run {options.file}")
    return ExitCode.OK


def doctor_command(options: argparse.Namespace) -> ExitCode:
    """Say what is in force and whether a run could start."""
    loaded = _settings(options, Path())
    settings = loaded.settings
    console = Console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"backend    {settings.effective_backend()}")
    for dotted, source in sorted(loaded.sources.items()):
        value = "(secret)" if dotted.endswith("api_key") else _dig(settings, dotted)
        say(f"setting    {dotted} = {value}   from {source}")
    code = ExitCode.OK
    try:
        say(f"sandbox    {build_sandbox().name}: ok")
    except Unavailable as error:
        say(f"sandbox    MISSING: {error}")
        code = ExitCode.UNAVAILABLE
    code = max(code, _doctor_model(settings.effective_backend(), loaded, say))
    return ExitCode(code)


def _doctor_model(backend: str, loaded: Loaded, say: Callable[[str], None]) -> ExitCode:
    from agents.models.fetch import CODER_1_5B, cached

    if backend == "embedded" and loaded.settings.embedded.path is None:
        folder = cache_folder(loaded.settings) / "models"
        if cached(CODER_1_5B, folder) is None:
            say(
                f"model      {CODER_1_5B.name} is not in {folder} yet; "
                "the first run fetches it (1.1 GB), or `milepost fetch`"
            )
            return ExitCode.OK
    try:
        say(f"model      {build_models(loaded.settings, lambda *_: None).said}")
    except MilepostError as error:
        say(f"model      MISSING: {error}")
        return error.exit_code
    return ExitCode.OK


def fetch_command(options: argparse.Namespace) -> ExitCode:
    """Download the embedded model."""
    from agents.models.fetch import CODER_1_5B, ensure

    settings = _settings(options, Path()).settings
    with view_for(Console(), quiet=options.quiet, debug=options.debug) as view:
        path = ensure(CODER_1_5B, cache_folder(settings) / "models", settings.embedded.path, view.download)
    if not options.quiet:
        print(f"The model is at {path}.")
    return ExitCode.OK


def _settings(options: argparse.Namespace, beside: Path) -> Loaded:
    """Load the settings; a ``.env`` in the current folder or beside the idea is read here and nowhere else."""
    environment = {**read_env_file(Path(".env")), **read_env_file(beside / ".env"), **os.environ}
    flags = {
        "backend": getattr(options, "backend", None),
        "attempts": getattr(options, "attempts", None),
        **{f"limits.{n}": getattr(options, f"max_{n}", None) for n in ("usd", "tokens", "minutes", "calls")},
    }
    return load_settings(options.config, environment, flags)


def _dig(settings: object, dotted: str) -> object:
    for name in dotted.split("."):
        settings = settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)
    return settings


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


IDEA_TEMPLATE = """\
# An idea for Milepost. Only name, summary and features are required.

name: My Tool
summary: One or two sentences that say what it is and for whom.
features:
  - the first thing that it must do
  - the second thing that it must do

# audience: who uses it
# constraints:
#   python: ">=3.11"
#   dependencies: []            # third-party packages that it may import, e.g. [fastapi, httpx]
#   non_functional:
#     - answers within a second

# How the finished program is started and shown:
# run: "python -m my_tool"

# Acceptance checks say what is right. They are sealed before the first call: no agent can change them.
# acceptance:
#   - id: AC1
#     statement: what must be true
#     check: |                  # Python; run as a test
#       from my_tool import answer
#       assert answer("question") == 42
#   - id: AC2
#     statement: the same, but never shown to an agent; used for the final verdict only
#     holdout: true
#     check: |
#       from my_tool import answer
#       assert answer("") is None

# The milestones, if you would rather plan them yourself:
# milestones:
#   - id: MVP
#     title: The core
#     description: What it does.
#     acceptance_criteria: [a statement that a test can check]
#     dependencies: []

# limits: {usd: 5, tokens: 400000, minutes: 60, attempts: 3}
"""
