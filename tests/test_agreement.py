"""Choosing among versions that the checks leave equal."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.agreement import varied
from orchestrator.evidence.collect import Laboratory
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.bubblewrap import Bubblewrap
from tests.helpers import bare_environment

RIGHT = "def top(items):\n    return max(items)\n"
ALSO = "def top(items):\n    return sorted(items)[-1]\n"
WRONG = "def top(items):\n    return items[-1]\n"
ENDLESS = "def top(items):\n    while True:\n        pass\n"
LOUD = "print('[[1]]')\nimport os\nos.write(1, b'x')\n" + RIGHT
CALLS = ["top([1, 2, 3])", "top([5, 9])"]

LITERALS = st.recursive(
    st.integers(-1000, 1000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def shares(folder: Path, *versions: str, calls: list[str] = CALLS, errors: bool = False) -> list[float]:
    laboratory = Laboratory(Bubblewrap(), bare_environment(), RecordStore(folder / "facts"))
    return asyncio.run(laboratory.agreement(versions, versions, calls, errors=errors)).shares


def test_the_version_that_most_others_agree_with_on_further_inputs_has_the_largest_share(tmp_path: Path) -> None:
    wrong, right, also = shares(tmp_path, WRONG, RIGHT, ALSO)
    assert wrong < right == also


def test_a_version_counts_as_often_as_it_was_written(tmp_path: Path) -> None:
    right, wrong, _, _ = shares(tmp_path, RIGHT, WRONG, WRONG, WRONG)
    assert right < wrong


def test_what_does_not_end_or_breaks_agrees_with_nobody(tmp_path: Path) -> None:
    right, also, endless, broken = shares(tmp_path, RIGHT, ALSO, ENDLESS, "def top(:")
    assert (right, endless, broken) == (also, 0.0, 0.0)
    assert right > 0


def test_to_refuse_with_the_same_error_is_to_agree_only_where_errors_count(tmp_path: Path) -> None:
    start = "def top(items):\n    if len(items) != 2:\n        raise "
    one, other = f"{start}ValueError\n    return 1\n", f"{start}ValueError('no')\n    return 1\n"
    third = f"{start}KeyError\n    return 1\n"
    assert shares(tmp_path, one, other, errors=True) == [1.0, 1.0]
    assert shares(tmp_path, one, third, errors=True)[0] < 1.0
    assert shares(tmp_path, one, third, errors=False) == [1.0, 1.0]


def test_refusals_do_not_hide_that_values_differ(tmp_path: Path) -> None:
    one, other = (f"def top(items):\n    assert len(items) == 3\n    return items[{place}]\n" for place in (0, 1))
    assert max(shares(tmp_path, one, other, errors=True)) < 0.5


def test_objects_that_show_only_where_they_are_agree_with_nothing(tmp_path: Path) -> None:
    one, other = (f"def top(items):\n    yield {place}\n" for place in (0, 1))
    assert shares(tmp_path, one, other) == [0.0, 0.0]


def test_what_a_version_prints_is_not_taken_for_what_it_returns(tmp_path: Path) -> None:
    loud, right = shares(tmp_path, LOUD, RIGHT)
    assert loud == right > 0


def test_equal_numbers_agree_up_to_nine_digits(tmp_path: Path) -> None:
    one, other, far = "def f(x):\n    return 0.1 + 0.2\n", "def f(x):\n    return 0.3\n", "def f(x):\n    return 0.4\n"
    first, second, third = shares(tmp_path, one, other, far, calls=["f(1)"])
    assert first == second > third


def test_without_calls_nobody_has_a_share(tmp_path: Path) -> None:
    assert shares(tmp_path, RIGHT, WRONG, calls=[]) == [0.0, 0.0]


@given(st.lists(LITERALS, min_size=1, max_size=3))
def test_varied_calls_are_calls_of_the_same_function_with_literals_of_the_same_types(values: list[object]) -> None:
    call = f"f({', '.join(map(repr, values))})"
    found = varied([call])
    assert found == varied([call])
    assert found[0] == call
    for other in found:
        node = ast.parse(other, mode="eval").body
        assert isinstance(node, ast.Call)
        assert [type(ast.literal_eval(value)) for value in node.args] == [type(value) for value in values]
