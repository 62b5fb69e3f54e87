"""One milestone: attempt after attempt, each with the facts and the feedback of those before, until one passes."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from orchestrator.attempt import Attempt, Work
from orchestrator.controller import next_move
from orchestrator.memory import remember_attempt
from orchestrator.routing import walk
from orchestrator.stages import UNREADABLE
from orchestrator.team import Team
from schemas.errors import AgentFailure
from schemas.milestone import AttemptRecord, Milestone, Status

__all__ = ["run_milestone"]


async def run_milestone(team: Team, milestone: Milestone, work: Work, note: Callable[[Milestone], None]) -> Milestone:
    """Return ``milestone`` as accepted or failed; ``work.files`` then holds its best attempt.

    ``note`` is told of every change, so that a run that is stopped has lost no attempt.
    """
    milestone = _changed(note, milestone, status=Status.RUNNING)
    runner, higher = team.runner, team.runner.can_escalate("spec", "arch", "tester", "impl")
    for number in range(1, team.attempts + 1):
        move = next_move(milestone.attempts, team.rules, higher=higher)
        if move is None:
            team.watcher.note(
                f"{milestone.id}: no more attempts; {team.rules.patience} in a row brought no improvement"
            )
            break
        move = "refine" if move == "resample" and work.lacks_verdict else move
        runner = team.runner.escalated() if move == "escalate" else runner
        files = work.begin(afresh=move == "resample")
        with structlog.contextvars.bound_contextvars(milestone=milestone.id, attempt=number):
            team.events.write("attempt_started", move=move)
            await team.memory.settle(milestone.id)
            attempt = Attempt(
                team, milestone, work, number, move, runner, dict(files), work.evidence, findings=work.findings
            )
            try:
                record = await _attempt(attempt)
            except BaseException:  # what ends the run in an attempt leaves on record what that has come to
                _keep_measured(attempt)
                _recorded(note, milestone, work, _record(attempt, _stopped(attempt)))
                raise
        milestone = _recorded(note, milestone, work, record)
        if record.evaluation is not None and record.evaluation.passed and record.commit is not None:
            team.project.tag(f"accepted-{milestone.id}", record.commit)
            return _changed(note, milestone, status=Status.ACCEPTED, feedback=None)
        with structlog.contextvars.bound_contextvars(milestone=milestone.id, attempt=number):
            remember_attempt(attempt, record, files)
    return _changed(note, milestone, status=Status.FAILED)


async def _attempt(attempt: Attempt) -> AttemptRecord:
    """Run one attempt; an agent that gives nothing usable fails it."""
    failure = None
    try:
        await walk(attempt)
    except (AgentFailure, *UNREADABLE) as error:
        failure = str(error)[:1000]
        _keep_measured(attempt)
        attempt.team.events.write("attempt_failed", level="warning", reason=failure[:500])
    return _record(attempt, None if attempt.evaluation else failure or "it came to no verdict")


def _keep_measured(attempt: Attempt) -> None:
    """Let the state that was measured, and of which no verdict came, be the best one if it is."""
    if attempt.facts is not None and attempt.measured and attempt.evaluation is None:
        attempt.keep_best(attempt.facts, None)


def _stopped(attempt: Attempt) -> str:
    """Say that the run stopped in this attempt, and what there is of it."""
    work = attempt.work
    parts = {"specification": work.specification, "architecture": work.blueprint, "tests": work.tests}
    there = [name for name, part in {**parts, "code": attempt.commit}.items() if part]
    return f"the run stopped in attempt {attempt.number}; written so far: {', '.join(there) or 'nothing'}"


def _record(attempt: Attempt, failure: str | None) -> AttemptRecord:
    facts = attempt.facts if attempt.measured else None
    return AttemptRecord(
        number=attempt.number,
        move=attempt.move,
        route=attempt.route,
        better=attempt.better,
        commit=attempt.commit,
        tests=facts.generated if facts else None,
        acceptance=facts.acceptance if facts else None,
        strength=facts.strength if facts else None,
        untested=attempt.work.untested,
        disputed=attempt.work.disputed,
        evaluation=attempt.evaluation,
        findings=list(attempt.findings),
        passes=attempt.passes,
        failure=failure,
    )


def _recorded(note: Callable[[Milestone], None], milestone: Milestone, work: Work, record: AttemptRecord) -> Milestone:
    return _changed(
        note,
        milestone,
        attempts=[*milestone.attempts, record],
        feedback=_feedback(record),
        specification=work.specification,
        architecture=work.blueprint.architecture if work.blueprint else None,
    )


def _feedback(record: AttemptRecord) -> list[str]:
    return record.evaluation.feedback if record.evaluation else [record.failure or ""]


def _changed(note: Callable[[Milestone], None], milestone: Milestone, **update: object) -> Milestone:
    changed = milestone.model_copy(update=update)
    note(changed)
    return changed
