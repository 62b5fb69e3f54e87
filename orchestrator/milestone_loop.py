"""One milestone: Spec → Arch → Test → Impl → evidence → Eval, again with feedback until it passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import structlog

from agents.arch import design
from agents.context import Context
from agents.critic import rule
from agents.edits import apply
from agents.evaluator import judge
from agents.impl import implement
from agents.spec import revise, specify
from agents.tester import write_tests
from orchestrator.evidence.collect import Subject
from orchestrator.evidence.static import certain_errors, misuses, tidy
from orchestrator.rubric import evaluate
from orchestrator.team import Team
from schemas.architecture import Blueprint
from schemas.code_change import Version
from schemas.errors import AgentFailure
from schemas.evaluation import Evaluation
from schemas.evidence import Evidence, Ruling
from schemas.idea import AcceptanceCheck
from schemas.milestone import AttemptRecord, Milestone, Status
from schemas.specification import Specification

__all__ = ["MAX_RULINGS", "Work", "run_milestone"]

T = TypeVar("T")

UNREADABLE = (ValueError, SyntaxError, RecursionError, MemoryError, OverflowError)
"""What code that is made so that it can't be read raises in whoever reads it."""

MAX_RULINGS = 8
"""How many failing tests of one attempt are brought before the Critic."""


@dataclass
class Work:
    """What the attempts of one milestone hand on to each other."""

    files: dict[str, str]
    """The project to start the next attempt from: that of the best attempt so far."""
    checks: Sequence[AcceptanceCheck]
    """Sealed checks that must hold when the milestone is done, those of earlier milestones included."""
    quarantined: tuple[str, ...] = ()
    collected: set[str] = field(default_factory=set)
    """Every test that was collected so far, by node id: none may vanish."""
    specification: Specification | None = None
    blueprint: Blueprint | None = None
    tested: bool = False
    """Whether the interfaces of `blueprint` have tests."""
    untested: list[str] = field(default_factory=list)
    """Those that the Test agent gave no usable test for."""
    evidence: Evidence | None = None
    best: Evaluation | None = None
    rulings: list[Ruling] = field(default_factory=list)


async def run_milestone(team: Team, milestone: Milestone, work: Work, note: Callable[[Milestone], None]) -> Milestone:
    """Return ``milestone`` as accepted or failed; the project then holds its best attempt.

    ``note`` is told of every change, so that a run that is stopped has lost no attempt.
    """
    milestone = _changed(note, milestone, status=Status.RUNNING)
    for number in range(1, team.attempts + 1):
        with structlog.contextvars.bound_contextvars(milestone=milestone.id, attempt=number):
            record = await _attempt(team, milestone, work, number)
        milestone = _changed(note, milestone, attempts=[*milestone.attempts, record], feedback=_feedback(record))
        if record.evaluation is not None and record.evaluation.passed and record.commit is not None:
            team.project.tag(f"accepted-{milestone.id}", record.commit)
            return _changed(note, milestone, status=Status.ACCEPTED, feedback=None)
    return _changed(note, milestone, status=Status.FAILED)


async def _attempt(team: Team, milestone: Milestone, work: Work, number: int) -> AttemptRecord:
    """Run one attempt; an agent that gives nothing usable fails it."""
    context = _context(team, milestone, work, number)
    try:
        context = await _specify(team, context, work)
        context = await _write_tests(team, context, work)
        examine = partial(_measure, team, milestone, work)
        made = await implement(team.runner, context, _ready(work.blueprint), certain_errors, examine)
        files = _tidied(apply(made.change, context.files).files)
        for line in made.tolerated:
            team.events.write("edit_tolerated", place=line)
        team.project.replace(files)
        commit = team.project.commit(f"{milestone.id}, attempt {number}: {milestone.title}")
        context = replace(context, files=files)
        evidence = await _examine(team, context, work, made.versions)
        before = (work.best, work.evidence) if work.best and work.evidence else None
        evaluation = evaluate(await judge(team.runner, context, evidence, team.judge_repeats), evidence, before)
    except (AgentFailure, *UNREADABLE) as failure:
        team.events.write("attempt_failed", level="warning", reason=str(failure)[:500])
        return AttemptRecord(number=number, failure=str(failure)[:1000])
    _keep_best(work, files, evidence, evaluation)
    team.events.write(
        "attempt_finished",
        passed=evaluation.passed,
        score=evaluation.score,
        raw=evaluation.raw,
        clamped=evaluation.breakdown,
        clamps=[clamp.model_dump(mode="json") for clamp in evaluation.clamps],
        spread=evaluation.spread,
        flags=evaluation.flags,
        commit=commit,
        tests=evidence.generated.total,
    )
    return AttemptRecord(
        number=number,
        commit=commit,
        tests=evidence.generated,
        strength=evidence.strength,
        untested=work.untested,
        evaluation=evaluation,
    )


async def _specify(team: Team, context: Context, work: Work) -> Context:
    """Make or revise specification and blueprint; return the context with the interfaces in its files."""
    before = work.specification
    if before is None:
        work.specification = await specify(team.runner, context)
    elif work.evidence is not None:
        work.specification = await revise(team.runner, context, before)
    if work.blueprint is None or work.specification != before:
        work.blueprint = await design(
            team.runner, context, _ready(work.specification), misuses, before if work.blueprint is not None else None
        )
        work.tested = False
        work.files = {**work.files, **work.blueprint.skeletons}
    return replace(context, files=dict(work.files))


async def _write_tests(team: Team, context: Context, work: Work) -> Context:
    """Have tests written for interfaces that have none yet, before their code is."""
    if not work.tested:
        specification, blueprint = _ready(work.specification), _ready(work.blueprint)
        tests = await write_tests(team.runner, context, specification, blueprint, misuses)
        work.files = apply(tests.change, work.files).files
        work.untested, work.tested = tests.untested, bool(tests.change.writes)
    return replace(context, files=dict(work.files))


def _subject(team: Team, milestone: Milestone, work: Work, files: Mapping[str, str]) -> Subject:
    """Return ``files`` as what this milestone would come to."""
    return Subject(
        files=_tidied(files),
        idea=team.idea,
        checks=work.checks,
        runs_program=milestone.runs_program,
        blueprint=work.blueprint,
        quarantined=work.quarantined,
    )


async def _measure(team: Team, milestone: Milestone, work: Work, files: Mapping[str, str]) -> Evidence:
    return await team.laboratory.examine(_subject(team, milestone, work, files))


def _tidied(files: Mapping[str, str]) -> dict[str, str]:
    return {path: tidy(path, source) for path, source in files.items()}


async def _examine(team: Team, context: Context, work: Work, versions: Sequence[Version]) -> Evidence:
    """Measure the attempt; where the sealed checks hold and a generated test fails, the Critic rules which is wrong."""
    evidence = await _measure(team, context.milestone, work, context.files)
    rulings = await _rulings(team, context, evidence, versions) if evidence.holds else []
    work.rulings += rulings
    work.quarantined += tuple(r.test for r in rulings if r.wrong == "test")
    evidence = await team.laboratory.scrutinise(_subject(team, context.milestone, work, context.files))
    collected = {result.id for result in evidence.generated.results}
    vanished = sorted(work.collected - collected - set(work.quarantined))
    work.collected |= collected
    return evidence.model_copy(update={"rulings": rulings, "vanished": vanished})


async def _rulings(team: Team, context: Context, evidence: Evidence, versions: Sequence[Version]) -> list[Ruling]:
    rulings = []
    for failure in [f for f in evidence.generated.failures if "::" in f.test][:MAX_RULINGS]:
        try:
            rulings.append(await rule(team.runner, context, failure, versions))
        except AgentFailure as error:
            team.events.write("no_ruling", level="warning", test=failure.test, reason=str(error)[:300])
    return rulings


def _context(team: Team, milestone: Milestone, work: Work, number: int) -> Context:
    return Context(
        idea=team.idea,
        milestone=milestone,
        attempt=number,
        files=dict(work.files),
        evidence=work.evidence,
        sample=number - 1,
        third_party=team.laboratory.environment.modules(),
    )


def _keep_best(work: Work, files: dict[str, str], evidence: Evidence, evaluation: Evaluation) -> None:
    """Let the next attempt start from the better of this one and the best so far."""
    old = work.evidence
    if work.best is None or old is None or _merit(evidence, evaluation) >= _merit(old, work.best):
        work.files, work.evidence, work.best = files, evidence, evaluation
        code = [p for p in files if p.endswith(".py") and not p.startswith("tests/")]
        broken = {
            f.test
            for f in evidence.generated.failures
            if "::" not in f.test and not any(f"{p}:" in f.error or f'{p}"' in f.error for p in code)
        }
        if broken or not evidence.generated.total:  # what can't even be collected, or counts for nothing
            work.files = {p: s for p, s in files.items() if p not in broken}
            work.tested = False


def _merit(evidence: Evidence, evaluation: Evaluation) -> tuple[float, ...]:
    return (evaluation.passed, *evidence.merit[:5], evaluation.score)


def _feedback(record: AttemptRecord) -> list[str]:
    return record.evaluation.feedback if record.evaluation else [record.failure or ""]


def _changed(note: Callable[[Milestone], None], milestone: Milestone, **update: object) -> Milestone:
    changed = milestone.model_copy(update=update)
    note(changed)
    return changed


def _ready(value: T | None) -> T:
    assert value is not None  # noqa: S101  (made by the steps before)
    return value
