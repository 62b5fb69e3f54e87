"""One program, written, scored and refined: what the loop of `orchestrator.refine_loop` hands on and leaves behind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import Schema
from schemas.call import Usage
from schemas.code_change import Edit
from schemas.evidence import Evidence, Execution
from schemas.routing import Move

__all__ = ["PROGRAM", "Refinement", "Round", "ScoredEdit", "Scoring"]

PROGRAM = "program.py"
"""The program's only file."""

Points = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]


class ScoredEdit(Schema):
    """An exact change, and how many points it is worth."""

    edit: Edit
    points: Points


class Scoring(Schema):
    """What the scorer says of a program."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
    edits: list[ScoredEdit] = Field(max_length=20)
    said: Points
    """The number that it wrote itself."""

    @property
    def score(self) -> float:
        """10 less the points of the edits: a flaw that can't be said exactly takes nothing off."""
        return max(0.0, 10.0 - sum(edit.points for edit in self.edits))


class Round(Schema):
    """One program and what became of it."""

    number: int = Field(ge=1)
    move: Move
    program: str
    evidence: Evidence
    better: bool
    """Whether it is better than all before it."""
    scoring: Scoring | None
    """None where the scorer gave nothing usable, or the run was stopped before; and where a small one was not asked."""
    score: float | None
    """0–10, after the caps; None: unscored, not zero. A small model's program that meets the task's examples has what
    facts give it."""
    caps: list[str] = Field(default_factory=list)
    """Facts that cap the score."""
    agreement: float | None = Field(default=None, ge=0, le=1)
    """Which share of the generator's versions with equal facts comes to the same on further inputs; None where there
    are too few to ask."""
    disputed: bool = False
    """Whether the examples hold and too few versions agree, so that a small scorer was not asked at once."""
    flags: list[str] = Field(default_factory=list)
    """What makes the scoring itself doubtful."""


class Refinement(Schema):
    """All rounds, ``report.json`` of ``milepost refine``."""

    run: str
    prompt: str
    verdict: Literal["accepted", "not accepted", "stopped"]
    stopped_by: str | None
    resumable: bool = True
    """As in `schemas.report.FinalReport`."""
    min_score: float
    rounds: list[Round]
    best: int | None
    """Number of the round whose program is delivered."""
    execution: Execution | None
    """The program, really run at the end."""
    refusal: str = ""
    """Why a program that reached the bar is not accepted all the same."""
    models: list[str]
    usage: Usage
    cost_usd: float | None
    seconds: float
    sandbox: str
    log: str

    @property
    def delivered(self) -> Round | None:
        """The best round."""
        return next((r for r in self.rounds if r.number == self.best), None)
