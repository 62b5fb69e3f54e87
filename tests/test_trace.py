"""Traceability: from each requirement to what proves it, and what nothing proves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import Done, go
from tests.replies import GOOD, RETRY


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return go(tmp_path_factory.mktemp("trace"), list(GOOD))


def test_a_requirement_leads_to_its_code_its_tests_and_its_evidence(done: Done) -> None:
    first = done.report.traces[0]
    assert (first.milestone, first.code, first.proven) == ("M1", ["greeter/core.py: greet"], True)
    assert first.tests
    assert all(test.startswith("tests/test_m1_unit.py::test_") for test in first.tests)
    assert first.evidence == "sealed check passed"


def test_what_no_sealed_check_proves_stands_under_not_proven(done: Done) -> None:
    text = (done.files.generated / "report.md").read_text()
    section = text.partition("### NOT PROVEN")[2].partition("###")[0]
    assert "- greet a person by name (M1): no sealed check covers it" in section
    assert "AC1" not in section


def test_what_was_never_reached_is_not_proven(workspace: Path) -> None:
    failed = go(workspace, list(RETRY[:7]), attempts=1)
    section = (failed.files.generated / "report.md").read_text().partition("### NOT PROVEN")[2]
    for check in ("AC1", "AC2", "AC3"):
        assert f"- {check}: " in section
