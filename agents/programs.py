"""What the agents share that write one program: the task, and how their replies are read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from agents.edits import apply, change_from
from agents.parsing import fences, parse_module, python_from
from agents.ports import Lint
from agents.runner import CORRECTIONS, Runner, Task
from schemas.errors import AgentFailure
from schemas.refinement import PROGRAM

__all__ = ["ProgramTask", "versions"]

CHOICES = 4
"""How many versions are asked for at once, where a model can write several from one reading of the prompt."""


@dataclass(frozen=True)
class ProgramTask:
    """What is asked for, and what the agents know of earlier rounds."""

    prompt: str
    lint: Lint
    history: str = ""
    sample: int = 0


async def versions(
    runner: Runner, agent: str, step: str, variables: Mapping[str, object], task: ProgramTask, before: str | None = None
) -> list[str]:
    """Return the versions that ``agent`` writes of a program; with ``before``, those that differ from it.

    Raises:
        AgentFailure: no reply was usable.
    """
    small = runner.model(agent).traits.step == "function"

    def parse(text: str) -> str:
        program = _program(text, before)
        if before is not None and program.strip() == before.strip():
            raise ValueError("that changes nothing")
        problems = task.lint(PROGRAM, program)
        if problems:
            raise ValueError("; ".join(problems[:4]))
        return program

    asked = Task(
        agent,
        step,
        variables,
        parse,
        max_tokens=900 if small else 12_000,
        stop=["\n```"],
        prefill="```python\n",
        sample=task.sample,
        choices=CHOICES if small else 1,
        corrections=0 if small else CORRECTIONS,  # the others are the second chance
    )
    (answers,) = await runner.ask_all([asked])
    if isinstance(answers, AgentFailure):
        raise answers
    return list(dict.fromkeys(answers))


def _program(text: str, before: str | None) -> str:
    """Return the whole program that a reply writes, or comes to by its edits of ``before``."""
    if before is not None and any("REMOVE" in fence.content for fence in fences(text)):
        named = re.sub(r"^```edit[ \t]*$", f"```edit path={PROGRAM}", text, flags=re.M)
        return apply(change_from(named, {PROGRAM: before}), {PROGRAM: before}).files[PROGRAM]
    source = python_from(text)
    if not source.strip():
        raise ValueError("the reply holds no program")
    parse_module(source, PROGRAM)
    return source if source.endswith("\n") else source + "\n"
