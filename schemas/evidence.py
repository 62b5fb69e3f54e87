"""All that was measured on one attempt, never what a model claimed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.base import Schema
from schemas.test_report import Failure, TestReport

__all__ = ["Evidence", "Execution", "Finding", "ProgramRun", "Ruling", "Strength"]


class Execution(Schema):
    """One command as the sandbox ran it."""

    exit_code: int | None
    """None where it was killed."""
    stdout: str
    stderr: str
    duration_ms: int
    ended: str | None = None
    """Why it was killed, e.g. "time limit of 60 s"; None where it ended by itself."""
    pid: int | None = None
    """Id of the process that held it, on this machine."""


class ProgramRun(Schema):
    """The idea's ``run`` command, as it really ran."""

    command: str
    ok: bool
    exit_code: int | None
    output: str

    def __str__(self) -> str:
        return f"`{self.command}` ended with exit code {self.exit_code}: {self.output[-1500:]}"


class Finding(Schema):
    """A static finding."""

    tool: str
    rule: str
    path: str
    line: int
    message: str
    severity: Literal["low", "medium", "high"] = "low"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message} ({self.rule})"


class Ruling(Schema):
    """The Critic's decision on a generated test that fails: is the code wrong, or the test?"""

    test: str
    reason: str
    wrong: Literal["code", "test"]


class Strength(Schema):
    """How well the tests notice small deliberate defects."""

    mutants: int = Field(ge=0)
    """How many were tried; 0, where that was not possible."""
    killed: int = Field(ge=0)
    survivors: list[str] = Field(default_factory=list)
    """``file:line: before → after`` of each defect that no test noticed."""

    @property
    def percent(self) -> float:
        """The mutation score; 0 where none was tried."""
        return 100 * self.killed / max(1, self.mutants)


class Evidence(Schema):
    """Facts on one attempt. `generated` and `acceptance` are the two kinds of tests."""

    generated: TestReport
    acceptance: TestReport | None
    """None where the milestone has no sealed check to run yet."""
    program: ProgramRun | None
    """None where no ``run`` command is due yet."""
    findings: list[Finding] = Field(default_factory=list)
    contract_gaps: list[str] = Field(default_factory=list)
    """Interfaces of the blueprint that the code does not have, or has otherwise."""
    rulings: list[Ruling] = Field(default_factory=list)
    quarantined: list[str] = Field(default_factory=list)
    """Generated tests that the Critic ruled wrong: they do not count, and the report lists them."""
    largest_file_lines: int = 0
    unfailing: list[str] = Field(default_factory=list)
    """Tests and checks that pass straight and turned round, and tests that say nothing: they could not fail."""
    control_ended: str | None = None
    """Why a control run broke off, twice; None where none did."""
    vanished: list[str] = Field(default_factory=list)
    """Tests that were collected in the last attempt and are no longer, although nobody ruled them wrong."""
    strength: Strength | None = None
    """None where it was not measured: while anything fails there is nothing to be strong about."""

    @property
    def cut_short(self) -> bool:
        """Whether a limit of time ended the tests or the sealed checks."""
        reports = [report for report in (self.generated, self.acceptance) if report is not None]
        return any((report.ended or "").startswith("time limit") for report in reports)

    @property
    def holds(self) -> bool:
        """Whether every sealed check that was run holds."""
        return self.acceptance is None or self.acceptance.clean

    @property
    def met(self) -> set[str]:
        """Ids of the sealed checks that were run and hold."""
        return self.acceptance.passing if self.acceptance else set()

    @property
    def merit(self) -> tuple[int, ...]:
        """What two attempts at the same work are compared by, the most important first; more is better."""
        sealed = self.acceptance.passed if self.acceptance else 0
        runs = int(self.program is None or self.program.ok)
        # A run that broke off reports fewer failures than one that went to its end.
        whole = int(self.generated.ended is None and not self.generated.errors)
        generated = self.generated.passed
        return (
            sealed,
            runs,
            whole,
            generated,
            -len(self.counting_failures),
            -len(self.contract_gaps),
            -len(self.findings),
        )

    @property
    def failures(self) -> list[Failure]:
        """The failures to mend. While sealed checks fail, only those: a generated test may itself be wrong."""
        sealed = self.acceptance.failures if self.acceptance else []
        return sealed or self.generated.failures

    @property
    def gaps(self) -> list[str]:
        """Every other fact against the attempt."""
        gaps = [*self.contract_gaps, *(str(f) for f in self.findings)]
        if self.program is not None and not self.program.ok:
            gaps.append(f"{self.program} (function main)")
        return gaps

    @property
    def counting_failures(self) -> list[str]:
        """One line per failing test or fact that forbids a pass."""
        failures = []
        for kind, report in (("acceptance check", self.acceptance), ("test", self.generated)):
            if report is None:
                continue
            if report.total == 0:
                failures.append(f"no {kind} was collected")
            if report.ended:
                failures.append(f"the {kind}s did not end by themselves: {report.ended}")
            failures += [f"{kind} {f.test} fails: {f.error}" for f in report.failures]
            if not report.clean and report.total and not report.failures:
                failures.append(f"{report.total - report.passed} of {report.total} {kind}s did not run to their end")
            if report.skipped:
                failures.append(f"{report.skipped} {kind}(s) were skipped")
        if self.control_ended:
            failures.append(
                f"a control run broke off, so the tests are not shown to be able to fail: {self.control_ended}"
            )
        sealed = {r.id for r in self.acceptance.results} if self.acceptance else set()
        failures += [
            f"acceptance check {t} passes turned round too: this code can't fail it"
            for t in self.unfailing
            if t in sealed
        ]
        idle = [t for t in self.unfailing if t not in sealed]
        if 2 * len(idle) > self.generated.total > 0:
            failures.append(
                f"{len(idle)} of {self.generated.total} tests pass turned round too, or say nothing, e.g. {idle[0]}"
            )
        if self.generated.coverage == 0:
            failures.append("the tests run no line of the code")
        failures += [f"test {t} is no longer collected, although nobody ruled it wrong" for t in self.vanished]
        if self.program is not None and not self.program.ok:
            failures.append(f"the program `{self.program.command}` fails (exit code {self.program.exit_code})")
        return failures
