"""The workload on Milepost, with its own agents, prompts, validation, budget, journal, audit log and milestone records.

``--variant run`` is a user's whole run (`orchestrator.run_loop`), with the sandbox tried out at its start, git, ruff,
memory and report; only what it would measure in the sandbox is taken as measured. Up to 40 milestones, as many as a
plan may have.
``--variant journal`` is that part of it that the other candidates do too: the same agents in the same order, asked by
the product's runner and recorded by its stores, without git, ruff and the project that grows from milestone to
milestone. As many milestones as wanted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from agents import arch, evaluator, impl, spec, tester
from agents.context import Context
from agents.edits import apply
from agents.ports import Progress, Traits
from benchmarks.overhead.workloads.payload import STAGES, reply, retried
from benchmarks.overhead.workloads.probe import Probe
from orchestrator.compose import Models, build_sandbox, build_team, cache_folder
from orchestrator.config import AGENTS, Settings
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.evidence.comparison import VariedCalls
from orchestrator.evidence.environment import ensure_environment
from orchestrator.ledger import Ledger
from orchestrator.rubric import evaluate
from orchestrator.run_loop import run, until_stopped
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.team import Team
from orchestrator.terminal import QuietView
from orchestrator.workspace.layout import RunFiles, RunInfo, write_milestone
from schemas.call import ModelReply, ModelRequest, Usage
from schemas.errors import ExitCode
from schemas.evidence import Evidence
from schemas.idea import Idea, PinnedMilestone
from schemas.milestone import AttemptRecord, Criterion, Milestone, Status
from schemas.test_report import TestReport, TestResult

CREATED = "2026-01-01T00:00:00+00:00"
_STAGE = {"tester": "test", "evaluator": "eval"}
_UNCHANGED = '{"reason": "the code is wrong, not the contract", "contracts": []}'


class Player:
    """A model that says what `payload` says. Unlike the scripted one it keeps neither a script nor the requests, so
    that memory is Milepost's own."""

    name = "scripted/overhead"
    traits = Traits(step="project", context_tokens=200_000, max_output_tokens=16_000)

    def __init__(self) -> None:
        self.milestone, self.attempt = 1, 1

    async def close(self) -> None:
        """Nothing to give back."""

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Answer at once."""
        text = self._text(request)
        usage = Usage(input_tokens=len(request.messages[-1].content) // 4, output_tokens=len(text) // 4)
        return ModelReply(text=text, stop_reason="end", usage=usage, model=self.name)

    def _text(self, request: ModelRequest) -> str:
        if request.agent == "memory":
            return "Some steps were built."
        if request.agent == "spec" and self.attempt > 1:
            return _UNCHANGED
        skeleton = request.agent == "arch" and request.output_schema is None
        stage = "skeleton" if skeleton else _STAGE.get(request.agent, request.agent)
        return reply(stage, self.milestone, self.attempt)


class View(QuietView):
    """Tells the probe of the first call and of accepted milestones, the player of what is worked on."""

    def __init__(self, probe: Probe, player: Player) -> None:
        self._probe = probe
        self._player = player

    def call_started(self, agent: str, model: str) -> None:
        """A call is about to be sent."""
        self._probe.ready()

    def milestone_changed(self, milestone: Milestone) -> None:
        """A milestone has another status or another attempt."""
        number = int(milestone.id.removeprefix("M"))
        if milestone.status is Status.RUNNING:
            self._player.milestone, self._player.attempt = number, len(milestone.attempts) + 1
        elif milestone.status is Status.ACCEPTED:
            self._probe.done(number)


class Spared(Laboratory):
    """Takes every test of the project as passed, without running it; its facts are kept as usual."""

    async def _examined(self, subject: Subject) -> Evidence:
        return passing(subject.files)

    async def _scrutinised(self, subject: Subject) -> Evidence:
        return await self.examine(subject)


def passing(files: Mapping[str, str]) -> Evidence:
    """Return what would be measured if all were well: one test that passes for each test file."""
    results = [TestResult(id=f"{path}::test_step", outcome="passed") for path in files if path.startswith("tests/")]
    tests = TestReport(total=len(results), passed=len(results), failed=0, coverage=100.0, results=results)
    return Evidence(generated=tests, acceptance=None, program=None)


def pinned(number: int) -> PinnedMilestone:
    """Return milestone ``number`` as an idea pins it."""
    return PinnedMilestone(
        id=f"M{number}",
        title=f"Step {number}",
        description=f"Take a number {number} further.",
        acceptance_criteria=[f"step {number} takes it {number} further"],
        dependencies=[f"M{number - 1}"] if number > 1 else [],
    )


def composed(probe: Probe) -> tuple[Team, Models]:
    """Put a run together as ``milepost run`` does."""
    whole = probe.variant == "run"
    settings = Settings.model_validate({"cache": os.environ.get("MILEPOST_CACHE"), "review": "off", "refactor": "off"})
    idea = Idea(
        name="Chain",
        summary="Takes a number from step to step, each further than the one before.",
        features=["every step takes a number further"],
        milestones=[pinned(n + 1) for n in range(probe.milestones if whole else 1)],
    )
    environment = ensure_environment(cache_folder(settings), [])
    sandbox = build_sandbox(settings, environment) if whole else Bubblewrap()
    player = Player()
    models = Models(dict.fromkeys(AGENTS, player), "")
    files = RunFiles(probe.store, "overhead")
    info = RunInfo(
        run=files.name,
        created=CREATED,
        idea_path="chain.yaml",
        idea_text="",
        idea_digest=idea.digest,
        settings=settings.public(),
        models=dict.fromkeys(AGENTS, player.name),
        sandboxes=[sandbox.name],
    )
    files.save(info)
    team = build_team(idea, files, info, settings, models, sandbox, environment, View(probe, player))
    laboratory = Spared(sandbox, environment, team.laboratory.store)
    return replace(team, laboratory=laboratory), models


async def journal(team: Team, probe: Probe) -> None:
    """Go through the five stages of each milestone with the product's agents."""
    ledger = Ledger()
    for number in range(1, probe.milestones + 1):
        given = pinned(number)
        milestone = Milestone(
            id=given.id,
            title=given.title,
            description=given.description,
            acceptance_criteria=[Criterion(statement=s) for s in given.acceptance_criteria],
            dependencies=given.dependencies,
        )
        await _milestone(team, ledger, milestone)
    team.events.close()


async def _milestone(team: Team, ledger: Ledger, milestone: Milestone) -> None:
    note = partial(_note, team, ledger)
    note(milestone := milestone.model_copy(update={"status": Status.RUNNING}))
    runner, context = team.runner, Context(team.idea, milestone, turn=1)
    specification = await spec.specify(runner, context)
    blueprint = await arch.design(runner, context, specification, _no_misuses)
    context = replace(context, files=blueprint.skeletons, focus=list(blueprint.skeletons))
    tests = await tester.write_tests(runner, context, specification, blueprint, _no_misuses)
    context = replace(context, files=apply(tests.change, dict(context.files)).files)
    while True:
        comparison = VariedCalls(context, team.laboratory, team.events)
        made = await impl.implement(runner, context, blueprint, _no_lint, _examined, comparison)
        files = apply(made.change, dict(context.files)).files
        evidence = passing(files)
        evaluation = evaluate(await evaluator.judge(runner, replace(context, files=files), evidence), evidence)
        record = AttemptRecord(number=context.turn, tests=evidence.generated, evaluation=evaluation)
        update = {"attempts": [*milestone.attempts, record], "feedback": evaluation.feedback}
        note(milestone := milestone.model_copy(update=update))
        if evaluation.passed:
            note(milestone.model_copy(update={"status": Status.ACCEPTED, "feedback": None}))
            return
        context = replace(context, files=files, turn=2, evidence=evidence, feedback=evaluation.feedback)
        specification = await spec.revise(runner, context, specification)


def _note(team: Team, ledger: Ledger, milestone: Milestone) -> None:
    ledger.milestones[milestone.id] = milestone
    write_milestone(team.files, milestone)
    team.watcher.milestone_changed(milestone)


def _no_misuses(files: Mapping[str, str], path: str, source: str) -> list[tuple[int, str]]:
    return []


def _no_lint(path: str, source: str) -> list[str]:
    return []


async def _examined(files: Mapping[str, str]) -> Evidence:
    return passing(files)


def main() -> None:
    """Run it."""
    probe = Probe()
    team, models = composed(probe)
    if probe.variant == "run":
        report, code = asyncio.run(until_stopped(run(team), team, models))
        assert code is ExitCode.OK, report.stopped_by
    else:
        asyncio.run(journal(team, probe))
    probe.report()
    calls = len(list(Path(team.files.logs, "calls").iterdir()))
    # Arch takes two calls; a revised specification takes the place of a retry's tests.
    expected = (len(STAGES) + 1) * probe.milestones + 3 * sum(map(retried, range(1, probe.milestones + 1)))
    assert calls >= expected, (calls, expected)


if __name__ == "__main__":
    main()
