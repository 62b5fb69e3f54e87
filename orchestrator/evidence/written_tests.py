"""The tests as they stand in the project's files, read outside the sandbox: what a report says is held against them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from agents.parsing import parse_module
from schemas.test_report import Failure

__all__ = ["inside", "sources", "unheard"]

UNHEARD = "pytest did not find this test, although it stands there"

_Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_NOT_LOOKED_INTO = {"build", "dist", "node_modules", "venv", "CVS", "_darcs", "{arch}"}
"""Folders that pytest passes by (its option ``norecursedirs``), besides hidden ones and ``*.egg``."""
_SKIPS = ("skip", "importorskip", "__test__", "pytestmark")


def sources(project: Path, nodes: Iterable[str]) -> dict[str, str]:
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


def unheard(project: Path, paths: Iterable[str], heard: Collection[str]) -> list[Failure]:
    """Return the tests of the files in ``paths`` that stand there and are not among ``heard`` (node ids without
    parameters): code can see to it that pytest does not find those that it fails. Only what pytest certainly takes for
    a test is looked for."""
    missing = []
    for file in sorted(file for path in paths for file in (project / path).rglob("test_*.py")):
        path = file.relative_to(project)
        if any(part in _NOT_LOOKED_INTO or part.startswith(".") or part.endswith(".egg") for part in path.parts):
            continue
        parsed = _parsed(project, str(path))
        for name in _certain(parsed[1]) if parsed else ():
            if f"{path}::{name}" not in heard:
                missing.append(Failure(test=f"{path}::{name}", error=UNHEARD, location=str(path)))
    return missing


def inside(project: Path, path: str) -> Path | None:
    """Return the plain file that a report names, if it really is one of the project: the report may be forged."""
    try:
        file = (project / path).resolve()
        return file if file.is_relative_to(project.resolve()) and file.is_file() else None
    except (OSError, ValueError):
        return None


def _parsed(project: Path, path: str) -> tuple[str, ast.Module] | None:
    """Return text and tree of a file of the project; None where there is none, or it can't be read as Python."""
    file = inside(project, path)
    try:
        text = file.read_text(encoding="utf-8") if file else ""
        return (text, parse_module(text, path)) if file else None
    except (OSError, ValueError):
        return None


def _definition(tree: ast.Module, names: Sequence[str]) -> ast.stmt | None:
    """Return what a node id names: the last definition of that name, as Python does. A method that its class does not
    have itself is inherited: then the last of that name in any class."""
    scope: ast.stmt | None = None
    for name in names:
        body = scope.body if isinstance(scope, _Named) else tree.body
        scope = next((n for n in reversed(list(_statements(body))) if _is(n, name)), None)
    if scope is None and len(names) > 1:
        classes = [n for n in _statements(tree.body) if isinstance(n, ast.ClassDef)]
        scope = next((n for c in reversed(classes) for n in _statements(c.body) if _is(n, names[-1])), None)
    return scope


def _is(node: ast.stmt, name: str) -> bool:
    return isinstance(node, _Named) and node.name == name


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of ``body``, those under conditions too."""
    for node in body:
        yield node
        if not isinstance(node, _Named):
            for part in ("body", "orelse", "finalbody"):
                yield from _statements(getattr(node, part, []))


def _certain(tree: ast.Module) -> Iterator[str]:
    """Yield the ids, within their file, of functions and methods that pytest collects by their names. Where a module
    may take itself or a part out, or a name is given to something else, nothing is certain."""
    if any(_mentions(node, _SKIPS) for node in tree.body if not isinstance(node, _Named)):
        return
    rebound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    for name, node in {node.name: node for node in tree.body if isinstance(node, _Named)}.items():
        if name in rebound:
            continue
        if not isinstance(node, ast.ClassDef):
            if _is_test(node):
                yield name
        elif name.startswith("Test") and not node.bases and not node.decorator_list and not _makes_itself(node):
            yield from sorted({f"{name}::{n.name}" for n in node.body if isinstance(n, _Named) and _is_test(n)})


def _is_test(node: ast.stmt) -> bool:
    """Whether a function is a test by its name, and nothing makes something else of it."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
        return False
    return all(ast.unparse(decorator).startswith("pytest.mark.") for decorator in node.decorator_list)


def _makes_itself(node: ast.ClassDef) -> bool:
    """Whether pytest passes by a class: it has a constructor, or says that it is no test."""
    return any(_is(n, "__init__") or _is(n, "__new__") or _mentions(n, ("__test__",)) for n in node.body)


def _mentions(node: ast.AST, names: Collection[str]) -> bool:
    return any(getattr(n, "id", getattr(n, "attr", "")) in names for n in ast.walk(node))
