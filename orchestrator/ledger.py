"""How far a run has come: what its loop fills, and its report is compiled from."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.evidence import Ruling
from schemas.milestone import Milestone
from schemas.test_report import TestReport

__all__ = ["Ledger"]


@dataclass
class Ledger:
    """How far the run has come; what the report is compiled from."""

    milestones: dict[str, Milestone] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rulings: list[Ruling] = field(default_factory=list)
    quarantined: tuple[str, ...] = ()
    """Tests of accepted milestones that were ruled wrong."""
    collected: set[str] = field(default_factory=set)
    """Their tests, by node id."""
    homes: dict[str, list[str]] = field(default_factory=dict)
    """Accepted milestone → paths that it added or changed."""
    files: dict[str, str] = field(default_factory=dict)
    """The project as the last accepted milestone left it."""
    best: dict[str, str] = field(default_factory=dict)
    """The best state that was measured of the last milestone that came so far, to be shown where none is accepted."""
    best_at: str = ""
    """Where that comes from, in words."""
    tests: TestReport | None = None
    """The generated tests of what there is to show, as they were measured last."""
