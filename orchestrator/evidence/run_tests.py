"""Really running tests: pytest and coverage in the sandbox, the report checked and normalised."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from agents.parsing import parse_module
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
    inside = [path for path in paths if not Path(path).is_absolute()]
    missing = [f for f in _unheard(project, inside, heard) if f.location not in broken]
    return _report(raw, missing, project, root, result.execution.ended)


def _report(raw: _RawReport, missing: list[Failure], project: Path, root: str, ended: str | None) -> TestReport:
    results = [TestResult(id=node, outcome=raw.outcomes.get(node, "error")) for node in raw.collected]
    count = {kind: sum(r.outcome == kind for r in results) for kind in ("passed", "failed", "skipped", "error")}
    sources = _sources(project, [f.test for f in [*raw.collection_errors, *raw.failures][:SOURCES]])
    failures = [
        Failure(
            test=f.test,
            error=normalised(f.error, root)[:3000],
            location=normalised(f.location, root),
            source=sources.get(f.test, ""),
        )
        for f in [*raw.collection_errors, *raw.failures]
    ] + missing
    measured = {path: lines for path, lines in raw.coverage.items() if _inside(project, path)}
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


def _sources(project: Path, nodes: list[str]) -> dict[str, str]:
    """Return the source of each test that is a plain function or method of a file of the project."""
    trees: dict[str, tuple[str, ast.Module] | None] = {}
    found = {}
    for node in nodes:
        path, _, name = node.partition("::")
        if path not in trees:
            trees[path] = _parsed(project, path)
        parsed = trees[path]
        if parsed is not None:
            text, tree = parsed
            match = _definition(tree, name.split("[", 1)[0].split("::"))
            found[node] = ast.get_source_segment(text, match) or "" if match is not None else ""
    return found


def _definition(tree: ast.AST, names: list[str]) -> ast.AST | None:
    """Return the last definition, as Python does, with the dotted ``names``, wherever in ``tree`` its outermost is."""
    found: ast.AST | None = tree
    for name in names:
        inside = ast.walk(found) if found is not None else ()
        found = next((n for n in reversed(list(inside)) if isinstance(n, _Named) and n.name == name), None)
    return found


_Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _unheard(project: Path, paths: list[str], heard: set[str]) -> list[Failure]:
    """Return the tests of the files in ``paths`` that stand there and have neither run nor been left out: code can see
    to it that pytest does not find those that it fails. Only what pytest always takes for a test is looked for."""
    missing = []
    for file in sorted(f for path in paths for f in (project / path).rglob("test_*.py")):
        path = file.relative_to(project).as_posix()
        parsed = _parsed(project, path)
        for name in _certain_tests(parsed[1]) if parsed else []:
            if f"{path}::{name}" not in heard:
                error = "pytest did not find this test, although it stands there"
                missing.append(Failure(test=f"{path}::{name}", error=error, location=path))
    return missing


def _is_test(node: ast.stmt) -> bool:
    """Whether pytest takes a function for a test: by its name, unless it is a fixture."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
        return False
    return not any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)


def _name(node: ast.stmt) -> str:
    return str(getattr(node, "name", ""))


_MAKERS = ("__init__", "__new__")


def _certain_tests(tree: ast.Module) -> list[str]:
    """Return the ids, within their file, of functions and methods of ``tree`` that pytest collects by their names."""
    found = []
    for name, node in {node.name: node for node in tree.body if isinstance(node, _Named)}.items():
        if not isinstance(node, ast.ClassDef):
            found += [name] if _is_test(node) else []
        elif name.startswith("Test") and not node.bases and not any(_name(n) in _MAKERS for n in node.body):
            found += sorted({f"{name}::{_name(method)}" for method in node.body if _is_test(method)})
    # A module or a class that takes itself out is its author's choice, and a skipped test is no passed one.
    return [] if "__test__" in ast.unparse(tree) else found


def _parsed(project: Path, path: str) -> tuple[str, ast.Module] | None:
    """Return text and tree of a file of the project; None where there is none, or it can't be read as Python."""
    file = _inside(project, path)
    try:
        text = file.read_text(encoding="utf-8") if file else ""
        return (text, parse_module(text, path)) if file else None
    except (OSError, ValueError):
        return None


def _inside(project: Path, path: str) -> Path | None:
    """Return the plain file that a report names, if it really is one of the project: the report may be forged."""
    try:
        file = (project / path).resolve()
        return file if file.is_relative_to(project.resolve()) and file.is_file() else None
    except (OSError, ValueError):
        return None
