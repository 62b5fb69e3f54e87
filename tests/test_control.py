"""Tests turned round: each fails where it passed, and passes only if nothing could fail it."""

from __future__ import annotations

import ast
import warnings
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.control import Control, controls, shown_alone, unfailing
from schemas.test_report import TestReport, TestResult


class Everything:
    """Equals whatever it is compared with, and holds everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __contains__(self, item: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def turned(source: str, seed: int = 0) -> str:
    """Return a test module with the one function test_it turned round."""
    pair = controls({"tests/test_a.py": source}, Random(seed))
    found = [run.files["tests/test_a.py"] for run in pair if run.has_turned("tests/test_a.py::test_it")]
    return found[0] if found else ""


def outcome(source: str, value: object) -> str:
    """How the test of ``source`` ends, turned round, where ``x`` and ``y`` are ``value``."""
    namespace: dict[str, Any] = {"pytest": pytest, "patch": patch, "warnings": warnings}
    exec(turned(source), namespace)  # noqa: S102  (our own code)
    namespace |= {"x": value, "y": value}
    try:
        namespace["test_it"]()
    except (Exception, pytest.fail.Exception):
        return "failed"
    return "passed"


def holds(check: str, value: object) -> bool:
    """Whether a test that asserts ``check`` of ``x`` passes, turned round."""
    return outcome(f"def test_it():\n    assert {check}\n", value) == "passed"


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(LITERALS)
def test_a_comparison_with_a_literal_fails_turned_round_and_an_impostor_shows_itself(value: object) -> None:
    assert not holds(f"x == {value!r}", value)
    assert not holds(f"{value!r} == x", value)
    assert holds(f"x == {value!r}", Everything())


@pytest.mark.parametrize("seed", range(20))
def test_how_a_literal_was_turned_can_not_be_told_from_the_module(seed: int) -> None:
    module = turned("def test_it():\n    assert x == 'Hello, Ada!', 'as said'\n", seed)
    function, test = ast.parse(module).body
    words = {n.value for n in ast.walk(function) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    changed = next(n.comparators[0] for n in ast.walk(test) if isinstance(n, ast.Compare))
    assert isinstance(changed, ast.Constant)
    assert not any(len(word) == 3 and word in str(changed.value) for word in words)
    assert "'as said'" in module


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("x == y", 3),
        ("x != 4", 3),
        ("x", [1]),
        ("not x", []),
        ("'a' in x", "abc"),
        ("len(x) == 2 and x[0] == 'a'", "ab"),
        ("isinstance(x, int)", 3),
        ("x is None", None),
        ("1 < x < 5", 3),
        ("x in (1, 3)", 3),
    ],
)
def test_whatever_is_asserted_fails_turned_round(check: str, value: object) -> None:
    assert not holds(check, value)


@pytest.mark.parametrize("check", ["x == y", "y == x", "'abc' in x"])
def test_an_object_that_equals_everything_shows_itself(check: str) -> None:
    assert holds(check, Everything())


IDIOMS = {
    "an error is expected": "with pytest.raises(ValueError):\n        int(x)",
    "an error of an assert's own": "with pytest.raises(ValueError):\n        assert int(x)",
    "an error is expected of a call": "pytest.raises(ValueError, int, x)",
    "it must not come to this": "try:\n        int(x)\n        assert False, 'no'\n    except ValueError: pass",
    "otherwise it fails": "try:\n        int(x)\n    except ValueError:\n        pass\n    else:\n        assert False",
    "several that must be refused": "for bad in (x, y):\n        try:\n            int(bad)\n"
    "        except ValueError:\n            continue\n        assert False, bad",
    "one or the other": "if isinstance(x, int):\n        assert x == 4\n    else:\n        assert x == 'abc'",
    "a condition that fails": "if x != 'abc':\n        raise AssertionError('no')",
    "a condition that fails by pytest": "if x == 'b':\n        pytest.fail('no')",
    "a patch and an error": "with patch('os.sep', '/'), pytest.raises(ValueError):\n        int(x)",
    "in a loose tolerance": "assert 100 == pytest.approx(len(x) + 98, abs=5)",
    "a number in a range": "assert len(x) in range(1_000_000)",
    "a case": "match x:\n        case str():\n            assert x == 'abc'",
    "a warning": "with pytest.warns(UserWarning):\n        warnings.warn(x)",
    "the last word is another one": "assert x == 'abc'\n    if not x:\n        assert y == 'z'",
}


@pytest.mark.parametrize("name", IDIOMS)
def test_every_usual_way_to_say_something_fails_turned_round(name: str) -> None:
    assert outcome(f"def test_it():\n    {IDIOMS[name]}\n", "abc") == "failed"


@pytest.mark.parametrize(
    ("helper", "body"),
    [
        ("def check(a, b):\n    assert a == b\n", "check(x, 'abc')"),
        ("import unittest\nclass Case(unittest.TestCase): pass\nself = Case()\n", "self.assertEqual(x, 'abc')"),
        ("import unittest\nclass Case(unittest.TestCase): pass\nself = Case()\n", "self.assertTrue(x)"),
        ("from unittest.mock import Mock\n", "m = Mock()\n    m(x)\n    m.assert_called_once_with('abc')"),
        ("from unittest.mock import Mock\n", "m = Mock()\n    m(n=x)\n    m.assert_called_once_with(n='abc')"),
        ("from unittest.mock import Mock\n", "m = Mock()\n    m()\n    m.assert_called_once_with()"),
        ("class A:\n    def check(self, a): assert a == 'abc'\n", "self = A()\n    self.check(x)"),
        ("import unittest\nself = unittest.TestCase()\n", "self.assertRaisesRegex(ValueError, 'abc', int, x)"),
    ],
)
def test_what_says_it_elsewhere_fails_turned_round(helper: str, body: str) -> None:
    assert outcome(f"{helper}def test_it():\n    {body}\n", "abc") == "failed"


class Never:
    """Is unlike nothing."""

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def test_an_object_that_is_unlike_nothing_shows_itself() -> None:
    assert outcome("def test_it():\n    if x != 4:\n        raise AssertionError\n", Never()) == "passed"


@pytest.mark.parametrize("body", ["print()", "x", "return\n    assert x == 3"])
def test_what_says_nothing_counts_as_unfailing(body: str) -> None:
    source = f"def test_it():\n    {body}\n"
    pair = controls({"tests/test_a.py": source}, Random(1))
    node = "tests/test_a.py::test_it"
    passes = report(**{node: "passed"})
    assert unfailing(passes, [(run, passes) for run in pair]) == [node]


@given(st.integers(0, 2**32), st.integers(2, 9))
def test_each_test_is_turned_in_one_run_and_straight_in_the_other(seed: int, count: int) -> None:
    source = "\n".join(f"def test_{n}():\n    assert f() == {10 * n}" for n in range(count))
    pair = controls({"tests/test_a.py": source}, Random(seed))
    for n in range(count):
        assert [run.has_turned(f"tests/test_a.py::test_{n}[x]") for run in pair].count(True) == 1
        assert [f"assert f() == {10 * n}\n" in run.files["tests/test_a.py"] + "\n" for run in pair].count(True) == 1


@pytest.mark.parametrize(
    "around",
    [
        "class TestA:\n    {}",
        "class Base:\n    {}\nclass TestB(Base): pass",
        "import sys\nif sys.platform:\n    {}",
        "import unittest\nclass Cases(unittest.TestCase):\n    {}",
    ],
)
def test_tests_are_found_wherever_they_stand(around: str) -> None:
    assert turned(around.format("def test_it(self=None): assert 1 == 1"))


@pytest.mark.parametrize("source", ["def (", "x = " + "-" * 5000 + "1", "\0"])
def test_what_is_no_test_module_is_left_as_it_is(source: str) -> None:
    assert [run.files["tests/a.py"] for run in controls({"tests/a.py": source}, Random(0))] == [source, source]


def report(ended: str | None = None, **outcomes: Any) -> TestReport:
    results = [TestResult(id=name, outcome=outcome) for name, outcome in outcomes.items()]
    return TestReport(total=len(results), passed=0, failed=0, results=results, ended=ended)


def nodes(**outcomes: str) -> TestReport:
    return report(**{f"t.py::test_{name}": outcome for name, outcome in outcomes.items()})


def run(*turned: str) -> Control:
    return Control({}, frozenset(("t.py", f"test_{name}") for name in turned))


def test_a_test_is_cleared_by_failing_turned_and_passing_straight() -> None:
    straight = nodes(a="passed", b="passed", c="failed", d="passed", e="passed")
    runs = [
        (run("a", "b"), nodes(a="failed", b="passed", c="failed", d="passed", e="failed")),
        (run("c", "d", "e"), nodes(a="passed", b="passed", c="passed", d="error", e="failed")),
    ]
    # b passes turned round; e fails in both, as code does that knows a control run when it sees one
    assert unfailing(straight, runs) == ["t.py::test_b", "t.py::test_e"]


def test_a_control_run_that_broke_off_clears_nothing() -> None:
    broken = report(ended="no report", **{"t.py::test_a": "failed"})
    runs = [(run("a"), broken), (run(), nodes(a="passed"))]
    assert unfailing(nodes(a="passed"), runs) == ["t.py::test_a"]


@pytest.mark.parametrize(
    ("outcomes", "shown"),
    [
        ({"a": "passed", "b": "failed", "c": "failed"}, True),  # what comes after may build on it
        ({"a": "failed", "b": "failed", "c": "passed"}, False),
        ({"a": "passed", "b": "passed", "c": "passed"}, False),
        ({"a": "passed", "c": "passed"}, False),
    ],
)
def test_a_test_alone_is_cleared_by_failing_where_all_before_it_pass(outcomes: dict[str, str], shown: bool) -> None:
    straight = nodes(a="passed", b="passed", c="passed")
    assert shown_alone(straight, "t.py::test_b", run("b"), nodes(**outcomes)) is shown


def test_parameters_may_hold_anything() -> None:
    assert run("a").has_turned("t.py::TestX::test_a[fe80::1-x[y]]")
