"""Who is next: the roles of an attempt, and the order that they take their turns in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator import stages
from orchestrator.attempt import Attempt

__all__ = ["FIXED", "ROLES", "Role"]

Stage = Callable[[Attempt], Awaitable[None]]


@dataclass(frozen=True)
class Role:
    """A part in an attempt: one or more stages that belong together."""

    about: str
    """What it does, for the planner-driven router."""
    stages: Sequence[Stage]


ROLES: Mapping[str, Role] = {
    "architect": Role(
        "writes or revises contracts and interfaces, and has tests written for new ones",
        (stages.specify, stages.design, stages.write_tests),
    ),
    "engineer": Role("writes the code, or mends what the facts point at", (stages.implement,)),
    "test_runner": Role("runs tests, checks and program, and says what fails", (stages.measure,)),
    "critic": Role("reviews the code and judges it, as it was measured", (stages.review, stages.judge)),
}

FIXED = ("architect", "engineer", "test_runner", "critic")
"""Spec → Arch → Test, Impl, what was measured, Eval."""
