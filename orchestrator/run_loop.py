"""The run: plan, milestones in order, final verification, report. Whatever ends it early, the report is written."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import traceback
from collections.abc import Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog

from orchestrator.attempt import Work
from orchestrator.evidence.collect import Subject
from orchestrator.ledger import Ledger
from orchestrator.memory import remember_milestone
from orchestrator.milestone_loop import run_milestone
from orchestrator.planning import make_plan
from orchestrator.report.compile import compile_report
from orchestrator.report.write import read_report, write_report
from orchestrator.team import Team
from orchestrator.workspace.deliver import finishing_files
from orchestrator.workspace.layout import write_milestone
from schemas.errors import AgentFailure, DoesNotFit, ExitCode, MilepostError, Unavailable
from schemas.evidence import Evidence
from schemas.idea import AcceptanceCheck
from schemas.milestone import Milestone, Plan, Status
from schemas.report import FinalReport

__all__ = ["ending", "resumable", "run", "until_stopped"]

T = TypeVar("T")


class Models(Protocol):
    """What is given back when a run is over."""

    async def close(self) -> None:
        """Close each model once."""


async def run(team: Team) -> tuple[FinalReport, ExitCode]:
    """Run, or take up again, the run that ``team`` works on. A resumed run takes the same way: what the journal
    holds already is not asked or measured again."""
    ledger = Ledger()
    evidence: Evidence | None = None
    stopped: BaseException | None = None
    with structlog.contextvars.bound_contextvars(run=team.files.name):
        team.events.write(
            "run_started",
            idea=team.idea.name,
            idea_digest=team.idea.digest,
            models=team.info.models,
            sandbox=team.laboratory.sandbox.name,
        )
        try:
            for note in team.project.begin():
                team.events.write("note", text=note)
                team.watcher.note(note)
            plan = await make_plan(team.runner, team.idea)
            await _milestones(team, plan, ledger)
        except (Exception, asyncio.CancelledError) as error:
            stopped = error
        try:
            accepted = _deliver(team, ledger)
            team.project.settle(ended=stopped is None)
            for note in team.project.notes:
                team.events.write("note", text=note)
                team.watcher.note(note)
            if accepted and team.project.held and not isinstance(stopped, asyncio.CancelledError):
                evidence = await _verify(team, ledger, accepted)
        except asyncio.CancelledError as error:
            stopped = error
        except Exception as error:
            stopped = stopped or error
        try:
            return _finish(team, ledger, evidence, stopped)
        except (OSError, Unavailable) as error:  # e.g. a full disk, that leaves no room for a report either
            raise (stopped if isinstance(stopped, OSError | Unavailable) else error) from None


async def until_stopped(work: Coroutine[Any, Any, T], team: Team, models: Models) -> T:
    """Do ``work`` of a run, and give back what the run holds; SIGTERM, and SIGHUP of a terminal that is closed, end it
    as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  (we are in one)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # as under nohup
            asyncio.get_running_loop().add_signal_handler(ending, task.cancel)
    try:
        return await work
    finally:
        with contextlib.suppress(asyncio.CancelledError):  # all is written: an interrupt has nothing to stop any more,
            await asyncio.sleep(0)  # and arrives here
        await models.close()
        team.events.close()


async def _milestones(team: Team, plan: Plan, ledger: Ledger) -> None:
    """Run each milestone behind its dependencies; a failed dependency blocks its dependents."""
    ledger.notes += plan.notes
    for milestone in plan.milestones:
        _note(team, ledger, milestone)
    ledger.files = team.project.files()
    for milestone in plan.milestones:
        broken = next((d for d in milestone.dependencies if ledger.milestones[d].status is not Status.ACCEPTED), None)
        if broken is not None:
            blocked = milestone.model_copy(update={"status": Status.BLOCKED, "blocked_by": broken})
            _note(team, ledger, blocked)
            continue
        work = Work(
            files=dict(ledger.files),
            base=ledger.files,
            checks=_due(team, ledger, milestone),
            quarantined=ledger.quarantined,
            collected=set(ledger.collected),
            nearby=frozenset(path for d in milestone.dependencies for path in ledger.homes[d]),
        )
        try:
            result = await run_milestone(team, milestone, work, partial(_note, team, ledger))
        finally:
            ledger.rulings += work.rulings
            if work.evidence is not None and not ledger.files:
                ledger.best, ledger.best_at, ledger.tests = work.files, work.best_at, work.evidence.generated
        if result.status is Status.ACCEPTED:
            ledger.files, ledger.quarantined = team.project.files(), work.quarantined
            ledger.collected, ledger.tests = work.collected, result.attempts[-1].tests
            ledger.homes[milestone.id] = sorted(work.blueprint.skeletons) if work.blueprint else []
        else:
            # What was accepted stays clean; where nothing was, the best attempt is what there is to show.
            team.project.replace(ledger.files or ledger.best)
            team.project.commit(f"{milestone.id} was not accepted")
        if work.stopped is not None:
            raise work.stopped
        remember_milestone(team, result, work)


def _note(team: Team, ledger: Ledger, milestone: Milestone) -> None:
    ledger.milestones[milestone.id] = milestone
    write_milestone(team.files, milestone)
    team.watcher.milestone_changed(milestone)


def _due(team: Team, ledger: Ledger, milestone: Milestone) -> list[AcceptanceCheck]:
    """The sealed checks that must hold once ``milestone`` is done: its own and those of accepted ones."""
    done = [m for m in ledger.milestones.values() if m.status is Status.ACCEPTED or m.id == milestone.id]
    ids = {criterion.check for m in done for criterion in m.acceptance_criteria}
    return [check for check in team.idea.acceptance if check.id in ids]


def _finish(
    team: Team, ledger: Ledger, evidence: Evidence | None, stopped: BaseException | None
) -> tuple[FinalReport, ExitCode]:
    """Write the report, unless an earlier sitting came further. Nothing is awaited: an interrupt can't come between."""
    for milestone in list(ledger.milestones.values()):
        if milestone.status is Status.RUNNING:
            _note(team, ledger, milestone.model_copy(update={"status": Status.STOPPED}))
    reason, code = ending(team, stopped)
    earlier = read_report(team.files) if reason is not None else None
    further = reason is not None and (
        not team.project.held or _further(earlier, ledger, beyond=team.project.beyond, verified=evidence is not None)
    )
    if further:
        reason = f"{str(reason).rstrip('.')}. {_what_stays(team, earlier)}"
    if further and earlier is not None:
        report = earlier.model_copy(update={"stopped_by": reason})
        for milestone in earlier.milestones:
            write_milestone(team.files, milestone)
    else:
        report = compile_report(team, ledger, evidence, reason, resumable=resumable(stopped))
        write_report(team.files, report)
    team.events.write("run_finished", verdict=report.verdict, reason=reason, seconds=round(team.budget.seconds, 1))
    ended = {"status": report.verdict, "reason": reason, "log_end": team.events.end}
    team.files.save(team.info.model_copy(update={"seconds": team.budget.seconds, **ended}))
    if code is not None:
        return report, code
    return report, ExitCode.OK if report.verdict == "accepted" else ExitCode.NOT_ACCEPTED


def _further(earlier: FinalReport | None, ledger: Ledger, *, beyond: bool, verified: bool) -> bool:
    """Whether more was accepted in an earlier sitting; where this one has not come ``beyond`` the project that it left,
    whether more was planned, tried or written, or what is accepted was not ``verified`` this time."""
    before, now = (_progress(ms) for ms in (earlier.milestones if earlier else [], list(ledger.milestones.values())))
    if beyond:
        return before[:1] > now[:1]
    return before > now or (before == now and before[0] > 0 and not verified)


def _progress(milestones: list[Milestone]) -> tuple[int, ...]:
    accepted = sum(milestone.status is Status.ACCEPTED for milestone in milestones)
    written = sum(bool(m.specification) + bool(m.architecture) for m in milestones)
    return accepted, len(milestones), sum(len(m.attempts) for m in milestones), written


def _what_stays(team: Team, earlier: FinalReport | None) -> str:
    """Say what there still is of an earlier sitting, as this one was stopped before it came as far."""
    what = [*([] if team.project.held else ["project"]), *(["report"] if earlier else [])]
    before, now = set(earlier.models) if earlier else set(), set(team.info.models.values())
    models = f" with {', '.join(sorted(before))} (this time: {', '.join(sorted(now))})" if before - now else ""
    stays = f"An earlier session came further; what it left stays: {' and '.join(what)}"
    return f"{stays}. To go on from there, resume{models}"


def resumable(stopped: BaseException | None) -> bool:
    """Whether a resumed run can come further: an answer that was of no use is in the journal and stays so."""
    return not isinstance(stopped, AgentFailure) or isinstance(stopped, DoesNotFit)


def ending(team: Team, stopped: BaseException | None) -> tuple[str | None, ExitCode | None]:
    """Return why the run ended early, and the exit code for that; None where it did not."""
    if stopped is None:
        return None, None
    if isinstance(stopped, asyncio.CancelledError):
        return "interrupted", ExitCode.INTERRUPTED
    if isinstance(stopped, MilepostError):
        return str(stopped), stopped.exit_code
    if isinstance(stopped, OSError):
        return str(stopped), ExitCode.BAD_INPUT
    team.events.write("internal_error", level="error", traceback="".join(traceback.format_exception(stopped)))
    said = f"an error in Milepost itself, {type(stopped).__name__}: {str(stopped)[:300]} (the log has the traceback)"
    return said, ExitCode.NOT_ACCEPTED


def _deliver(team: Team, ledger: Ledger) -> list[Milestone]:
    """Return the accepted milestones. If there are any, the project becomes what was accepted, without the attempt that
    may have been cut short, and gets what makes it stand alone; if not, it becomes the best that was measured."""
    accepted = [m for m in ledger.milestones.values() if m.status is Status.ACCEPTED]
    if not accepted:
        if ledger.best and team.project.files() != ledger.best:
            team.project.replace(ledger.best)
            team.project.commit("Go back to the best state that was measured")
        return []
    team.project.replace(ledger.files)
    team.project.add(finishing_files(team, ledger.files, accepted, ledger.quarantined))
    team.project.commit("Add what the project needs to stand alone", tag="delivered")
    return accepted


async def _verify(team: Team, ledger: Ledger, accepted: list[Milestone]) -> Evidence:
    """Measure everything once more on what is delivered, with every sealed check, holdouts included."""
    subject = Subject(
        files=team.project.files(),
        idea=team.idea,
        checks=team.idea.acceptance,
        runs_program=any(m.runs_program for m in accepted),
        quarantined=ledger.quarantined,
    )
    return await team.laboratory.scrutinise(subject)
