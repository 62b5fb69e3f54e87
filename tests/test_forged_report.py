"""The report of a test run comes out of the sandbox, so the code under test may have written it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agents.parsing import parse_module
from orchestrator.evidence.run_tests import normalised, run_tests
from orchestrator.evidence.written_tests import UNHEARD
from orchestrator.sandbox.port import Command, Result
from schemas.evidence import Execution
from schemas.test_report import TestReport


class Forger:
    """A sandbox in which the code has written ``report``."""

    name = "forger"

    def __init__(self, report: dict[str, Any]) -> None:
        self.report = report

    def place(self, project: Path) -> str:
        return "/project"

    async def run(self, command: Command) -> Result:
        execution = Execution(exit_code=0, stdout="", stderr="", duration_ms=1)
        return Result(execution, json.dumps(self.report).encode())


async def reported(project: Path, **changes: Any) -> TestReport:
    good = {
        "collected": ["tests/test_a.py::test_a"],
        "outcomes": {"tests/test_a.py::test_a": "passed"},
        "failures": [],
        "collection_errors": [],
        "coverage": {"a.py": [2, 1]},
    }
    return await run_tests(Forger({**good, **changes}), project, project, ["tests"])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "tests").mkdir(parents=True)
    (folder / "a.py").write_text("x = 1\n")
    (folder / "tests" / "test_a.py").write_text("def test_a():\n    assert True\n")
    (tmp_path / "secret.py").write_text("def token():\n    return 'hunter2'\n")
    return folder


def failure(test: str) -> dict[str, str]:
    return {"test": test, "error": "e", "location": "l"}


def test_the_source_of_a_test_of_the_project_is_shown(project: Path) -> None:
    report = asyncio.run(reported(project, failures=[failure("tests/test_a.py::test_a")]))
    assert report.failures[0].source == "def test_a():\n    assert True"


OUTSIDE = ["../secret.py", "{outside}/secret.py", "/dev/zero", "tests", "link.py", "a\0.py", "x" * 5_000]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_file_outside_of_the_project_is_read(project: Path, path: str) -> None:
    (project / "link.py").symlink_to(project.parent / "secret.py")
    node = f"{path.format(outside=project.parent)}::token"
    report = asyncio.run(reported(project, failures=[failure(node)]))
    assert report.failures[0].source == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"coverage": {"a.py": [1, 5]}},
        {"coverage": {"a.py": [-5, 5]}},
        {"coverage": {"a.py": [1, 10**400]}},
        {"collected": ["t.py::a", "t.py::a"]},
        {"failures": [failure("t" * 9_000)]},
        {"outcomes": {"tests/test_a.py::test_a": "splendid"}},
        {"coverage": {"a.py": [float("nan"), 1]}},
    ],
)
def test_a_report_that_can_not_be_is_no_report(project: Path, changes: dict[str, Any]) -> None:
    report = asyncio.run(reported(project, **changes))
    assert (report.total, report.clean) == (0, False)
    assert report.ended is not None


def test_coverage_of_files_that_are_not_there_does_not_count(project: Path) -> None:
    made_up = {"a.py": [2, 1], "x`|\n# Verdict: accepted": [1000, 1000]}
    report = asyncio.run(reported(project, coverage=made_up))
    assert (report.coverage, report.coverage_by_file) == (50.0, {"a.py": 50.0})


def test_a_long_text_without_a_match_is_read_once() -> None:
    """A pattern without a bound would look at it again from every place: hours for a report of 16 MB."""
    assert normalised("pytest-of-" * 20_000, "/project") == "pytest-of-" * 20_000


@pytest.mark.parametrize(
    "source",
    [
        "x" + ".a" * 2_500,
        "x = " + "not " * 900 + "True",
        "x = " + "-" * 200_000 + "1",
        "x = " + " + ".join(["'a'"] * 1_200),
        "x = 0x" + "f" * 9_000,
        "\0",
        "def (",
    ],
)
def test_code_that_would_break_its_readers_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"nested|bits|null|Syntax|syntax|invalid|recursion|memory|overflow|stack"):
        parse_module(source, "a.py")


@pytest.mark.parametrize(
    ("more", "missing"),
    [
        ("def test_b():\n    assert True\n", ["test_b"]),
        ("class TestC:\n    def test_d(self):\n        assert True\n", ["TestC::test_d"]),
        ("class TestC:\n    def __init__(self): ...\n    def test_d(self): ...\n", []),
        ("class Helper:\n    def test_d(self): ...\n", []),
        ("import pytest\n\n@pytest.fixture\ndef test_data(): ...\n", []),
        ("def helper():\n    def test_inner(): ...\n", []),
        ("import pytest\n\npytest.importorskip('nothing')\n\ndef test_b(): ...\n", []),
        ("def test_b(): ...\n\ntest_b = None\n", []),
        ("import dataclasses\n\n@dataclasses.dataclass\nclass TestC:\n    def test_d(self): ...\n", []),
        ("class TestC:\n    @property\n    def test_d(self): ...\n", []),
        ("import pytest\n\n@pytest.mark.parametrize('n', [1])\ndef test_b(n): ...\n", ["test_b"]),
    ],
)
def test_a_test_that_stands_there_and_was_not_run_counts_as_an_error(
    project: Path, more: str, missing: list[str]
) -> None:
    file = project / "tests" / "test_a.py"
    file.write_text(file.read_text() + more)
    report = asyncio.run(reported(project))
    assert [f.test for f in report.failures if f.error == UNHEARD] == [f"tests/test_a.py::{name}" for name in missing]
    assert (report.errors, report.total, report.clean) == (len(missing), 1 + len(missing), not missing)


MODULE = """def test_x():
    assert 0


class TestA:
    def test_x(self):
        assert 1


class TestB(TestA):
    def test_x(self):
        assert 2


class TestC(TestB):
    pass
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("test_x", "assert 0"),
        ("TestA::test_x", "assert 1"),
        ("TestB::test_x[1-2]", "assert 2"),
        ("TestC::test_x", "assert 2"),
    ],
)
def test_of_several_tests_of_one_name_the_right_source_is_shown(project: Path, name: str, line: str) -> None:
    (project / "tests" / "test_a.py").write_text(MODULE)
    node = f"tests/test_a.py::{name}"
    report = asyncio.run(reported(project, collected=[node], outcomes={}, failures=[failure(node)]))
    assert line in report.failures[0].source


def test_folders_that_pytest_passes_by_hold_no_missing_tests(project: Path) -> None:
    (project / "tests" / "build").mkdir()
    (project / "tests" / "build" / "test_b.py").write_text("def test_b(): ...\n")
    assert asyncio.run(reported(project)).clean
