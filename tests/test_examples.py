"""What a task itself gives: examples that become checks, and code that a program begins with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.programs import opening
from orchestrator.evidence.examples import MOST, checks_in


@pytest.mark.parametrize(
    ("prompt", "count"),
    [
        (">>> f(1)\n2\n>>> f(2)\n3\n", 2),
        (">>> x = 3\n>>> f(x)\n4\n", 1),
        (">>> f('x')\nTraceback (most recent call last):\n  ...\nValueError: no\n", 1),
        ("no example", 0),
        (">>> f(\n1\n", 0),
        ('def f(n):\n    """Adds.\n\n    >>> f(1)\n    2\n    """\n', 1),
        ("  >>> f(1)\n 2\n", 0),
        (">>>f(1)\n2\n", 0),
        (">>> f(1)\n" + "x" * 9_000 + "\n>>> f(2)\n3\n", 1),
    ],
)
def test_examples_of_a_task_are_checks(prompt: str, count: int) -> None:
    assert len(checks_in(prompt, "program")) == count


@pytest.mark.parametrize(
    ("prompt", "statements"),
    [
        ("primes(4) == [2, 3]", ["primes(4) returns [2, 3]"]),
        ("primes(4) ➞ [2, 3], primes(0) → []", ["primes(4) returns [2, 3]", "primes(0) returns []"]),
        ('`shout("a")` should return `"A"`.', ["shout('a') returns 'A'"]),
        ("f(1) => 2\nf(1) returns 2", ["f(1) returns 2"]),
        ("def f(n):\n    ...\n\nf(1) is 2 and g(1) is 3", ["f(1) returns 2"]),
        ("def f(n, base):\n\nInput: n = 3, base = 2\nOutput: 11", ["f(3, 2) returns 11"]),
        ("def f(n, base):\n\n  Input: 3, 2\n  Output: 11\n  Input: 3\n  Output: 4", ["f(3, 2) returns 11"]),
        ("def f(items):\n\nFor items = [1, 2] the output should be 3", ["f([1, 2]) returns 3"]),
        ("f(1) -> 19 - 6 = 13", []),
        (
            "f(2) is True. f(3) returns 4, and f(')') == '(', once",
            ["f(2) returns True", "f(3) returns 4", "f(')') returns '('"],
        ),
        ("f(1) == 1e999, f(1e999) == 1, f(1) == [1, f(2) == " + "[" * 120 + "]" * 120, []),
        ("f(n) == f(n - 1) + 1, f(x) = 2", []),
        ("len([1]) == 1, x.f(1) == 2, f() == 3, f(1) is small", []),
    ],
)
def test_calls_in_the_text_of_a_task_that_say_what_they_return_are_checks(prompt: str, statements: list[str]) -> None:
    assert [check.statement for check in checks_in(prompt, "program")] == statements


@given(st.text(alphabet="f(1)=->:'[], \nretuns", max_size=60))
def test_no_text_breaks_the_search_for_examples(prompt: str) -> None:
    assert len(checks_in(prompt, "program")) <= MOST


@pytest.mark.parametrize(
    ("prompt", "begun"),
    [
        ('Write it.\n\ndef f(n):\n    """Doubles."""\n', True),
        ("Write it.\n```python\nimport math\n\n\ndef f(n):\n    '''Doubles.'''\n```", True),
        ("def f(n):\n    return 2 * n", False),
        ("def f(n):\n    pass", False),
        ("Write a function that doubles.", False),
        ("def f(n: broken", False),
        ('```python\ndef f(n):\n    """Doubles."""\n```\nis there already; use it.', False),
    ],
)
def test_code_that_a_task_ends_in_begins_the_program(prompt: str, begun: bool) -> None:
    found = opening(prompt)
    assert bool(found) == begun
    assert found.strip() in prompt
