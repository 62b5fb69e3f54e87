"""Generator: writes a whole program for a task."""

from __future__ import annotations

from agents.programs import ProgramTask, versions
from agents.runner import Runner

__all__ = ["generate"]


async def generate(runner: Runner, task: ProgramTask) -> list[str]:
    """Return versions of a program for the task, at least one.

    Raises:
        AgentFailure: no reply was usable.
    """
    variables = {"prompt": task.prompt, "history": task.history}
    return await versions(runner, "generator", "program", variables, task)
