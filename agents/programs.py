"""What the agents share that write one program: the task, and how their replies are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agents.edits import apply, change_from, holds_edit
from agents.parsing import FIRST_THINK, fences, parse_module, python_from
from agents.ports import Lint
from agents.runner import CORRECTIONS, Runner, Task
from schemas.errors import AgentFailure
from schemas.refinement import PROGRAM

__all__ = ["ProgramTask", "opening", "versions"]

CHOICES = 4
"""How many versions are asked for at once, where a model can write several from one reading of the prompt and the
likeliest two, which are asked for first, were not good enough."""

BEHIND = ["\nprint(", "\nassert ", "\n# Example", "\n# Test", "\nif __name__"]
"""What a small model adds to a function that it was to complete, unasked (unless the task speaks of printing)."""

_TOP = re.compile(r"(?:import|from|def|async def|class|@)\b ?")


def opening(prompt: str) -> str:
    """Return the code that a task ends in, where that is a function (or imports, helpers and a function) with a
    docstring and nothing else: a program for the task begins with it. Empty where there is none."""
    blocks = fences(prompt) if prompt.rstrip().endswith("```") else []
    lines = (blocks[-1].content if blocks else prompt).rstrip().split("\n")
    for first in (n for n, line in enumerate(lines) if _TOP.match(line)):
        text = "\n".join(lines[first:]) + "\n"
        try:
            last = parse_module(text, "task").body[-1]
        except ValueError:
            continue
        if isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(last) and len(last.body) == 1:
            return text
    return ""


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
    """Return the versions that ``agent`` writes of a program, the same one as often as it is written; with ``before``,
    those that differ from it.

    A small model writes two programs at first: one freely, and where the task ends in code one that is begun for it
    with that code and a comment. Where two that were come to by different ways agree, they are nearly always right.
    Written freely more are right, so the further ones are, too.

    Raises:
        AgentFailure: no reply was usable.
    """
    small = runner.model(agent).traits.step == "function"
    begun = opening(task.prompt)
    if before is not None and not before.startswith(begun):
        begun = ""

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
        stop=["\n```", *(BEHIND if begun and "print" not in task.prompt.lower() else [])],
        prefill="```python\n" if before is None else f"```python\n{begun}{FIRST_THINK if begun else ''}",
        sample=task.sample,
        choices=CHOICES if small and task.sample else 1,
        corrections=0 if small else CORRECTIONS,  # other versions are the second chance
    )
    other = replace(asked, prefill=f"```python\n{begun}{FIRST_THINK}") if begun else replace(asked, sample=1)
    answers: list[str] = []
    failure: AgentFailure | None = None
    for one in [asked, other] if small and before is None and not task.sample else [asked]:
        # One after the other: the second's prompt is the first's, and is not read again.
        (reply,) = await runner.ask_all([one])
        if isinstance(reply, AgentFailure):
            failure = reply
        else:
            answers += reply
    if failure is not None and not answers:
        raise failure
    return answers


def _program(text: str, before: str | None) -> str:
    """Return the whole program that a reply writes, or comes to by its edits of ``before``."""
    if before is not None and any(holds_edit(fence.content) for fence in fences(text)):
        named = re.sub(r"^```edit[ \t]*$", f"```edit path={PROGRAM}", text, flags=re.M)
        return apply(change_from(named, {PROGRAM: before}), {PROGRAM: before}).files[PROGRAM]
    source = python_from(text, statements=True)
    if not source.strip():
        raise ValueError("the reply holds no program")
    parse_module(source, PROGRAM)
    return source if source.endswith("\n") else source + "\n"
