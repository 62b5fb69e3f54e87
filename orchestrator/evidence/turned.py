"""Turning tests round: what holds for right code fails, and nothing in the module tells how it was changed."""

from __future__ import annotations

import ast
import copy
import math
import random
import re
import string
from collections.abc import Sequence
from typing import Any

__all__ = ["Words", "tests_of", "turn_round"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Words:
    """What is chosen by lot for one module: names that nothing else has, and how values are changed: literals each in
    its own way, other values by a function of the module, which must say nothing about the literals."""

    def __init__(self, lot: random.Random) -> None:
        self._lot = lot
        self.suffix = f"_{lot.randrange(16**8):08x}"
        self.number = lot.choice((-3, -2, -1, 1, 2, 3))
        self.text = self._letters()
        self.other = f"other{self.suffix}"

    @property
    def helper(self) -> str:
        """Source of a function that changes a value a little; an object it does not know gives way to a stranger."""
        return (
            f"def {self.other}(value):\n    by = {self.number}\n"
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

    def changed(self, value: Any, *, absent: bool = False) -> Any:
        """Return another value of the same kind, that looks as likely. ``absent``: of a text, one with letters that it
        does not have.

        Raises:
            ValueError: it is of no kind that a literal has.
        """
        match value:
            case bool():
                return not value
            case None:
                return self._lot.choice((False, 0, ""))
            case int() | float() | complex():
                below_none = not isinstance(value, complex) and 0 <= value < 3  # a length, say, is never negative
                other = value + self._lot.choice((1, 2, 3) if below_none else (-3, -2, -1, 1, 2, 3))
                if other == value:
                    other = -value  # too large for a step to count
                if other == value or other in (math.inf, -math.inf):
                    raise ValueError("a number without an end")
                return other
            case str():
                return self._text(value, absent=absent)
            case bytes():
                return self._text(value.decode("latin-1"), absent=absent).encode("latin-1")
            case list() | tuple():
                parts = list(value)
                at = self._lot.randrange(len(parts)) if parts else 0
                parts[at : at + 1] = [self.changed(parts[at]) if parts else self._lot.randrange(4)]
                return type(value)(parts)
            case dict():
                key = self._lot.choice(list(value)) if value else self._letters()
                return {**value, key: self.changed(value[key]) if value else self._lot.randrange(4)}
            case set():
                gone = self._lot.choice(sorted(value, key=repr)) if value else None
                return (value - {gone}) | {self.changed(gone)}
        raise ValueError("no literal has this type")

    def _text(self, text: str, *, absent: bool) -> str:
        at = self._lot.randrange(len(text) + 1)
        if absent or at == len(text):
            return text[:at] + self._letters() + text[at:]
        old = text[at]
        kind = next((k for k in (string.digits, string.ascii_uppercase) if old in k), string.ascii_lowercase)
        return text[:at] + self._lot.choice(kind.replace(old, "")) + text[at + 1 :]

    def _letters(self) -> str:
        return "".join(self._lot.choice(string.ascii_lowercase) for _ in range(3))


def turn_round(tree: ast.Module, chosen: set[str], words: Words) -> tuple[str, set[str]]:
    """Return the module with the ``chosen`` tests turned round, and the names of those for which that could be done."""
    homes: list[ast.Module | ast.ClassDef] = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
    helpers = [(home, n) for home in homes for n in home.body if isinstance(n, Function) and _is_helper(n)]
    turner = _Turner({helper.name for _, helper in helpers}, words)
    done = {test.name for test in tests_of(tree.body) if test.name in chosen and turner.turn(test)}
    for home, helper in helpers:  # a turned test calls a turned one
        twin = copy.deepcopy(helper)
        twin.name += words.suffix
        turner.turn(twin)
        home.body.insert(home.body.index(helper) + 1, twin)
    at = next((n for n, node in enumerate(tree.body) if not _is_head(node)), len(tree.body))
    tree.body[at:at] = ast.parse(words.helper).body
    return ast.unparse(ast.fix_missing_locations(tree)), done


def _is_head(node: ast.stmt) -> bool:
    return (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or isinstance(node, ast.ImportFrom)


def tests_of(body: Sequence[ast.stmt]) -> list[Function]:
    """Return the test functions of a module, those in classes and under conditions too."""
    found: list[Function] = []
    for node in body:
        if isinstance(node, Function):
            found += [node] if _is_test(node) else []
        else:
            for field in ("body", "orelse", "finalbody"):
                found += tests_of(getattr(node, field, []))
    return found


def _is_helper(node: Function) -> bool:
    """Whether a function says something for the tests that call it; a fixture, say, is called otherwise."""
    return not _is_test(node) and not node.decorator_list and _says_something(node)


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


def _expects(item: ast.withitem, *names: str) -> bool:
    """Whether an item of a ``with`` is a call of one of ``names``, whatever they are attributes of."""
    call = item.context_expr
    name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
    return name in names


class _Turner:
    """Turns tests round: what holds for right code fails, and what is expected to fail is met bare."""

    def __init__(self, helpers: set[str], words: Words) -> None:
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
        if isinstance(node, ast.With | ast.AsyncWith):
            rest = [item for item in node.items if not _expects(item, "raises", "assertRaises", "assertRaisesRegex")]
            if len(rest) < len(node.items):
                self._turned = True
                if not rest:
                    return node.body
                node.items = rest
                return [node]
            if any(_expects(item, "warns", "assertWarns", "assertWarnsRegex", "assertLogs") for item in node.items):
                self._turned = True
                return [node, ast.Raise(ast.Name("AssertionError", ast.Load()))]
        if _is_marker(node):
            self._unreached = True
            return [ast.Pass()]
        if isinstance(node, ast.Assert):
            self._turned = True
            return [ast.Assert(self._contrary(node.test), node.msg)]
        if isinstance(node, ast.If) and (_is_marker(node.body[-1]) or (node.orelse and _is_marker(node.orelse[-1]))):
            self._turned = True
            node.test = self._negated(node.test) if _is_marker(node.body[-1]) else self._contrary(node.test)
            return [node]
        for field in ("body", "orelse", "finalbody"):
            if getattr(node, field, None):
                setattr(node, field, self._block(getattr(node, field)))
        for part in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
            part.body = self._block(part.body)
        if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return):
            return [self._calls(node)]
        return [node]

    def _calls(self, node: ast.stmt) -> ast.stmt:
        """Turn the calls in a statement that say something: of helpers that assert, of unittest, ``pytest.raises``."""
        for call in [n for n in ast.walk(node) if isinstance(n, ast.Call)]:
            match call.func:
                case ast.Name(id=name) if name in self._helpers:
                    call.func = ast.Name(name + self._words.suffix, ast.Load())
                    self._turned = True
                case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name) if name in self._helpers:
                    call.func.attr = name + self._words.suffix
                    self._turned = True
                case ast.Attribute(attr="raises" | "assertRaises") if len(call.args) > 1:
                    call.func, call.args = call.args[1], call.args[2:]
                    self._turned = True
                case ast.Attribute(attr="assertRaisesRegex") if len(call.args) > 2:
                    call.func, call.args = call.args[2], call.args[3:]
                    self._turned = True
                case ast.Attribute(attr=name) if name in _CONTRARY:
                    call.func = ast.Attribute(call.func.value, _CONTRARY[name], ast.Load())
                    self._turned = True
                case ast.Attribute(attr=name) | ast.Name(id=name) if name in _COMPARING or name.startswith("assert_"):
                    at = min(1, len(call.args) - 1)
                    if call.args:
                        call.args[at] = self._other(call.args[at])
                    elif call.keywords:
                        call.keywords[0].value = self._other(call.keywords[0].value)
                    else:
                        call.args = [self._other(ast.Constant(None))]
                    self._turned = True
        return node

    def _contrary(self, test: ast.expr) -> ast.expr:
        """Return what does not hold where ``test`` does: a comparison asks for something else, so that an object that
        agrees to everything shows itself."""
        match test:
            case ast.Compare() if re.search(r"approx|isclose", ast.unparse(test)):
                pass  # what is near is the same there
            case ast.BoolOp(op=ast.And()):
                return ast.BoolOp(ast.And(), [self._contrary(value) for value in test.values])
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                if not _is_literal(right) and _is_literal(left):
                    return ast.Compare(self._other(left), [ast.Eq()], [right])
                return ast.Compare(left, [ast.Eq()], [self._other(right)])
            case ast.Compare(left=left, ops=[ast.NotEq()], comparators=[right]):
                return ast.Compare(left, [ast.Eq()], [right])
            case ast.Compare(left=ast.Constant(value=str()) as left, ops=[ast.In()], comparators=[right]):
                return ast.Compare(self._other(left, absent=True), [ast.In()], [right])
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

    def _other(self, value: ast.expr, *, absent: bool = False) -> ast.expr:
        """Return another value: a literal written out, so that it looks like any other, else by a call. ``absent``:
        one that is no part of what holds ``value`` either."""
        try:
            changed = self._words.changed(ast.literal_eval(value), absent=absent)
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
    "assertNotRegex": "assertRegex",
}
_COMPARING = {
    "assertEqual",
    "assertListEqual",
    "assertSequenceEqual",
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
