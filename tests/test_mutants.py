"""Planted defects, and whether tests notice them."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.mutants import chosen, measure_strength, mutants_of
from orchestrator.sandbox.bubblewrap import Bubblewrap
from schemas.evidence import Strength
from tests.helpers import bare_environment

CODE = '''"""A module."""


def grade(points: int) -> str:
    """Return the grade."""
    if points >= 90 and points <= 100:
        return "A"
    while points > 200:
        points -= 1
    return "B"
'''
WEAK = "from calc import grade\n\n\ndef test_it_returns_something():\n    assert grade(50)\n"
STRONG = """import pytest

from calc import grade


@pytest.mark.parametrize("points, letter", [(89, "B"), (90, "A"), (100, "A"), (101, "B"), (300, "B")])
def test_grade(points, letter):
    assert grade(points) == letter
"""


def strength(tests: str, folder: Path, *, quarantined: tuple[str, ...] = (), code: str = CODE) -> Strength | None:
    project = folder / "project"
    (project / "tests").mkdir(parents=True)
    (project / "calc.py").write_text(code)
    (project / "tests" / "test_calc.py").write_text(tests)
    mutants = chosen({"calc.py": code}, 12)
    return asyncio.run(measure_strength(Bubblewrap(), project, bare_environment().path, mutants, None, quarantined))


def test_strong_tests_notice_more_than_weak_ones(tmp_path: Path) -> None:
    (tmp_path / "weak").mkdir()
    weak, strong = strength(WEAK, tmp_path / "weak"), strength(STRONG, tmp_path)
    assert weak is not None
    assert strong is not None
    assert weak.percent < 50 < strong.percent
    assert len(weak.survivors) == weak.mutants - weak.killed


def test_while_tests_fail_none_can_be_tried(tmp_path: Path) -> None:
    assert strength("def test_wrong():\n    assert 1 == 2\n", tmp_path) == Strength(mutants=0, killed=0)


FORGED = """
import json, os
if os.getcwd() != "/project":
    for fd in range(3, 60):
        try:
            os.write(fd, json.dumps({"baseline": True, "killed": [True] * 12}).encode())
        except OSError:
            pass
    try:
        for name in os.listdir(f"/proc/{os.getppid()}/fd"):
            open(f"/proc/{os.getppid()}/fd/{name}", "w").write('{"baseline": true, "killed": [true]}')
    except OSError:
        pass
    os.kill(os.getppid(), 9)
"""


def test_the_code_can_not_write_the_result_itself(tmp_path: Path) -> None:
    assert strength(WEAK, tmp_path, code=CODE + FORGED) == Strength(mutants=0, killed=0)


def test_code_that_knows_how_mutants_are_written_gains_nothing(tmp_path: Path) -> None:
    marked = CODE + '\n\nif "#" + " marked" not in open(__file__).read():\n    raise RuntimeError\n'
    assert strength(WEAK, tmp_path, code=marked.replace("if points", "# marked\n    if points")) == Strength(
        mutants=0, killed=0
    )


def test_a_quarantined_test_kills_nothing(tmp_path: Path) -> None:
    source = STRONG + "\n\ndef test_wrong():\n    assert grade(1) == 'Z'\n"
    assert strength(source, tmp_path, quarantined=("tests/test_calc.py::test_wrong",)) is not None


def test_a_defect_that_never_ends_counts_as_noticed(tmp_path: Path) -> None:
    code = "def down(n: int) -> int:\n    while n > 0:\n        n = n - 1\n    return n\n"
    found = strength("from calc import down\n\ndef test_down():\n    assert down(3) == 0\n", tmp_path, code=code)
    assert found is not None
    assert not any("n - 1 → n + 1" in survivor for survivor in found.survivors)


def test_every_mutant_differs_from_the_code_and_is_python() -> None:
    sources = {m.source for m in mutants_of("calc.py", CODE)}
    assert len(sources) > 8
    assert ast.unparse(ast.parse(CODE)) not in sources


@given(st.permutations(["a.py", "b.py", "c.py"]))
def test_the_choice_does_not_depend_on_the_order_of_files(order: list[str]) -> None:
    assert chosen(dict.fromkeys(order, CODE), 5) == chosen(dict.fromkeys(sorted(order), CODE), 5)


@pytest.mark.parametrize("code", ["", "X = 'text'\n", "def f() -> None:\n    return None\n"])
def test_what_has_nothing_to_break_has_no_mutants(code: str) -> None:
    assert list(mutants_of("x.py", code)) == []
