"""``milepost refine``: one program, generated, scored, refined, and really run."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import structlog
from rich.console import Console

from orchestrator.commands.settings import settings_for
from orchestrator.compose import Models, build_models, build_sandbox, build_team, cache_folder
from orchestrator.config import Loaded, RefineSettings, Settings
from orchestrator.evidence.environment import Environment, ensure_environment
from orchestrator.refine_loop import Rounds, refine_program
from orchestrator.report.program import read_program, write_program
from orchestrator.report.totals import cost_of, totals
from orchestrator.run_loop import ending, resumable, until_stopped
from orchestrator.sandbox.port import Sandbox
from orchestrator.team import Team, Watcher
from orchestrator.terminal import Terminal, view_for
from orchestrator.text import harmless
from orchestrator.workspace.layout import RunFiles, RunInfo, check_name, new_run
from schemas.base import digest_of
from schemas.call import Usage
from schemas.errors import ExitCode, InputError
from schemas.evidence import Execution
from schemas.idea import Idea
from schemas.refinement import PROGRAM, Refinement, Round

__all__ = ["program_info", "program_team", "refine_command", "resume_program"]

MAX_PROMPT = 60_000

TEXTS = (".txt", ".md", ".markdown", ".rst", ".yaml", ".yml")
"""How names of files end that a task may be in …"""
NAME_WORDS = 3
"""… and of how many words they are at most taken to be."""


def refine_command(options: argparse.Namespace) -> ExitCode:
    """Start with a new program."""
    prompt, path = _prompt(options.prompt)
    loaded = settings_for(options, path.parent if path else Path())
    if options.run_name is not None:
        check_name(options.workspace.absolute(), options.run_name)
    return _go(options, prompt, str(path.absolute()) if path else "", None, loaded)


def resume_program(options: argparse.Namespace, files: RunFiles, info: RunInfo) -> ExitCode:
    """Take up the program of ``files`` where it stopped."""
    if digest_of(info.idea_text) != info.idea_digest:
        raise InputError(f"{files.info}: the task was changed since the run began; start a new one")
    beside = Path(info.idea_path).parent if info.idea_path else Path()
    return _go(options, info.idea_text, info.idea_path, (files, info), settings_for(options, beside, info.settings))


def _prompt(text: str) -> tuple[str, Path | None]:
    """Return what shall be written, and the file that says it, if it was given as one."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError("the task, or the name of its file, is not UTF-8 text") from None
    if not text.strip():
        raise InputError("the task is empty: say what the program shall do")
    path = Path(text) if "\n" not in text and len(text) < 1_000 and "\0" not in text else None
    try:
        if path is not None and path.is_file():
            if path.stat().st_size > 4 * MAX_PROMPT:
                raise InputError(f"{path}: is too large; a task may have at most {MAX_PROMPT:,} characters")
            text = path.read_text(encoding="utf-8")
        elif path is not None and path.is_dir():
            raise InputError(f"{text}: is a folder; give a file, or the task itself in words")
        elif path is not None and (path.suffix or "/" in text) and " " not in text.strip():
            raise InputError(f"{text}: there is no such file; give a file, or the task itself in words")
        elif path is not None and path.suffix.lower() in TEXTS and len(text.split()) <= NAME_WORDS:
            # A model that takes it for the task costs money.
            raise InputError(f"{text}: there is no such file. If it is the task itself, end it with a full stop")
        else:
            path = None
    except UnicodeDecodeError as error:
        raise InputError(f"{text}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{text}: can't be read: {error.strerror}") from None
    if not text.strip():
        raise InputError(f"{path}: the task is empty: say what the program shall do")
    if len(text) > MAX_PROMPT:
        raise InputError(f"the task has {len(text):,} characters; at most {MAX_PROMPT:,} are taken")
    return text.strip("\n"), path


def _go(
    options: argparse.Namespace, prompt: str, path: str, begun: tuple[RunFiles, RunInfo] | None, loaded: Loaded
) -> ExitCode:
    console = Terminal()
    settings = loaded.settings
    with view_for(console, quiet=options.quiet, debug=options.debug) as view:
        environment = ensure_environment(cache_folder(settings), [])
        sandbox = build_sandbox(settings, environment, unsafe=options.unsafe_no_sandbox, say=view.note)
        models = build_models(settings, view.download)
        view.note(models.said)
        if options.unsafe_no_sandbox:
            view.note("WARNING: the program runs unconfined, with all your rights (--unsafe-no-sandbox).")
        name = getattr(options, "run_name", None)
        files = begun[0] if begun else new_run(options.workspace.absolute(), "program", name)
        with files.locked():
            info = begun[1] if begun else program_info(files, prompt, path, settings, models)
            view.note(f"Run {files.name}")
            team = program_team(files, info, settings, models, sandbox, environment, view)
            result, code = asyncio.run(until_stopped(_refine(team, prompt, settings.refine), team, models))
    _show(console, result, files, quiet=options.quiet)
    return code


def program_team(
    files: RunFiles,
    info: RunInfo,
    settings: Settings,
    models: Models,
    sandbox: Sandbox,
    environment: Environment,
    watcher: Watcher,
) -> Team:
    """Put together what works on the program of ``info``, and write that down."""
    names = {agent: model.name for agent, model in models.by_agent.items()}
    info = info.begun_anew(settings.public(), names, sandbox.name)
    files.save(info)
    idea = _idea(info.idea_text, settings.refine)
    return build_team(idea, files, info, settings, models, sandbox, environment, watcher, brief="program")


def program_info(files: RunFiles, prompt: str, path: str, settings: Settings, models: Models) -> RunInfo:
    """Return the record of a new run for the task ``prompt``."""
    return RunInfo(
        run=files.name,
        kind="program",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        idea_path=path,
        idea_text=prompt,
        idea_digest=digest_of(prompt),
        settings=settings.public(),
        models={agent: model.name for agent, model in models.by_agent.items()},
        sandboxes=[],
    )


def _idea(prompt: str, settings: RefineSettings) -> Idea:
    """Return the task in the shape that the laboratory knows."""
    first = " ".join(prompt.split())[:400]
    return Idea(name="program", summary=first, features=[first], run=f"python {PROGRAM}" if settings.run else None)


async def _refine(team: Team, prompt: str, settings: RefineSettings) -> tuple[Refinement, ExitCode]:
    """Run the loop, then the program, and write both down, however it ends."""
    rounds, good, refusal = Rounds(), False, ""
    stopped: BaseException | None = None
    structlog.contextvars.bind_contextvars(run=team.files.name)
    team.events.write("run_started", task=prompt[:200], models=team.info.models, sandbox=team.laboratory.sandbox.name)
    try:
        good = await refine_program(team, prompt, settings, rounds)
    except (Exception, asyncio.CancelledError) as error:
        stopped = error
    best, execution = rounds.best, None
    try:
        if best is not None and settings.run and not isinstance(stopped, asyncio.CancelledError):
            execution = await team.laboratory.start({PROGRAM: best.program}, ("python", PROGRAM), settings.seconds)
            refusal = _refusal(execution, best) if good else ""
    except asyncio.CancelledError as error:
        stopped = error
    except Exception as error:
        stopped = stopped or error
    reason, code = ending(team, stopped)
    agents = totals(team)
    result = Refinement(
        run=team.files.name,
        prompt=prompt,
        verdict="stopped" if reason else "accepted" if good and not refusal else "not accepted",
        stopped_by=reason,
        resumable=resumable(stopped),
        min_score=settings.min_score,
        rounds=rounds.done,
        best=best.number if best else None,
        execution=execution,
        refusal=refusal,
        models=sorted({a.model for a in agents} or set(team.info.models.values())),
        usage=sum((a.usage for a in agents), Usage()),
        cost_usd=cost_of(agents),
        seconds=round(team.budget.seconds, 1),
        sandbox=", then ".join(dict.fromkeys([*team.info.sandboxes, team.laboratory.sandbox.name])),
        log=str(team.files.events.relative_to(team.files.workspace)),
    )
    earlier = read_program(team.files) if reason else None
    if earlier is not None and (earlier.verdict == "accepted" or (not good and len(earlier.rounds) > len(rounds.done))):
        before = ", ".join(sorted(earlier.models))
        said = f"{str(reason).rstrip('.')}. An earlier session came further; its program and report stay"
        reason = f"{said}. To go on from there, resume with {before}"
        result = earlier.model_copy(update={"stopped_by": reason})
    else:
        write_program(team.files, result)
    seconds = round(team.budget.seconds, 1)
    team.events.write("run_finished", verdict=result.verdict, reason=reason, seconds=seconds)
    ended = {"status": result.verdict, "reason": reason, "log_end": team.events.end}
    team.files.save(team.info.model_copy(update={"seconds": team.budget.seconds, **ended}))
    return result, code if code is not None else ExitCode.OK if good and not refusal else ExitCode.NOT_ACCEPTED


def _refusal(execution: Execution, best: Round) -> str:
    """Say what speaks against a program that reached the bar, now that it was run once more."""
    measured = best.evidence.program
    serves = measured is not None and measured.ok and measured.exit_code is None
    if execution.ended and not (serves and execution.ended.startswith("time limit")):
        return f"in the end it did not come to its end: {execution.ended} (refine.seconds)"
    if execution.exit_code:
        return f"in the end it ended with exit code {execution.exit_code}"
    return ""


def _show(console: Console, result: Refinement, files: RunFiles, *, quiet: bool) -> None:
    """Print the verdict, where things are, and what the program printed."""
    best = result.delivered
    score = "no program" if best is None else "unscored" if best.score is None else f"score {best.score:.1f}"
    lines = [f"{result.verdict.upper()}: {score} of at least {result.min_score:g}, {len(result.rounds)} rounds"]
    if result.refusal:
        lines.append(f"Why:     {result.refusal}")
    if result.stopped_by:
        lines.append(f"Stopped: {result.stopped_by}")
        lines += [f"Go on:   milepost resume {result.run}"] if result.resumable else []
    where = files.generated.relative_to(Path.cwd()) if files.generated.is_relative_to(Path.cwd()) else files.generated
    if best is not None:
        lines.append(f"Program: {where}/{PROGRAM}")
        lines += [f"Doubt:   {flag}" for flag in best.flags]
    lines += [f"Report:  {where}/report.md", f"Log:     milepost logs {result.run}"]
    if result.execution is not None:
        ended = result.execution.ended or f"exit code {result.execution.exit_code}"
        lines.append(f"Ran as process {result.execution.pid}: {ended}, {result.execution.duration_ms} ms")
    # Why it did not come to its end, and what there is of it, is a part of the result.
    for line in lines[:1] if quiet and not result.stopped_by else lines:
        console.print(harmless(line), markup=False, highlight=False, soft_wrap=True)
    if result.execution is not None:
        for text, stream in ((result.execution.stdout, sys.stdout), (result.execution.stderr, sys.stderr)):
            stream.write(harmless(text))
            stream.flush()
