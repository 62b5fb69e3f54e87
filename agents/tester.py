"""Tester: writes tests from the specification and the interfaces, before and without the code."""

from __future__ import annotations

import ast
import builtins
import re

from agents.context import Context
from agents.contracts import refuses
from agents.entry import called, input_files
from agents.names import Definition, assigned, top_names, with_imports
from agents.parsing import files_from, parse_module, python_from
from agents.ports import Misuses
from agents.proving import asserts, expects_error, refuse_idle, unmentioned
from agents.runner import Runner, Task
from agents.skeleton import Symbol, functions, interface, stubs
from schemas.architecture import Blueprint
from schemas.code_change import CodeChange, FileWrite, WrittenTests
from schemas.errors import AgentFailure
from schemas.specification import Contract, Specification

__all__ = ["write_tests"]

_FIXTURES = ("tmp_path", "capsys", "monkeypatch", "tmpdir", "capfd")


async def write_tests(
    runner: Runner, context: Context, specification: Specification, blueprint: Blueprint, misuses: Misuses
) -> WrittenTests:
    """Return test files for the interfaces that the blueprint adds or changes.

    Tests that are there already stay as they are: those of a later attempt stand beside them.

    Raises:
        AgentFailure: there is no usable test, and nothing else that would try this milestone out.
    """
    if runner.model("tester").traits.step == "project":
        return WrittenTests(change=await _at_once(runner, context, specification, blueprint))
    skeletons = [(path, source) for path, source in sorted(blueprint.skeletons.items()) if path.endswith(".py")]
    symbols = [s for path, source in skeletons for s in dict.fromkeys([*stubs(path, source), *functions(path, source)])]
    results = await runner.ask_all([_for_symbol(context, specification, symbol, misuses) for symbol in symbols])
    sources: dict[str, list[str]] = {}
    failures: dict[str, AgentFailure] = {}
    for symbol, result in zip(symbols, results, strict=True):
        if isinstance(result, AgentFailure):
            failures[symbol.name] = result
        else:
            sources.setdefault(symbol.module.replace(".", "_"), []).append(result[0])
    tried_out = any(check.check for check in context.checks) and any(p.startswith("tests/") for p in context.files)
    if failures and not sources and not tried_out:
        raise next(iter(failures.values()))
    again = "" if context.turn == 1 else f"_{context.turn}"
    writes = [
        FileWrite(path=f"{_prefix(context)}{module}{again}.py", content=_join(parts))
        for module, parts in sources.items()
    ]
    return WrittenTests(
        change=CodeChange(writes=writes), untested=[f"{name}: {failure}" for name, failure in failures.items()]
    )


def _prefix(context: Context) -> str:
    """Return how the paths of the milestone's test files begin."""
    return f"tests/test_{context.milestone.id.lower().replace('-', '_')}_"


async def _at_once(runner: Runner, context: Context, specification: Specification, blueprint: Blueprint) -> CodeChange:
    prefix = _prefix(context)

    def parse(text: str) -> CodeChange:
        files = files_from(text)
        for path in files:
            if not path.startswith(prefix) or not path.endswith(".py"):
                raise ValueError(f"{path}: tests belong in files named {prefix}….py")
            if path in context.files:
                raise ValueError(f"{path} is there already and stays as it is: give the new tests another name")
        trees = {path: parse_module(source, path) for path, source in files.items()}
        for path, tree in trees.items():
            refuse_idle(tree, path, context.third_party)
        if untested := unmentioned(specification.contracts, list(trees.values())):
            raise ValueError(f"no test mentions the contract {untested[0]}")
        return CodeChange(writes=[FileWrite(path=p, content=s) for p, s in files.items()])

    variables = {
        **context.variables("tester"),
        "specification": specification,
        # A file that was there before has code in it; tests are written without knowing it.
        "skeletons": {p: interface(s) if p.endswith(".py") else s for p, s in blueprint.skeletons.items()},
        "prefix": prefix,
        "taken": sorted(path for path in context.files if path.startswith(prefix)),
    }
    return await runner.ask(Task("tester", "project", variables, parse, max_tokens=6000, sample=context.sample))


def _for_symbol(context: Context, specification: Specification, symbol: Symbol, misuses: Misuses) -> Task[str]:
    header = _header(context, symbol)
    # Fixtures are offered only where they are needed: a small model uses whatever it is told of.
    uses_files = bool(re.search(r"argv|path|file|print|stdout", symbol.source, re.I))
    errors = refuses(symbol.name, context)

    def parse(text: str) -> str:
        source = python_from(text)
        tree = parse_module(source, "reply")
        tree = called(tree) if symbol.name == "main" else tree
        own = [ast.unparse(n) for n in tree.body if _belongs(n, symbol)]
        result = with_imports("\n".join(dict.fromkeys([*header.split("\n"), *own])))
        result, dropped = _without_misuses(result, misuses(context.code, "tests/test_reply.py", result), errors=errors)
        kept = parse_module(result, "reply")
        if not any(isinstance(n, ast.Name) and n.id == symbol.name for n in ast.walk(kept)):
            raise ValueError(f"the tests never use {symbol.name} as its signature says. {dropped}")
        refuse_idle(kept, "reply", context.third_party)
        return result

    variables = {
        **context.variables("tester"),
        "symbol": symbol,
        "uses_files": uses_files,
        "contract": _contract(specification, symbol.name),
        "errors": errors,
        "mentioned": context.checks_of(symbol.name),
    }
    return Task(
        "tester",
        "function",
        variables,
        parse,
        max_tokens=400 if symbol.whole else 240,
        stop=["\n```"],
        prefill=f"```python\nimport pytest\n{header}\n\n\n{_beginning(context, symbol)}",
        sample=context.sample,
    )


def _header(context: Context, symbol: Symbol) -> str:
    """Return what the tests begin with: its import; of an object the imports of the checks that use it, and what is
    made of it there (``client = TestClient(app)``)."""
    plain = f"from {symbol.module} import {symbol.name}"
    if not symbol.whole:
        return plain
    nodes = [n for c in context.checks_of(symbol.name) if c.check for n in parse_module(c.check, c.id).body]
    imports = [ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]
    known = top_names(ast.parse("\n".join([*imports, plain]))) | set(dir(builtins))
    made = {
        ast.unparse(n.targets[0]): ast.unparse(n)
        for n in nodes
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call) and symbol.name in map(ast.unparse, n.value.args)
        if {m.id for m in ast.walk(n.value) if isinstance(m, ast.Name)} <= known
    }
    return "\n".join([*dict.fromkeys([*imports, plain]), "", *made.values()]).strip()


def _beginning(context: Context, symbol: Symbol) -> str:
    """Return how the first test begins. For ``main`` that says how a program's function is tested at all."""
    if symbol.whole:
        return "def test_"
    if symbol.name != "main":
        return f"def test_{symbol.name}"
    if input_files(context):
        return "def test_main_reads_file(tmp_path, capsys):\n    path = tmp_path / "
    return "def test_main_prints(capsys):\n    assert main(["


def _without_misuses(source: str, problems: list[tuple[int, str]], *, errors: bool) -> tuple[str, str]:
    """Return ``source`` less the statements that misuse the interface, and what was said of them.

    What stands under ``pytest.raises`` stays, as to misuse something there is the point. A test that has nothing left
    to assert goes as a whole, and without ``errors`` one that expects an error: nobody asked for any.
    """
    lines = {line for line, _ in problems}
    tree = ast.parse(source)
    for test in [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]:
        test.body = [
            n for n in test.body if expects_error(n) or not lines & set(range(n.lineno, (n.end_lineno or n.lineno) + 1))
        ]
    tree.body = [
        n
        for n in tree.body
        if not (isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and n.name.startswith("test"))
        or (asserts(n, tree) and (errors or not any(expects_error(m) or isinstance(m, ast.Try) for m in ast.walk(n))))
    ]
    return ast.unparse(tree), "; ".join(message for _, message in problems[:3])


def _belongs(node: ast.stmt, symbol: Symbol) -> bool:
    """Whether a statement of the reply is part of the tests.

    Models repeat the stub, import it from modules that do not exist, redefine pytest's fixtures and
    begin a last test that the token limit cuts off.
    """
    if isinstance(node, ast.ImportFrom):
        return all(alias.name != symbol.name for alias in node.names)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name != symbol.name and node.name not in _FIXTURES
    return isinstance(node, ast.Import | ast.Assign)


def _contract(specification: Specification, name: str) -> Contract | None:
    return next((c for c in specification.contracts if c.name == name), None)


def _join(parts: list[str]) -> str:
    """Return one test module of ``parts``: imports once and first; a name that an earlier part has given already gets
    a number, wherever its part uses it."""
    imports: dict[str, None] = {}
    body: list[str] = []
    given: set[str] = set()
    for part in parts:
        tree = ast.parse(part)
        own = {name for node in tree.body for name in _binds(node)}
        taken = given | own
        tree = _Renamed({name: _free(name, taken) for name in sorted(own & given)}).visit(tree)
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                imports[ast.unparse(node)] = None
            else:
                body.append(ast.unparse(node))
                given |= _binds(node)
    return "\n".join(imports) + "\n\n\n" + "\n\n\n".join(body) + "\n"


def _binds(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Assign):
        return assigned(node)
    return {node.name} if isinstance(node, Definition) else set()


def _free(name: str, taken: set[str]) -> str:
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    taken.add(f"{name}_{number}")
    return f"{name}_{number}"


class _Renamed(ast.NodeTransformer):
    """Gives names of a module other names, parameters (pytest's fixtures) included."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field in ("id", "arg", "name"):
            value = getattr(node, field, None)
            if isinstance(value, str) and value in self.names and not isinstance(node, ast.keyword):
                setattr(node, field, self.names[value])
        return super().generic_visit(node)
