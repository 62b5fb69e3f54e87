"""The control run: tests turned round, so that each of them must fail where it passed before.

Code can't earn a pass with tests that nothing could fail: objects that equal everything, a patched pytest, a runner
that says "passed" whatever happens, an assert that is never reached. There are two control runs; in each, every other
test is turned round, chosen by lot, to ask for values near the right ones. Inside the sandbox a turned test differs
from a straight one in nothing but what it asks for, so only code that knows the right answers can tell them apart.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.parsing import parse_module
from schemas.test_report import TestReport

__all__ = ["Control", "controls", "unfailing"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Control:
    """The test files of one control run."""

    files: dict[str, str]
    turned: frozenset[tuple[str, str]]
    """Path and function name of each test that is turned round here."""

    def has_turned(self, node: str) -> bool:
        """Whether the test with node id ``node`` is turned round in this run."""
        path, _, name = node.partition("::")
        return (path, name.split("::")[-1].split("[")[0]) in self.turned


def controls(files: Mapping[str, str], lot: random.Random) -> tuple[Control, Control]:
    """Return two control runs of the test modules ``files``: what is straight in one is turned in the other.

    Raises:
        ValueError: a test is nested too deep to be read.
    """
    made: tuple[dict[str, str], dict[str, str]] = ({}, {})
    turned: tuple[set[tuple[str, str]], set[tuple[str, str]]] = (set(), set())
    for path, source in files.items():
        try:
            tree = parse_module(source, path)
        except ValueError:
            for one in made:  # no test module: data of a test, or a file that is a collection error already
                one[path] = source
            continue
        names = sorted({test.name for test in _tests(tree.body)})
        lot.shuffle(names)
        words = _Words(lot)
        for run, chosen in enumerate((set(names[::2]), set(names[1::2]))):
            module, done = _module(parse_module(source, path), chosen, words)
            made[run][path] = module
            turned[run].update((path, name) for name in done)
    return Control(made[0], frozenset(turned[0])), Control(made[1], frozenset(turned[1]))


def unfailing(straight: TestReport, runs: Sequence[tuple[Control, TestReport]]) -> list[str]:
    """Return the ids of tests that pass straight and turned round, or say nothing that could be turned; all that
    passed, where a control run broke off or most straight tests failed in it: then it was recognised."""
    passed = {r.id for r in straight.results if r.outcome == "passed"}
    if any(report.ended for _, report in runs):
        return sorted(passed)
    outcomes = [(control, {r.id: r.outcome for r in report.results}) for control, report in runs]
    kept = [outcome.get(node) for control, outcome in outcomes for node in passed if not control.has_turned(node)]
    if 2 * sum(outcome == "passed" for outcome in kept) < len(kept):
        return sorted(passed)
    failed = {
        node
        for control, outcome in outcomes
        for node in passed
        if control.has_turned(node) and outcome.get(node) in ("failed", "error")
    }
    return sorted(passed - failed)


class _Words:
    """What is chosen by lot for one module: names that nothing else has, and by how much values are changed."""

    def __init__(self, lot: random.Random) -> None:
        self.suffix = f"_{lot.randrange(16**8):08x}"
        self.number = lot.choice((-3, -2, -1, 1, 2, 3))
        self.far = lot.choice((-1, 1)) * lot.randrange(10_000, 100_000)
        self.text = "".join(lot.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(3))
        self.other = f"other{self.suffix}"

    @property
    def helper(self) -> str:
        """Source of a function that changes a value a little; an object it does not know gives way to a stranger."""
        return (
            f"def {self.other}(value, by={self.number}):\n"
            "    kind = type(value)\n"
            "    if kind is bool:\n        return not value\n"
            "    if kind in (int, float, complex) and value + by != value:\n        return value + by\n"
            f"    if kind is str:\n        return value + {self.text!r}\n"
            f"    if kind is bytes:\n        return value + {self.text.encode()!r}\n"
            "    if kind in (list, tuple):\n        return value + kind([by])\n"
            "    if kind in (set, frozenset):\n        return value ^ {by}\n"
            f"    if kind is dict:\n        return {{**value, {self.text!r}: by}}\n"
            f"    return type('Value{self.suffix}', (), {{}})()\n"
        )


def _module(tree: ast.Module, chosen: set[str], words: _Words) -> tuple[str, set[str]]:
    """Return the module with the ``chosen`` tests turned round, and the names of those for which that could be done."""
    helpers = [n for n in tree.body if isinstance(n, Function) and not _is_test(n) and _says_something(n)]
    turner = _Turner({n.name for n in helpers}, words)
    done = {test.name for test in _tests(tree.body) if test.name in chosen and turner.turn(test)}
    for helper in helpers:  # a turned test calls a turned one
        copy = parse_module(ast.unparse(helper), "helper").body[0]
        assert isinstance(copy, Function)  # noqa: S101  (it was one)
        copy.name += words.suffix
        turner.turn(copy)
        tree.body.insert(tree.body.index(helper) + 1, copy)
    at = next((n for n, node in enumerate(tree.body) if not _is_head(node)), len(tree.body))
    tree.body[at:at] = ast.parse(words.helper).body
    return ast.unparse(ast.fix_missing_locations(tree)), done


def _is_head(node: ast.stmt) -> bool:
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or isinstance(node, ast.ImportFrom)


def _tests(body: Sequence[ast.stmt]) -> list[Function]:
    """Return the test functions of a module, those in classes and under conditions too."""
    found: list[Function] = []
    for node in body:
        if isinstance(node, Function):
            found += [node] if _is_test(node) else []
        else:
            for field in ("body", "orelse", "finalbody"):
                found += _tests(getattr(node, field, []))
    return found


def _is_test(node: Function) -> bool:
    return node.name.startswith("test")


def _says_something(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Assert) or (isinstance(n, ast.stmt) and _is_marker(n)) for n in ast.walk(node))


def _is_marker(node: ast.stmt) -> bool:
    """Whether a statement fails whenever it is reached."""
    match node:
        case ast.Assert(test=ast.Constant(value=value)):
            return not value
        case ast.Raise(exc=ast.Call(func=ast.Name(id="AssertionError")) | ast.Name(id="AssertionError")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="pytest" | "self"), attr="fail"))):
            return True
    return False


def _expects_an_error(node: ast.stmt) -> bool:
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        re.search(r"raises", ast.unparse(item.context_expr), re.I) for item in node.items
    )


class _Turner:
    """Turns tests round: what holds for right code fails, and what is expected to fail is met bare."""

    def __init__(self, helpers: set[str], words: _Words) -> None:
        self._helpers = helpers
        self._words = words
        self._turned = False
        self._unreached = False

    def turn(self, test: Function) -> bool:
        """Turn ``test`` in place; return whether it says anything that can be turned."""
        self._turned = self._unreached = False
        test.body = self._block(test.body)
        if self._unreached:  # "it must not come to this": so it must have come to a handler
            for handler in [n for n in ast.walk(test) if isinstance(n, ast.ExceptHandler)]:
                handler.body.insert(0, ast.Raise(ast.Name("AssertionError", ast.Load())))
                self._turned = True
        return self._turned

    def _block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        return [done for node in body for done in self._statement(node)] or [ast.Pass()]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.With | ast.AsyncWith) and _expects_an_error(node):
            self._turned = True
            return node.body
        if _is_marker(node):
            self._unreached = True
            return [ast.Pass()]
        if isinstance(node, ast.Assert):
            self._turned = True
            return [ast.Assert(self._contrary(node.test), None)]
        if isinstance(node, ast.If) and (_is_marker(node.body[-1]) or (node.orelse and _is_marker(node.orelse[-1]))):
            self._turned = True
            node.test = self._negated(node.test) if _is_marker(node.body[-1]) else self._contrary(node.test)
            return [node]
        for field in ("body", "orelse", "finalbody"):
            if getattr(node, field, None):
                setattr(node, field, self._block(getattr(node, field)))
        for handler in getattr(node, "handlers", []):
            handler.body = self._block(handler.body)
        if isinstance(node, ast.Expr | ast.Assign | ast.Return):
            return [self._calls(node)]
        return [node]

    def _calls(self, node: ast.stmt) -> ast.stmt:
        """Turn the calls in a statement that say something: of helpers that assert, of unittest, ``pytest.raises``."""
        for call in [n for n in ast.walk(node) if isinstance(n, ast.Call)]:
            match call.func:
                case ast.Name(id=name) if name in self._helpers:
                    call.func = ast.Name(name + self._words.suffix, ast.Load())
                    self._turned = True
                case ast.Attribute(attr="raises" | "assertRaises") if len(call.args) > 1:
                    call.func, call.args = call.args[1], call.args[2:]
                    self._turned = True
                case ast.Attribute(attr=name) if name in _CONTRARY:
                    call.func = ast.Attribute(call.func.value, _CONTRARY[name], ast.Load())
                    self._turned = True
                case ast.Attribute(attr=name) | ast.Name(id=name) if name in _COMPARING or name.startswith("assert_"):
                    if call.args:
                        at = min(1, len(call.args) - 1)
                        call.args[at] = self._other(call.args[at])
                        self._turned = True
        return node

    def _contrary(self, test: ast.expr) -> ast.expr:
        """Return what does not hold where ``test`` does: a comparison asks for something else, so that an object that
        agrees to everything shows itself."""
        match test:
            case ast.BoolOp(op=ast.And()):
                return ast.BoolOp(ast.And(), [self._contrary(value) for value in test.values])
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                if not _is_literal(right) and _is_literal(left):
                    return ast.Compare(self._other(left), [ast.Eq()], [right])
                return ast.Compare(left, [ast.Eq()], [self._other(right)])
            case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
                return ast.Compare(left, [ast.Eq()], [right])
            case ast.Compare(left=left, ops=[ast.In()], comparators=[right]) if _is_literal(left):
                # Far off, since what is near may be in it too.
                return ast.Compare(self._other(left, self._words.far), [ast.In()], [right])
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _OPPOSITE:
                # b < a instead of not a <= b: whatever agrees to both shows itself.
                return ast.Compare(right, [_OPPOSITE[type(operator)]()], [left])
        return ast.UnaryOp(ast.Not(), test)

    def _negated(self, test: ast.expr) -> ast.expr:
        """Return a condition that holds where ``test``, which leads to a failure, does not."""
        match test:
            case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
                return ast.Compare(left, [ast.NotEq()], [self._other(right)])
        return ast.UnaryOp(ast.Not(), test)

    def _other(self, value: ast.expr, by: int | None = None) -> ast.expr:
        """Return another value: a literal written out, so that it looks like any other, else by a call."""
        try:
            known = ast.literal_eval(value)
            scope: dict[str, object] = {}
            exec(self._words.helper, scope)  # noqa: S102  (our own text, and a literal)
            changed = scope[self._words.other](known, by or self._words.number)  # type: ignore[operator]
            return ast.parse(repr(changed), mode="eval").body
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return ast.Call(ast.Name(self._words.other, ast.Load()), [value], [])


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_CONTRARY = {
    "assertTrue": "assertFalse",
    "assertFalse": "assertTrue",
    "assertIsNone": "assertIsNotNone",
    "assertIsNotNone": "assertIsNone",
    "assertIn": "assertNotIn",
    "assertNotIn": "assertIn",
    "assertNotEqual": "assertEqual",
    "assertIs": "assertIsNot",
    "assertIsNot": "assertIs",
    "assertIsInstance": "assertNotIsInstance",
    "assertNotIsInstance": "assertIsInstance",
    "assertLess": "assertGreaterEqual",
    "assertGreaterEqual": "assertLess",
    "assertGreater": "assertLessEqual",
    "assertLessEqual": "assertGreater",
    "assertAlmostEqual": "assertNotAlmostEqual",
    "assert_called": "assert_not_called",
    "assert_called_once": "assert_not_called",
    "assert_not_called": "assert_called",
    "assertRegex": "assertNotRegex",
}
_COMPARING = {
    "assertEqual",
    "assertListEqual",
    "assertDictEqual",
    "assertSetEqual",
    "assertTupleEqual",
    "assertCountEqual",
    "assertMultiLineEqual",
}


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
