"""The ways to solve a problem that are compared. Each sees the prompt alone, its docstring's examples included."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Literal

from agents.parsing import fences
from benchmarks.humaneval.problems import Problem, cleaned
from benchmarks.humaneval.transcripts import Call, Recorded
from orchestrator.commands.refine import program_info, program_team
from orchestrator.compose import Models, build_team
from orchestrator.config import AGENTS, Settings
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.evidence.environment import Environment
from orchestrator.evidence.examples import checks_in
from orchestrator.refine_loop import Rounds, refine_program
from orchestrator.run_loop import run
from orchestrator.sandbox.port import Sandbox
from orchestrator.terminal import QuietView
from orchestrator.workspace.layout import RunFiles, RunInfo
from schemas.call import Message, ModelRequest
from schemas.errors import ExitCode
from schemas.evidence import Evidence
from schemas.idea import AcceptanceCheck, Idea, PinnedMilestone

__all__ = ["ARMS", "Bench", "Solution", "examined"]

ASK = "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
BEGIN = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:\n"
    "```python\n"
)
MAX_TOKENS = 512
TEMPERATURE = 0.7
CHOICES = 4
MODULE = "solution"


@dataclass(frozen=True)
class Bench:
    """What the arms work with."""

    model: Recorded
    settings: Settings
    sandbox: Sandbox
    environment: Environment
    laboratory: Laboratory
    workspace: Path
    """Where the runs of the product's own loops are kept, with every call whole."""
    budget: int
    """Output tokens for a problem, where an arm samples until they are used up."""
    budgets: Mapping[str, int]
    """Problem → its budget, where they are not all the same."""
    known: Mapping[str, Mapping[str, Mapping[str, Call]]]
    """Arm → problem → `Call.asked` → the call: what is not asked again."""
    commit: str
    """That of the project when the run began."""

    def of(self, task: str) -> int:
        """Return the budget for the problem named ``task``."""
        return self.budgets.get(task, self.budget)


@dataclass
class Solution:
    """What an arm came to."""

    code: str
    cycles: int = 1
    """Attempts, rounds or samples that were looked at."""
    accepted: bool | None = None
    """The arm's own verdict; None where it gives none."""


async def _replies(bench: Bench, problem: Problem, *, sample: int, choices: int) -> list[str]:
    request = ModelRequest(
        agent="generator",
        model=bench.model.name,
        system="",
        messages=[Message(role="user", content=f"{ASK}\n```python\n{problem.prompt.strip()}\n```")],
        max_tokens=MAX_TOKENS if bench.model.traits.local else bench.model.traits.max_output_tokens,
        temperature=TEMPERATURE if sample else 0.0,
        stop=["\n```"],
        prefill=BEGIN,
        sample=sample,
        choices=min(choices, bench.model.traits.choices),
    )
    reply = await bench.model.reply(request, lambda _: None)
    return [reply.text, *reply.alternatives]


def _code(reply: str) -> str:
    blocks = fences(reply)
    return cleaned(blocks[0].content if blocks else reply)


async def examined(problem: Problem, code: str, laboratory: Laboratory) -> Evidence | None:
    """Return what the docstring's examples say of ``code``; None where there are none."""
    checks = checks_in(problem.prompt, MODULE)
    if not checks:
        return None
    idea = Idea(name="problem", summary="a problem", features=["solve it"])
    return await laboratory.examine(
        Subject({f"{MODULE}.py": f"{problem.given}\n\n{code}"}, idea, checks, runs_program=False)
    )


async def single(bench: Bench, problem: Problem) -> Solution:
    """One greedy reply."""
    (reply,) = await _replies(bench, problem, sample=0, choices=1)
    return Solution(_code(reply))


async def resample(bench: Bench, problem: Problem) -> Solution:
    """The greedy reply, then samples, until the docstring's examples hold or the budget is used up."""
    solution = Solution("", cycles=0)
    best: tuple[int, ...] | None = None
    sample = 0
    while sample == 0 or bench.model.usage.output_tokens < bench.of(problem.name):
        for reply in await _replies(bench, problem, sample=sample, choices=CHOICES if sample else 1):
            code = _code(reply)
            evidence = await examined(problem, code, bench.laboratory)
            solution.cycles += 1
            if evidence is None:  # nothing tells the samples apart
                return Solution(code)
            if best is None or evidence.merit > best:
                best, solution.code = evidence.merit, code
            if evidence.holds:
                return solution
        sample += 1
    return solution


async def refine(bench: Bench, problem: Problem) -> Solution:
    """The product's generate → score → refine loop, with its default settings."""
    prompt = f"Complete this function.\n\n{problem.prompt}"
    files, models = _new_run(bench, f"refine-{problem.number}"), _models(bench)
    info = program_info(files, prompt, "", bench.settings, models)
    team = program_team(files, info, bench.settings, models, bench.sandbox, bench.environment, QuietView())
    rounds = Rounds()
    try:
        good = await refine_program(team, prompt, bench.settings.refine, rounds)
    finally:
        team.events.close()
    return Solution(cleaned(rounds.best.program) if rounds.best else "", len(rounds.done), good)


async def pipeline(bench: Bench, problem: Problem) -> Solution:
    """``milepost run``: the fixed pipeline on an idea with one milestone, with default settings."""
    return await _run(bench, problem, "fixed")


async def router(bench: Bench, problem: Problem) -> Solution:
    """``milepost run --routing planner``: the same idea, the agents chosen by the router."""
    return await _run(bench, problem, "planner")


def idea_of(problem: Problem) -> Idea:
    """Return the idea that states ``problem``; the examples of its docstring are visible checks."""
    name = problem.function
    checks = [
        AcceptanceCheck(
            id="AC0",
            statement=f"{MODULE}.py defines {name}",
            check=f"from {MODULE} import {name}\nassert callable({name})",
        )
    ]
    by_hand = _by_hand(problem)
    checks += [
        AcceptanceCheck(
            id=f"AC{n}",
            statement=check.statement,
            check=f"from {MODULE} import {name}\n{by_hand.get(check.statement, check.check)}",
        )
        for n, check in enumerate(checks_in(problem.prompt, MODULE), 1)
    ]
    text = problem.prompt.strip()
    return Idea(
        name="Solution",
        summary=f"One function, {name}, in {MODULE}.py:\n{text}"[:2_000],
        features=[f"{name} does exactly what its docstring says"],
        milestones=[PinnedMilestone(id="M1", title=f"Function {name}"[:80], description=text[:4_000])],
        acceptance=checks,
    )


def _by_hand(problem: Problem) -> dict[str, str]:
    """Return statement → check, as a person would write it, of the doctests that call the function with literals and
    show one; `checks_in` writes them so that what a function prints counts, too."""
    found: dict[str, str] = {}
    for example in doctest.DocTestParser().get_examples(problem.prompt):
        source, want = example.source.strip(), example.want.strip().removesuffix('"""').strip()
        try:
            call = ast.parse(source, mode="eval").body
            ast.literal_eval(want)
            literal = isinstance(call, ast.Call) and [ast.literal_eval(value) for value in call.args]
        except (ValueError, SyntaxError):
            continue
        if isinstance(call, ast.Call) and literal and not call.keywords and ast.unparse(call.func) == problem.function:
            found[" ".join(f"{source} shows {want}".split())] = f"assert {source} == {want}"
    return found


async def _run(bench: Bench, problem: Problem, routing: Literal["fixed", "planner"]) -> Solution:
    idea, settings = idea_of(problem), bench.settings.model_copy(update={"routing": routing})
    files, models = _new_run(bench, f"{routing}-{problem.number}"), _models(bench)
    text = idea.model_dump_json()
    info = RunInfo(
        run=files.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        idea_path="",
        idea_text=text,
        idea_digest=idea.digest,
        settings=settings.public(),
        models={agent: model.name for agent, model in models.by_agent.items()},
        sandboxes=[bench.sandbox.name],
    )
    files.save(info)
    team = build_team(idea, files, info, settings, models, bench.sandbox, bench.environment, QuietView())
    try:
        report, ended = await run(team)
    finally:
        team.events.close()
    if ended in (ExitCode.INTERRUPTED, ExitCode.UNAVAILABLE):  # that says nothing of the arm: no outcome
        raise SystemExit(f"{problem.name}: {report.stopped_by}")
    module = files.project / f"{MODULE}.py"
    code = module.read_text(encoding="utf-8") if module.is_file() else ""
    return Solution(cleaned(code), sum(len(m.attempts) for m in report.milestones), report.verdict == "accepted")


def _new_run(bench: Bench, name: str) -> RunFiles:
    """Return a run that is not there yet: one that was cut off is not taken up, whose calls nobody would count."""
    tries = (RunFiles(bench.workspace, f"{name}-{number}") for number in count(1))
    return next(files for files in tries if not files.logs.exists())


def _models(bench: Bench) -> Models:
    return Models(dict.fromkeys(AGENTS, bench.model), "")


Arm = Callable[[Bench, Problem], Awaitable[Solution]]
ARMS: Mapping[str, Arm] = {
    "single": single,
    "resample": resample,
    "refine": refine,
    "pipeline": pipeline,
    "router": router,
}
