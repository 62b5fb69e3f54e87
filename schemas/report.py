"""The final report (``report.json``; ``report.md`` is the same for people)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Schema
from schemas.call import Usage
from schemas.evidence import Finding, ProgramRun, Ruling
from schemas.idea import Limits
from schemas.milestone import Milestone
from schemas.test_report import TestReport

__all__ = ["Acceptance", "AgentTotals", "FinalReport", "Item", "ProjectFile", "RoadmapItem", "Trace"]

Verdict = Literal["accepted", "not accepted", "stopped"]


class ProjectFile(Schema):
    """A file of the prototype."""

    path: str
    lines: int
    purpose: str = ""


class Acceptance(Schema):
    """An acceptance statement and what proves it."""

    id: str
    statement: str
    milestone: str | None
    proof: Literal["passed", "failed", "not proven"]
    detail: str = ""
    holdout: bool = False


class Trace(Schema):
    """A requirement and what leads from it to its proof."""

    requirement: str
    milestone: str | None
    code: list[str]
    """``path: name`` of the functions and classes that its check uses."""
    tests: list[str]
    """Generated tests that pass and use that code."""
    proven: bool
    """True only where a sealed check passes."""
    evidence: str


class Item(Schema):
    """A risk or a debt, with the fact that it rests on."""

    title: str
    evidence: str


class RoadmapItem(Schema):
    """A next step; 1 is the most urgent."""

    priority: int = Field(ge=1)
    step: str
    because: str


class AgentTotals(Schema):
    """What one agent used."""

    agent: str
    model: str
    calls: int
    reused: int = 0
    """So many of them were taken over from another run; the rest of the numbers is without these."""
    usage: Usage
    duration_ms: int
    cost_usd: float | None


class FinalReport(Schema):
    """All five deliverables, and what they rest on."""

    run: str
    idea: str
    summary: str
    verdict: Verdict
    stopped_by: str | None
    """Why the run ended early; None where it did not."""
    resumable: bool = True
    """Whether ``milepost resume`` can get beyond that: an answer that was of no use stays so."""
    began: str = ""
    """When the run began, ISO 8601."""
    version: str = ""
    """Milepost's, of the last sitting."""
    idea_file: str = ""
    limits: Limits = Limits()
    """Those in force in the last sitting."""
    milestones: list[Milestone]
    plan_notes: list[str]
    files: list[ProjectFile]
    project: str
    """Folder of the prototype."""
    holds: str = ""
    """What that is, where nothing was accepted."""
    tests: TestReport | None
    acceptance: list[Acceptance]
    traces: list[Trace]
    program: ProgramRun | None
    findings: list[Finding]
    rulings: list[Ruling]
    quarantined: list[str]
    risks: list[Item]
    tech_debt: list[Item]
    roadmap: list[RoadmapItem]
    agents: list[AgentTotals]
    models: list[str]
    usage: Usage
    cost_usd: float | None
    """None where a price is unknown: "not measured"."""
    seconds: float
    """Wall-clock time over all sittings of the run."""
    sandbox: str
    log: str
    """The audit log, ``logs/<run>/events.jsonl``."""
