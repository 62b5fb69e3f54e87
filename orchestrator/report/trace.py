"""From each requirement to what proves it: requirement → milestone → code → tests → evidence."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from agents.names import Definition, names_used
from agents.parsing import parse_module
from schemas.architecture import own_code
from schemas.evidence import Evidence
from schemas.idea import Idea
from schemas.milestone import Criterion, Milestone
from schemas.report import Acceptance, Trace

__all__ = ["trace", "unchecked"]


def trace(
    idea: Idea,
    milestones: Sequence[Milestone],
    acceptance: Sequence[Acceptance],
    files: Mapping[str, str],
    evidence: Evidence | None,
) -> list[Trace]:
    """Return one line for each acceptance statement, and for each other criterion of the milestones.

    Code belongs to a requirement if its check uses it; a generated test does if it uses that code too.
    """
    homes = _definitions(files)
    tests = _tests(files)
    passed = {name.split("[")[0] for name in evidence.generated.passing} if evidence else set()
    checks = {check.id: check.check for check in idea.acceptance}
    traces = []
    for line in acceptance:
        used = names_used(checks[line.id] or "") & set(homes)
        traces.append(
            Trace(
                requirement=f"{line.id}: {line.statement}",
                milestone=line.milestone,
                code=sorted(homes[name] for name in used),
                tests=[node for node, names in tests.items() if names & used and node in passed],
                proven=line.proof == "passed",
                evidence=f"sealed check {line.proof}" if line.proof != "not proven" else line.detail,
            )
        )
    traces += [
        Trace(
            requirement=criterion.statement,
            milestone=milestone.id,
            code=[],
            tests=[],
            proven=False,
            evidence="no sealed check covers it",
        )
        for milestone, criterion in unchecked(idea, milestones)
    ]
    return traces


def unchecked(idea: Idea, milestones: Sequence[Milestone]) -> list[tuple[Milestone, Criterion]]:
    """Return the criteria of ``milestones`` that no sealed check of the idea is about, nor states in the same words."""
    stated = {check.statement for check in idea.acceptance}
    return [
        (milestone, criterion)
        for milestone in milestones
        for criterion in milestone.acceptance_criteria
        if criterion.check is None and criterion.statement not in stated
    ]


def _definitions(files: Mapping[str, str]) -> dict[str, str]:
    """Return name → ``path: name`` of the functions and classes of the project's own code."""
    found: dict[str, str] = {}
    for path, source in sorted(own_code(files).items()):
        for node in _module(path, source).body:
            if isinstance(node, Definition):
                found.setdefault(node.name, f"{path}: {node.name}")
    return found


def _tests(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Return node id → names that the test uses."""
    found: dict[str, set[str]] = {}
    for path, source in sorted(files.items()):
        if path.startswith("tests/") and path.endswith(".py"):
            for node in _module(path, source).body:
                inner = node.body if isinstance(node, ast.ClassDef) else [node]
                prefix = f"{path}::{node.name}::" if isinstance(node, ast.ClassDef) else f"{path}::"
                for test in inner:
                    if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test"):
                        found[prefix + test.name] = names_used(ast.unparse(test))
    return found


def _module(path: str, source: str) -> ast.Module:
    try:
        return parse_module(source, path)
    except ValueError:
        return ast.Module([], [])
