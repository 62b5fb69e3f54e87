"""The milestone record: what the Orchestrator tracks, written to ``milestones/<run>/<id>.yaml``."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from schemas.architecture import Architecture
from schemas.base import Line, Schema, Text
from schemas.evaluation import Evaluation
from schemas.evidence import Strength
from schemas.idea import MAX_MILESTONES
from schemas.review import FinishingPass, ReviewFinding
from schemas.routing import Hop, Move
from schemas.specification import Specification
from schemas.test_report import TestReport

__all__ = ["AttemptRecord", "Criterion", "Milestone", "Plan", "Status"]


class Status(StrEnum):
    """Where a milestone stands."""

    PENDING = "pending"
    RUNNING = "running"
    ACCEPTED = "accepted"
    FAILED = "failed"
    BLOCKED = "blocked"
    """A milestone that it depends on failed."""
    STOPPED = "stopped"
    """A limit, an interrupt or a lost model ended the run while it was under way."""


class Criterion(Schema):
    """An acceptance criterion; ``check`` names the sealed check that proves it, if there is one."""

    statement: Line
    check: str | None = None


class AttemptRecord(Schema):
    """What one attempt came to."""

    number: int = Field(ge=1)
    move: Move = "generate"
    """How it began."""
    route: list[Hop] = Field(default_factory=list)
    """Whose turns were taken."""
    better: bool = False
    """Whether it came to something better than all before it."""
    commit: str | None = None
    tests: TestReport | None = None
    acceptance: TestReport | None = None
    """The sealed checks that were run, its own and those of earlier milestones; None where none were."""
    strength: Strength | None = None
    """What the tests notice; None where it was not measured."""
    untested: list[str] = Field(default_factory=list)
    """Interfaces that the Test agent gave no usable test for, each with why."""
    disputed: list[str] = Field(default_factory=list)
    """Functions of which too few of the versions that the model wrote at first came to the same on further inputs; they
    may have been written anew since."""
    evaluation: Evaluation | None = None
    findings: list[ReviewFinding] = Field(default_factory=list)
    """What the Critic found in the code."""
    passes: list[FinishingPass] = Field(default_factory=list)
    """What became of the passes over it, once it was accepted."""
    failure: str | None = None
    """Why the attempt has no evaluation, e.g. an agent gave nothing usable; or that the run stopped in it."""


class Milestone(Schema):
    """A step of the plan that is specified, built, tested and judged as one."""

    id: str
    title: Line
    description: Text
    acceptance_criteria: list[Criterion] = Field(default_factory=list)
    dependencies: list[str] = Field(default_factory=list)
    runs_program: bool = False
    """True from the milestone on that must make the idea's ``run`` command work."""
    feedback: list[str] | None = None
    """None at first; the evaluation's feedback on a retry."""
    status: Status = Status.PENDING
    attempts: list[AttemptRecord] = Field(default_factory=list)
    blocked_by: str | None = None
    specification: Specification | None = None
    """Product requirements, user stories, contracts, data model, as the last attempt had them."""
    architecture: Architecture | None = None
    """Files, boundaries, dependencies and choices of technology, as the last attempt had them."""


class Plan(Schema):
    """Milestones in an order that respects their dependencies, and what code had to mend in the reply."""

    milestones: list[Milestone] = Field(min_length=1, max_length=MAX_MILESTONES)
    notes: list[str] = Field(default_factory=list)
