"""What is done in an attempt, stage by stage. In which order is `orchestrator.routing`'s to say."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from agents import arch, critic, evaluator, impl, spec, tester
from agents.context import Context
from agents.edits import apply
from agents.finishing import FinishingAgent
from orchestrator.attempt import Attempt
from orchestrator.evidence.comparison import VariedCalls
from orchestrator.evidence.static import certain_errors, misuses
from orchestrator.rubric import evaluate
from schemas.errors import AgentFailure, LimitReached, MilepostError, Unavailable
from schemas.evaluation import Dimension, Evaluation
from schemas.evidence import Evidence, Ruling
from schemas.review import FinishingPass

__all__ = [
    "MAX_RULINGS",
    "UNREADABLE",
    "design",
    "finish",
    "implement",
    "judge",
    "measure",
    "review",
    "specify",
    "write_tests",
]

T = TypeVar("T")

UNREADABLE = (ValueError, SyntaxError, RecursionError, MemoryError, OverflowError)
"""What code that is made so that it can't be read raises in whoever reads it."""

MAX_RULINGS = 8
"""How many failing tests of one attempt are brought before the Critic."""


async def specify(attempt: Attempt) -> None:
    """Write the specification; where there are facts on an earlier attempt, revise it."""
    work, context = attempt.work, attempt.context("architect")
    if work.specification is None:
        work.specification = await spec.specify(attempt.runner, context)
    elif attempt.facts is not None and not _unjudged(attempt):
        work.specification = await spec.revise(attempt.runner, context, work.specification)


async def design(attempt: Attempt) -> None:
    """Plan the files and put the interfaces in, where that was not done for this specification yet."""
    work = attempt.work
    if work.blueprint is None or work.specification != work.designed:
        specification = _ready(work.specification)
        context = attempt.context("architect")
        work.blueprint = await arch.design(attempt.runner, context, specification, misuses, work.designed)
        work.designed, work.tested, work.prepared = specification, False, False
        work.skeletons |= work.blueprint.skeletons
        attempt.changed({**attempt.files, **work.blueprint.skeletons})
        attempt.merits = attempt.merits[-1:]  # it is another task now


async def write_tests(attempt: Attempt) -> None:
    """Have tests written for interfaces that have none yet, before their code is."""
    work = attempt.work
    if not work.tested:
        specification, blueprint = _ready(work.specification), _ready(work.blueprint)
        context = attempt.context("architect")
        tests = await tester.write_tests(attempt.runner, context, specification, blueprint, misuses)
        attempt.changed(apply(tests.change, attempt.files).files)
        work.tests |= {write.path: write.content for write in tests.change.writes}
        work.untested, work.tested = tests.untested, bool(tests.change.writes)
    work.prepared = True


async def implement(attempt: Attempt) -> None:
    """Have the code written or mended, and commit it. What lacks nothing but a verdict stays as it is."""
    team, context = attempt.team, attempt.context("engineer")
    if _unjudged(attempt):
        attempt.written = True
        return

    async def examine(files: Mapping[str, str]) -> Evidence:
        return await team.laboratory.examine(attempt.subject(dict(files)))

    comparison = VariedCalls(context, team.laboratory, team.events)
    blueprint = _ready(attempt.work.blueprint)
    made = await impl.implement(attempt.runner, context, blueprint, certain_errors, examine, comparison)
    for line in made.tolerated:
        team.events.write("edit_tolerated", place=line)
    files = attempt.tidied(apply(made.change, attempt.files).files)
    team.project.replace(files)
    if files == attempt.files and attempt.measured and attempt.facts:
        attempt.merits.append(attempt.facts.merit)  # it bettered nothing
    attempt.changed(files)
    attempt.versions, attempt.written = made.versions, True
    if made.disputed is not None:
        attempt.work.disputed = made.disputed
    _commit(attempt)


def _unjudged(attempt: Attempt) -> bool:
    """Whether the code is that of an earlier attempt in which nothing was wrong but that the judge gave no verdict."""
    unchanged = not attempt.altered and attempt.evaluation is None and attempt.files == attempt.work.files
    return unchanged and attempt.work.lacks_verdict


def _commit(attempt: Attempt) -> None:
    message = f"{attempt.milestone.id}, attempt {attempt.number}: {attempt.milestone.title}"
    attempt.commit = attempt.team.project.commit(message)


async def measure(attempt: Attempt) -> None:
    """Run everything; where the sealed checks hold and a generated test fails, the Critic rules which is wrong."""
    team, work, context = attempt.team, attempt.work, attempt.context("test_runner")
    if attempt.commit is None:  # only tests are new, or nothing
        team.project.replace(attempt.files)
        _commit(attempt)
    evidence = await team.laboratory.examine(attempt.subject(attempt.files), decides=True)
    rulings = await _rulings(attempt, context, evidence) if evidence.holds else []
    work.rulings += rulings
    work.quarantined += tuple(r.test for r in rulings if r.wrong == "test")
    evidence = await team.laboratory.scrutinise(attempt.subject(attempt.files))
    collected = {result.id for result in evidence.generated.results}
    vanished = sorted(work.collected - collected - set(work.quarantined))
    work.collected |= collected
    attempt.facts = evidence.model_copy(update={"rulings": rulings, "vanished": vanished})
    attempt.measured, attempt.evaluation = True, None
    attempt.merits.append(attempt.facts.merit)


async def review(attempt: Attempt) -> None:
    """Have the Critic say what is wrong with the code, each flaw with its edit, where that is wanted."""
    attempt.findings = []
    if attempt.team.review:
        specification = _ready(attempt.work.specification)
        try:
            attempt.findings = await critic.review(attempt.runner, attempt.context("critic"), specification)
        except AgentFailure as error:
            attempt.team.events.write("no_review", level="warning", reason=str(error)[:300])


async def judge(attempt: Attempt) -> None:
    """Have the judge's opinion, and compute the verdict from it and from the facts."""
    team, work, facts = attempt.team, attempt.work, _ready(attempt.facts)
    before = (work.best, work.evidence) if work.best and work.evidence else None
    evaluation = attempt.evaluation = await _verdict(attempt, attempt.context("critic"), facts, before)
    attempt.keep_best(facts, evaluation)
    team.events.write(
        "evaluated",
        passed=evaluation.passed,
        score=evaluation.score,
        raw=evaluation.raw,
        clamped=evaluation.breakdown,
        clamps=[clamp.model_dump(mode="json") for clamp in evaluation.clamps],
        spread=evaluation.spread,
        flags=evaluation.flags,
        commit=attempt.commit,
        tests=facts.generated.total,
    )


async def finish(attempt: Attempt, agent: FinishingAgent) -> None:
    """Have ``agent`` go over accepted work; what it changes is kept only if nothing measured or judged gets worse.

    Whatever goes wrong here costs the pass and not what was accepted. What ends the run, a limit or a lost model, ends
    it once the milestone is recorded: then the next sitting takes the same way.
    """
    files = dict(attempt.files)
    try:
        kept, reason = await _finished(attempt, agent)
    except (LimitReached, Unavailable) as stop:
        attempt.work.stopped = stop
        return
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # it may be somebody else's code
        if isinstance(error, asyncio.CancelledError) and _being_cancelled():
            raise
        kept, reason = False, (str(error) if isinstance(error, MilepostError) else f"{type(error).__name__}: {error}")
        attempt.team.project.replace(files)
    reason = reason[:300]
    attempt.passes.append(FinishingPass(agent=agent.name, kept=kept, reason=reason))
    attempt.team.events.write("finishing_pass", agent=agent.name, kept=kept, reason=reason)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _finished(attempt: Attempt, agent: FinishingAgent) -> tuple[bool, str]:
    team, context = attempt.team, attempt.context(agent.name)
    change = await agent.work(attempt.runner, context)
    files = attempt.tidied(apply(change, attempt.files).files)
    paths = sorted(path for path in {*files, *attempt.files} if files.get(path) != attempt.files.get(path))
    if not paths:
        return False, "it had nothing to change"
    if tests := [path for path in paths if path.startswith("tests/")]:
        return False, f"it changed tests: {tests[0]}"
    before, verdict = _ready(attempt.facts), _ready(attempt.evaluation)
    facts = await team.laboratory.scrutinise(attempt.subject(files))
    if lost := _lost(before, facts):
        return False, lost
    if any(path.endswith(".py") for path in paths):
        evaluation = await _verdict(attempt, replace(context, files=files, evidence=facts), facts, (verdict, before))
        fell = [d.value for d in Dimension if evaluation.breakdown[d] < verdict.breakdown[d]]
        if fell or not evaluation.passed:
            return False, f"{fell[0] if fell else 'the score'} fell"
        verdict = evaluation
    team.project.replace(files)
    commit = team.project.commit(f"{attempt.milestone.id}: {agent.name}")
    attempt.files, attempt.facts, attempt.evaluation, attempt.commit = files, facts, verdict, commit
    return True, f"changed {', '.join(paths)}"


def _lost(before: Evidence, after: Evidence) -> str:
    """Say what was there before and is no longer: a test that passes, above all."""
    if after.counting_failures:
        return after.counting_failures[0][:300]
    gone = sorted(before.generated.passing - after.generated.passing)
    if gone:
        return f"{gone[0]} passes no longer"
    return after.contract_gaps[0] if len(after.contract_gaps) > len(before.contract_gaps) else ""


async def _verdict(
    attempt: Attempt, context: Context, facts: Evidence, before: tuple[Evaluation, Evidence] | None
) -> Evaluation:
    return evaluate(await evaluator.judge(attempt.runner, context, facts, attempt.team.judge_repeats), facts, before)


async def _rulings(attempt: Attempt, context: Context, evidence: Evidence) -> list[Ruling]:
    rulings, context = [], replace(context, evidence=evidence)
    for failure in [f for f in evidence.generated.failures if "::" in f.test and f.source][:MAX_RULINGS]:
        try:
            rulings.append(await critic.rule(attempt.runner, context, failure, attempt.versions))
        except AgentFailure as error:
            attempt.team.events.write("no_ruling", level="warning", test=failure.test, reason=str(error)[:300])
    return rulings


def _ready(value: T | None) -> T:
    assert value is not None  # noqa: S101  (`orchestrator.routing` lets no stage go before what it needs)
    return value
