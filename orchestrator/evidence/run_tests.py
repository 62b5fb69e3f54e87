"""Really running tests: pytest and coverage in the sandbox, the report checked and normalised."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from orchestrator.sandbox.port import Command, Sandbox
from schemas.base import Schema
from schemas.test_report import Failure, TestReport, TestResult

__all__ = ["HARNESS", "run_tests"]

HARNESS = Path(__file__).with_name("harness.py").resolve()
MAX_TESTS = 5_000


class _RawFailure(Schema):
    test: str
    error: str
    location: str


class _RawReport(Schema):
    exit_code: int
    collected: list[str] = Field(max_length=MAX_TESTS)
    outcomes: dict[str, Literal["passed", "failed", "skipped", "error"]]
    failures: list[_RawFailure] = Field(max_length=MAX_TESTS)
    collection_errors: list[_RawFailure] = Field(max_length=MAX_TESTS)
    coverage: dict[str, tuple[int, int]]


async def run_tests(
    sandbox: Sandbox,
    project: Path,
    environment: Path,
    paths: list[str],
    *,
    readable: tuple[Path, ...] = (),
    deselect: tuple[str, ...] = (),
    seconds: float = 60.0,
) -> TestReport:
    """Run the tests in ``paths`` (relative to the project, or absolute and in ``readable``).

    ``deselect`` are node ids that do not count. ``seconds`` bounds the whole run.
    """
    arguments = [*paths, *(f"--leave-out={node}" for node in deselect)]
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
    return _report(raw, project, root, result.execution.ended)


def _report(raw: _RawReport, project: Path, root: str, ended: str | None) -> TestReport:
    results = [TestResult(id=node, outcome=raw.outcomes.get(node, "error")) for node in raw.collected]
    count = {kind: sum(r.outcome == kind for r in results) for kind in ("passed", "failed", "skipped", "error")}
    failures = [
        Failure(
            test=f.test,
            error=normalised(f.error, root)[:3000],
            location=normalised(f.location, root),
            source=_source(project, f.test),
        )
        for f in [*raw.collection_errors, *raw.failures]
    ]
    lines = sum(total for total, _ in raw.coverage.values())
    covered = sum(hit for _, hit in raw.coverage.values())
    return TestReport(
        total=len(results) + len(raw.collection_errors),
        passed=count["passed"],
        failed=count["failed"],
        skipped=count["skipped"],
        errors=count["error"] + len(raw.collection_errors),
        coverage=round(100 * covered / lines, 1) if lines else None,
        coverage_by_file={p: round(100 * hit / total, 1) for p, (total, hit) in raw.coverage.items() if total},
        failures=failures,
        results=results,
        ended=ended,
    )


def normalised(text: str, root: str) -> str:
    """Return ``text`` without what differs from run to run: addresses, durations, folders (``root``: the project's)."""
    text = re.sub(r"0x[0-9a-f]{6,}", "0x…", text)
    text = re.sub(r"pytest-of-[\w-]+/pytest-\d+", "pytest", text)
    text = re.sub(r"\bin \d+\.\d+s\b", "in …s", text)
    return text.replace(f"{root}/", "")


def _source(project: Path, node: str) -> str:
    """Return the source of the test with node id ``node``, if it is a plain function of the project."""
    import ast

    path, _, name = node.partition("::")
    name = name.split("::")[-1].split("[")[0]
    try:
        text = (project / path).read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return ""
    found: Any = next((n for n in ast.walk(tree) if getattr(n, "name", None) == name), None)
    return ast.get_source_segment(text, found) or "" if found is not None else ""
