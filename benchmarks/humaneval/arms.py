"""The ways to solve a problem that are compared. Each sees the prompt alone, its docstring's examples included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.parsing import fences
from agents.ports import Model
from benchmarks.humaneval.problems import Problem, cleaned
from orchestrator.commands.refine import program_info, program_team
from orchestrator.compose import Models
from orchestrator.config import AGENTS, Settings
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.evidence.environment import Environment
from orchestrator.evidence.examples import checks_in
from orchestrator.refine_loop import Rounds, refine_program
from orchestrator.report.totals import totals
from orchestrator.sandbox.port import Sandbox
from orchestrator.terminal import QuietView
from orchestrator.workspace.layout import RunFiles
from schemas.call import Message, ModelRequest, Usage
from schemas.idea import Idea

__all__ = ["ARMS", "Bench", "Solution"]

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

    model: Model
    settings: Settings
    sandbox: Sandbox
    environment: Environment
    laboratory: Laboratory
    workspace: Path
    """Where the runs of the product's own loops are kept, with every call whole."""
    budget: int
    """Completion tokens for a problem, where an arm samples until they are used up."""


@dataclass
class Solution:
    """What an arm came to."""

    code: str
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    cycles: int = 1
    """Attempts, rounds or samples that were looked at."""
    replies: list[str] = field(default_factory=list)
    """Where there is no run with a log: every reply."""


async def _replies(bench: Bench, problem: Problem, solution: Solution, *, sample: int, choices: int) -> list[str]:
    """Ask once; count what it took."""
    request = ModelRequest(
        agent="generator",
        model=bench.model.name,
        system="",
        messages=[Message(role="user", content=f"{ASK}\n```python\n{problem.prompt.strip()}\n```")],
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE if sample else 0.0,
        stop=["\n```"],
        prefill=BEGIN,
        sample=sample,
        choices=choices,
    )
    reply = await bench.model.reply(request, lambda _: None)
    solution.calls += 1
    solution.cycles = solution.cycles + choices if sample else 1
    solution.usage = solution.usage + reply.usage
    texts = [reply.text, *reply.alternatives]
    solution.replies += texts
    return texts


def _code(reply: str) -> str:
    blocks = fences(reply)
    return cleaned(blocks[0].content if blocks else reply)


async def single(bench: Bench, problem: Problem) -> Solution:
    """One greedy reply."""
    solution = Solution("")
    (reply,) = await _replies(bench, problem, solution, sample=0, choices=1)
    solution.code = _code(reply)
    return solution


async def resample(bench: Bench, problem: Problem) -> Solution:
    """The greedy reply, then samples, until the docstring's examples hold or the budget is used up."""
    solution = Solution("")
    best: tuple[int, ...] | None = None
    checks = checks_in(problem.prompt, MODULE)
    idea = Idea(name="problem", summary="a problem", features=["solve it"])
    sample = 0
    while sample == 0 or solution.usage.output_tokens < bench.budget:
        for reply in await _replies(bench, problem, solution, sample=sample, choices=CHOICES if sample else 1):
            code = _code(reply)
            subject = Subject({f"{MODULE}.py": f"{problem.given}\n\n{code}"}, idea, checks, runs_program=False)
            evidence = await bench.laboratory.examine(subject)
            if best is None or evidence.merit > best:
                best, solution.code = evidence.merit, code
            if checks and evidence.holds:
                return solution
        if not checks:
            return solution  # nothing tells the samples apart
        sample += 1
    return solution


async def refine(bench: Bench, problem: Problem) -> Solution:
    """The product's generate → score → refine loop, with its default settings."""
    prompt = f"Complete this function.\n\n{problem.prompt}"
    files = RunFiles(bench.workspace, f"refine-{problem.name.rpartition('/')[2]}")
    models = Models(dict.fromkeys(AGENTS, bench.model), "")
    info = program_info(files, prompt, "", bench.settings, models)
    team = program_team(files, info, bench.settings, models, bench.sandbox, bench.environment, QuietView())
    rounds = Rounds()
    try:
        await refine_program(team, prompt, bench.settings.refine, rounds)
    finally:
        team.events.close()
    used = totals(team)
    best = rounds.best
    return Solution(
        cleaned(best.program) if best else "",
        sum((a.usage for a in used), Usage()),
        sum(a.calls for a in used),
        len(rounds.done),
    )


Arm = Callable[[Bench, Problem], Awaitable[Solution]]
ARMS: Mapping[str, Arm] = {"single": single, "resample": resample, "refine": refine}
