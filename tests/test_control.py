"""Tests turned round: each fails where it passed, and passes only if nothing could fail it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.control import turned, unfailing
from schemas.test_report import TestReport, TestResult


class Everything:
    """Equals whatever it is compared with, and holds everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __contains__(self, item: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def holds(check: str, value: object) -> bool:
    """Whether a test that asserts ``check`` of ``x`` passes, turned round."""
    namespace: dict[str, Any] = {"x": value, "y": value}
    exec(turned(f"def test_it():\n    assert {check}\n"), namespace)  # noqa: S102  (our own code)
    try:
        namespace["test_it"]()
    except AssertionError:
        return False
    return True


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


def test_a_test_that_expects_an_error_meets_it() -> None:
    source = "import pytest\ndef test_it():\n    with pytest.raises(ValueError):\n        int('x')\n"
    namespace: dict[str, Any] = {}
    exec(turned(source), namespace)  # noqa: S102
    with pytest.raises(ValueError, match="invalid literal"):
        namespace["test_it"]()


def test_methods_of_test_classes_are_turned_and_what_can_not_be_turned_is_left_out() -> None:
    source = "class TestA:\n    def test_b(self): assert 1 == 1\n    def test_c(self): print()\n"
    shown = turned(source)
    assert "1 == 170142" in shown
    assert "test_c" not in shown


def report(ended: str | None = None, **outcomes: Any) -> TestReport:
    results = [TestResult(id=name, outcome=outcome) for name, outcome in outcomes.items()]
    return TestReport(total=len(results), passed=0, failed=0, results=results, ended=ended)


def test_what_passes_straight_and_turned_round_could_not_fail() -> None:
    straight = report(a="passed", b="passed", c="failed", d="passed")
    assert unfailing(straight, report(a="failed", b="passed", c="passed")) == ["b"]


def test_a_control_run_that_broke_off_clears_nothing() -> None:
    assert unfailing(report(a="passed"), report(ended="no report", a="failed")) == ["a"]
