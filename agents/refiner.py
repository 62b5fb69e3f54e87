"""Refiner: makes a program better, by exact edits or as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from agents.programs import ProgramTask, versions
from agents.runner import Runner
from schemas.refinement import PROGRAM, Round

__all__ = ["refine"]


async def refine(runner: Runner, task: ProgramTask, last: Round, facts: Sequence[str]) -> list[str]:
    """Return better versions of the program of ``last``, at least one; one that changes nothing is none.

    Raises:
        AgentFailure: no reply was usable.
    """
    variables = {
        "prompt": task.prompt,
        "history": task.history,
        "program": last.program.strip("\n"),
        "facts": facts,
        "reason": last.scoring.reason if last.scoring else "",
        "edits": last.scoring.edits if last.scoring else [],
        "whole": runner.model("refiner").traits.step == "function",
        "path": PROGRAM,
    }
    return await versions(runner, "refiner", "refine", variables, task, last.program)
