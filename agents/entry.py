"""How the idea's start command reaches the code: the file it starts, its function ``main``, the files it reads."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from agents.context import Context
from agents.contracts import bullets, calls
from agents.merging import indented, merge
from agents.names import top_names
from agents.parsing import parse_module
from agents.skeleton import is_guard
from schemas.architecture import safe_path
from schemas.idea import started

__all__ = ["called", "entry_points", "input_files", "with_entry", "with_exit_code"]

_MAIN = "def main(argv: list[str] | None = None) -> int:\n    raise NotImplementedError\n"
_RUN = "Run the program on the arguments ``argv`` (default: ``sys.argv[1:]``) and print its result to standard output."
_EXIT = (
    "Returns:\n    The exit code: 0 if all went well; on an error another one, and the message goes to standard error."
)
_OF_PROCESS = {"stdout": "out", "stderr": "err"}
"""Attribute of a finished process → that of what pytest's ``capsys`` has read."""
_GUARD = 'if __name__ == "__main__":\n    raise SystemExit(main())\n'


def entry_points(context: Context) -> list[str]:
    """Return the files of which the idea's ``run`` command needs one, where the milestone has to make it work.

    Empty where there is no such command, or where it starts a module of Python's own (``python -m http.server``)
    or of a dependency (``python -m uvicorn …``).
    """
    command = context.idea.run if context.milestone.runs_program else None
    if command is None:
        return []
    kind, name = started(command)
    if kind == "script":
        return [name]
    if kind == "code" or name.partition(".")[0] in {*sys.stdlib_module_names, *context.third_party}:
        return []
    base = name.replace(".", "/")
    return [f"{base}/__main__.py", f"{base}.py"]


def input_files(context: Context) -> list[str]:
    """Return the arguments of the ``run`` command that name files, such as ``sample.txt``: they must be there."""
    entries = entry_points(context)
    found = []
    for word in shlex.split(context.idea.run or "") if entries else []:
        if re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{0,4}", PurePosixPath(word).suffix) and word not in entries:
            try:
                found.append(safe_path(word))
            except ValueError:
                continue  # outside the project: not ours to make
    return found


def with_entry(files: Mapping[str, str], context: Context) -> dict[str, str]:
    """Return ``files`` so that the start command reaches a function ``main``, a stub where there is none.

    A file that does something when it is started is left as it is.
    """
    entries = entry_points(context)
    if not entries:
        return dict(files)
    path = next((entry for entry in reversed(entries) if entry in files), entries[0])
    tree = parse_module(files.get(path, ""), path)
    if any(_starts(node) for node in tree.body):
        return dict(files)
    main = "" if "main" in top_names(tree) else _main(context)
    return {**files, path: merge(files.get(path, ""), f"{main}\n\n{_GUARD}")}


def with_exit_code(code: str) -> str:
    """Return ``code`` with a function ``main`` that gives 0 where it comes to its end without a word: it is to give the
    exit code, and to the process that it ends None means the same. Small models forget it, and then every right
    test of ``main`` fails."""
    tree = parse_module(code, "reply")
    main = next((n for n in reversed(tree.body) if isinstance(n, ast.FunctionDef) and n.name == "main"), None)
    if main is None or main.returns is None or ast.unparse(main.returns) != "int" or not _goes_on(main.body):
        return code
    lines = code.split("\n")
    margin = lines[main.body[0].lineno - 1][: main.body[0].col_offset]
    if margin.strip():  # all of it stands in one line
        return code
    lines.insert(main.end_lineno or len(lines), f"{margin}return 0")
    return "\n".join(lines)


def _goes_on(body: Sequence[ast.stmt]) -> bool:
    """Whether what follows ``body`` may be reached."""
    match body[-1] if body else ast.Pass():
        case ast.Return() | ast.Raise():
            return False
        case ast.If(body=then, orelse=otherwise):
            return _goes_on(then) or _goes_on(otherwise)
        case ast.With(body=inside):
            return _goes_on(inside)
        case ast.Try(body=tried, handlers=handlers, orelse=otherwise, finalbody=last):
            through = _goes_on([*tried, *otherwise]) or any(_goes_on(handler.body) for handler in handlers)
            return through and (not last or _goes_on(last))
        case ast.While(test=ast.Constant(value=True)) as loop:
            return any(isinstance(node, ast.Break) for node in ast.walk(loop))
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="sys"), attr="exit"))):
            return False
    return True


def called(tests: ast.Module) -> ast.Module:
    """Return ``tests`` of ``main`` in which its result, where they read it as if a process had ended, is the exit code
    that it is, and what was printed comes from ``capsys``: a small model writes what it saw a check do.

    Tests that use ``capsys`` by themselves keep what they do with it.
    """
    for test in tests.body:
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test"):
            _Called().visit(test)
    return ast.fix_missing_locations(tests)


class _Called(ast.NodeTransformer):
    """Changes one test."""

    def __init__(self) -> None:
        self._results: set[str] = set()
        self._reads = False
        self._inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if self._inside:  # a function in the test
            return self.generic_visit(node)
        self._inside = True
        nodes = list(ast.walk(node))
        stored = Counter(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        results = Counter(r for n in nodes if isinstance(n, ast.Assign) and (r := _result_of_main(n)))
        inner = {n.arg for n in nodes if isinstance(n, ast.arg)}
        inner |= {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name}
        self._results = {name for name, count in results.items() if count == stored[name]} - inner
        used = [n for n in nodes if isinstance(n, ast.Attribute)]
        of_results = [n for n in used if isinstance(n.value, ast.Name) and n.value.id in self._results]
        given = {a.arg for a in node.args.args}
        captured = "readouterr" in {n.attr for n in used} or given & {"capfd", "capfdbinary", "capsysbinary"}
        self._reads = any(n.attr in _OF_PROCESS for n in of_results) and not captured
        if self._reads and "capsys" not in given:
            node.args.args.insert(0, ast.arg("capsys"))  # in front: defaults belong to the last ones
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        result = _result_of_main(node)
        if not self._reads or not result:
            return node
        return [node, *ast.parse(f"{result}_printed = capsys.readouterr()").body]

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.value, ast.Name) or node.value.id not in self._results:
            return node
        if node.attr == "returncode":
            return node.value
        if self._reads and node.attr in _OF_PROCESS:
            return ast.parse(f"{node.value.id}_printed.{_OF_PROCESS[node.attr]}", mode="eval").body
        return node


def _result_of_main(node: ast.Assign) -> str:
    """Return ``done`` of ``done = main(…)``; empty where the statement is another."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="main"))):
            return name
        case _:
            return ""


def _main(context: Context) -> str:
    """Return the stub of ``main``. Its docstring says in the user's words what the command does: the features that
    write no function as a call."""
    told = bullets(feature for feature in context.idea.features if not calls(feature))
    tree = ast.parse(_MAIN)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101  (`_MAIN` is one)
    text = "\n\n".join([_RUN, *([told] if told else []), _EXIT])
    function.body.insert(0, ast.Expr(ast.Constant(f"{indented(text, '    ').strip()}\n    ")))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _starts(node: ast.stmt) -> bool:
    """Whether a module that has this statement does its work when it is started; setting up logging is none."""
    if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant):
        return is_guard(node)
    return not ast.unparse(node).startswith("logging.")
