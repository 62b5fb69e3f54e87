"""What tests must be to prove something: pytest finds and runs them, each asserts, and every contract is mentioned."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from schemas.specification import Contract

__all__ = ["asserts", "expects_error", "refuse_idle", "unmentioned"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef

_SKIPS = re.compile(
    r"\bpytest\.(skip|xfail)|\bmark\.(skip|xfail)|importorskip|unittest\.skip|skipTest|SkipTest|expectedFailure"
    r"|from (pytest|unittest) import .*\b(skip\w*|xfail)\b"
)
_ASYNC = {"asyncio": "pytest_asyncio", "anyio": "anyio", "trio": "pytest_trio"}
"""pytest's mark of an asynchronous test → the module that must be installed so that it is run."""


def refuse_idle(tree: ast.Module, name: str, installed: Collection[str]) -> None:
    """Refuse the test module ``tree``, called ``name``, if it would prove nothing. ``installed`` are the import names
    of the packages that are there.

    Raises:
        ValueError: pytest finds no test in it, or would not run one; or a test asserts nothing, or may be skipped.
    """
    found = list(_tests(tree))
    if not found:
        raise ValueError(f"{name}: no function is named test_…")
    text = ast.unparse(_Textless().visit(ast.parse(ast.unparse(tree))))
    marks = sorted(mark for mark, module in _ASYNC.items() if module in installed)
    for label, test, awaited in found:
        if isinstance(test, ast.AsyncFunctionDef) and not awaited and not any(f"mark.{m}" in text for m in marks):
            marked = "".join(f", or mark it with pytest.mark.{mark}" for mark in marks)
            raise ValueError(f"{name}: {label} is async and pytest would not run it: use asyncio.run in a def{marked}")
        if not asserts(test, tree):
            raise ValueError(f"{name}: {label} asserts nothing")
    if skip := _SKIPS.search(text):
        raise ValueError(f"{name}: {skip[0]} is not allowed: a test runs or is not written")


class _Textless(ast.NodeTransformer):
    """Empties all texts: what they say is no code."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node


def _tests(tree: ast.Module) -> Iterator[tuple[str, _Function, bool]]:
    """Yield of each test that pytest collects how it is called, its code, and whether its class awaits it."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, _Function) and _is_test(node):
            yield node.name, node, False
        elif isinstance(node, ast.ClassDef):
            yield from _methods(node, classes)


def _is_test(node: _Function) -> bool:
    made = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
    return node.name.startswith("test") and "fixture" not in map(_last, made)


def _methods(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> Iterator[tuple[str, _Function, bool]]:
    line = _line(node, classes)
    bases = [ast.unparse(base) for one in line for base in one.bases]
    members = {n.name: n for one in reversed(line) for n in one.body if isinstance(n, _Function | ast.ClassDef)}
    of_unittest = any(base.endswith("TestCase") for base in bases)
    if not of_unittest and (not node.name.startswith("Test") or "__init__" in members):
        return
    awaited = any(base.endswith("IsolatedAsyncioTestCase") for base in bases)
    for member in members.values():
        if isinstance(member, ast.ClassDef):
            yield from _methods(member, classes)
        elif _is_test(member):
            yield f"{node.name}.{member.name}", member, awaited


def _line(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """Return a class and those of the module that it inherits from, nearest first."""
    line = [node]
    for one in line:
        found = [classes[name] for base in one.bases if (name := ast.unparse(base)) in classes]
        line += [base for base in found if base not in line]
    return line


def asserts(test: ast.AST, tree: ast.Module) -> bool:
    """Whether ``test`` can fail for what it finds: it asserts, expects an error or a warning, or calls a helper of its
    module ``tree`` that does."""
    helpers = {n.name: n for n in ast.walk(tree) if isinstance(n, _Function) and not n.name.startswith("test")}
    todo: list[ast.AST] = [test]
    for node in todo:
        parts = list(ast.walk(node))
        if any(_claims(part, helpers) for part in parts):
            return True
        idle = {n.value for n in parts if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call) and _alone(n.value)}
        if any(_expects(part) for part in parts if part not in idle):
            return True
        called = [_helper(part, helpers) for part in parts]
        todo += [helper for helper in called if helper is not None and helper not in todo]
    return False


def expects_error(node: ast.AST) -> bool:
    """Whether ``node`` is a ``with`` in which an error is expected."""
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        isinstance(part, ast.Call) and re.match("raises$|assertRaises", _last(part.func))
        for item in node.items
        for part in ast.walk(item.context_expr)
    )


def _claims(node: ast.AST, helpers: Collection[str]) -> bool:
    """Whether ``node`` is an assertion: Python's own, or a call named like one, as those of unittest and mocks are."""
    match node:
        case ast.Assert() | ast.Raise(exc=ast.Name("AssertionError") | ast.Call(func=ast.Name("AssertionError"))):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name("pytest" | "self"), attr="fail")):
            return True
        case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)):
            return name.startswith("assert") and name not in helpers
    return False


def _expects(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) in ("raises", "warns", "deprecated_call")


def _alone(call: ast.Call) -> bool:
    """Whether nothing is called that could raise: ``pytest.raises(E)`` by itself only makes an object."""
    return len(call.args) < (1 if _last(call.func) == "deprecated_call" else 2)


def _helper(node: ast.AST, helpers: Mapping[str, _Function]) -> _Function | None:
    match node:
        case ast.Call(func=ast.Name(name) | ast.Attribute(value=ast.Name("self" | "cls"), attr=name)):
            return helpers.get(name)
    return None


def _last(function: ast.expr) -> str:
    return ast.unparse(function).rpartition(".")[2]


def unmentioned(contracts: Iterable[Contract], trees: Sequence[ast.Module]) -> list[str]:
    """Return the names of those of the ``contracts`` that none of the test modules ``trees`` mentions."""
    code = "\n".join(map(ast.unparse, trees))
    nodes = [node for tree in trees for node in ast.walk(tree)]
    known = {
        target.id: node.value.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    texts = "\n".join(_text(node, known) for node in nodes if isinstance(node, ast.expr))
    return [c.name for c in contracts if not re.search(_pattern(c), texts if _path(c) else code)]


_ANY = "\0"
"""Stands in a text for what only the run of a test can say."""
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|<[^<>]*>|(?<=/):\w+")


def _text(node: ast.expr | None, known: Mapping[str, str]) -> str:
    """Return the text that an expression gives, as far as it can be seen."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, known) for part in parts)
        case ast.FormattedValue(value=value):
            return _text(value, known)
        case ast.Name(id=name):
            return known.get(name, _ANY)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, known) + _text(right, known)
        case ast.BinOp(left=left, op=ast.Mod()):
            return re.sub(r"%\w", _ANY, _text(left, known))
        case ast.Call(func=ast.Attribute(value=value, attr="format")):
            return _PLACEHOLDER.sub(_ANY, _text(value, known))
    return _ANY


def _path(contract: Contract) -> str | None:
    """Return the path of an endpoint without its query."""
    words = contract.name.split() if contract.kind == "endpoint" else []
    return next((word.partition("?")[0] for word in words if "/" in word), None)


def _pattern(contract: Contract) -> str:
    """Return a pattern of what mentions ``contract``: its path, with anything in place of each parameter; of a command
    its last word that is no parameter; the name of a function or class, however it is reached."""
    if path := _path(contract):
        parts = [re.escape(part) for part in _PLACEHOLDER.split(path)]
        return r"[^/?#\s]+".join(parts) + r"(?![\w-])"
    if contract.kind == "command":
        words = [word for word in contract.name.split() if re.match(r"\w|--\w", word) and not word.isupper()]
        words = words[words[:1] in (["python"], ["python3"]) :] or [contract.name]
        alone = r"\bmain\b|\bsubprocess\b|" if len(words) == 1 else ""  # that starts it without its name
        return rf"{alone}(?<!\w){re.escape(words[-1])}(?!\w)"
    dotted = (contract.name.partition("(")[0].split() or [contract.name])[-1]
    names = [name for name in dotted.split(".") if name and not name.startswith("__")] or [dotted]
    # A longer name that begins so, a module, say, will do for a function; too many begin like a method.
    return rf"(?<!\w){re.escape(names[-1])}" + (r"(?!\w)" if "." in dotted else "")
