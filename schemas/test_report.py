"""What the sandbox measured when it ran the tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Schema

__all__ = ["Failure", "TestReport", "TestResult"]


class TestResult(Schema):
    """One test by its node id."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    id: str
    outcome: Literal["passed", "failed", "skipped", "error"]


class Failure(Schema):
    """A test that failed: what it said and where."""

    test: str
    error: str
    location: str
    """``file:line``"""
    source: str = ""
    """The test's own source, for whoever has to mend the code."""


class TestReport(Schema):
    """Totals of one run of all tests of the project."""

    __test__ = False

    total: int = Field(ge=0)
    passed: int = Field(ge=0)
    failed: int = Field(ge=0)
    skipped: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    """Tests or files that could not be collected or set up."""
    coverage: float | None = Field(default=None, ge=0, le=100)
    """Line coverage of the project's own code, in per cent; None where not measured."""
    coverage_by_file: dict[str, float] = Field(default_factory=dict)
    failures: list[Failure] = Field(default_factory=list)
    results: list[TestResult] = Field(default_factory=list)
    ended: str | None = None
    """Why the run did not end by itself, e.g. "time limit of 60 s"; None where it did."""

    @property
    def passing(self) -> set[str]:
        """Ids of the tests that passed."""
        return {r.id for r in self.results if r.outcome == "passed"}

    @property
    def clean(self) -> bool:
        """Whether every collected test passed and there was at least one."""
        return self.total > 0 and self.passed == self.total and not self.errors and self.ended is None
