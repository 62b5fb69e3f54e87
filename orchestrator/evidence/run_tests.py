"""Really running tests: pytest and coverage in the sandbox, the report checked and normalised."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from orchestrator.evidence.written_tests import inside, sources, unheard
from orchestrator.sandbox.port import Command, Sandbox
from schemas.base import Schema
from schemas.test_report import Failure, TestReport, TestResult

__all__ = ["HARNESS", "run_tests"]

HARNESS = Path(__file__).with_name("harness.py").resolve()
MAX_TESTS = 5_000


SOURCES = 50
"""Failures whose test's own source is looked up; nobody is shown more."""

_Text = Annotated[str, StringConstraints(max_length=8_000)]
_Count = Annotated[int, Field(ge=0, le=10_000_000)]


class _RawFailure(Schema):
    test: _Text
    error: _Text
    location: _Text


class _RawReport(Schema):
    """What comes out of the sandbox; the code under test may have written it."""

    collected: list[_Text] = Field(max_length=MAX_TESTS)
    outcomes: dict[_Text, Literal["passed", "failed", "skipped", "error"]]
    failures: list[_RawFailure] = Field(max_length=MAX_TESTS)
    collection_errors: list[_RawFailure] = Field(max_length=MAX_TESTS)
    coverage: dict[_Text, tuple[_Count, _Count]]

    @model_validator(mode="after")
    def _adds_up(self) -> _RawReport:
        if len(set(self.collected)) != len(self.collected):
            raise ValueError("a test is named twice")
        if any(hit > total for total, hit in self.coverage.values()):
            raise ValueError("more lines were run than there are")
        return self


async def run_tests(
    sandbox: Sandbox,
    project: Path,
    environment: Path,
    paths: list[str],
    *,
    readable: tuple[Path, ...] = (),
    deselect: tuple[str, ...] = (),
    seconds: float = 60.0,
    coverage: bool = True,
) -> TestReport:
    """Run the tests in ``paths`` (relative to the project, or absolute and in ``readable``).

    ``deselect`` are node ids that do not count. ``seconds`` bounds the whole run. To measure ``coverage`` takes about
    as long as to run the tests of a small project.
    """
    arguments = [*([] if coverage else ["--no-coverage"]), *paths, *(f"--leave-out={node}" for node in deselect)]
    command = Command(
        argv=("python", "-I", str(HARNESS), sandbox.place(project), *arguments),
        project=project,
        environment=environment,
        readable=(HARNESS, *readable),
        seconds=seconds,
        report=True,
    )
    root = sandbox.place(project)
    result = await sandbox.run(command)
    try:
        raw = _RawReport.model_validate_json(result.report)
    except ValidationError:
        output = (result.execution.stderr or result.execution.stdout).strip()[-600:]
        ended = (
            result.execution.ended
            or f"the test process ended without a report (exit code {result.execution.exit_code})"
        )
        return TestReport(total=0, passed=0, failed=0, errors=1, ended=normalised(f"{ended} {output}".strip(), root))
    heard = {node.split("[", 1)[0] for node in (*raw.collected, *deselect)}
    broken = {failure.test.partition("::")[0] for failure in raw.collection_errors}
    relative = [path for path in paths if not Path(path).is_absolute()]
    missing = [failure for failure in unheard(project, relative, heard) if failure.location not in broken]
    return _report(raw, missing, project, root, result.execution.ended)


def _report(raw: _RawReport, missing: list[Failure], project: Path, root: str, ended: str | None) -> TestReport:
    results = [TestResult(id=node, outcome=raw.outcomes.get(node, "error")) for node in raw.collected]
    count = {kind: sum(r.outcome == kind for r in results) for kind in ("passed", "failed", "skipped", "error")}
    texts = sources(project, [f.test for f in [*raw.collection_errors, *raw.failures][:SOURCES]])
    failures = [
        Failure(
            test=f.test,
            error=normalised(f.error, root)[:3000],
            location=normalised(f.location, root),
            source=texts.get(f.test, ""),
        )
        for f in [*raw.collection_errors, *raw.failures]
    ] + missing
    measured = {path: lines for path, lines in raw.coverage.items() if inside(project, path)}
    lines = sum(total for total, _ in measured.values())
    covered = sum(hit for _, hit in measured.values())
    return TestReport(
        total=len(results) + len(raw.collection_errors) + len(missing),
        passed=count["passed"],
        failed=count["failed"],
        skipped=count["skipped"],
        errors=count["error"] + len(raw.collection_errors) + len(missing),
        coverage=round(100 * covered / lines, 1) if lines else None,
        coverage_by_file={p: round(100 * hit / total, 1) for p, (total, hit) in measured.items() if total},
        failures=failures,
        results=results,
        ended=ended,
    )


def normalised(text: str, root: str) -> str:
    """Return ``text`` without what differs from run to run: addresses, durations, folders (``root``: the project's)."""
    text = re.sub(r"0x[0-9a-f]{6,16}", "0x…", text)
    text = re.sub(r"pytest-of-\w{1,32}/pytest-\d{1,9}", "pytest", text)
    text = re.sub(r"\bin \d{1,9}\.\d{1,9}s\b", "in …s", text)
    return text.replace(f"{root}/", "")
