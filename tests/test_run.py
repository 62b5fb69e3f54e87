"""Whole runs on the scripted model, with the real sandbox, real pytest and real git."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from agents.models.scripted import ScriptedModel
from schemas.errors import ExitCode
from schemas.evaluation import Dimension
from schemas.milestone import Status
from tests.helpers import go
from tests.replies import GOOD, RETRY


def test_a_good_idea_is_accepted_with_tests_that_really_ran(workspace: Path) -> None:
    done = go(workspace, GOOD)
    assert [m.status for m in done.report.milestones] == [Status.ACCEPTED] * 2
    assert done.code == ExitCode.OK
    assert done.report.tests is not None
    assert (done.report.tests.total, done.report.tests.passed, done.report.tests.failed) == (4, 4, 0)
    assert done.report.program is not None
    assert done.report.program.output == "Hello, Ada!"
    assert [a.proof for a in done.report.acceptance] == ["passed", "passed", "passed"]


def test_the_project_is_a_repository_with_a_tag_for_each_accepted_milestone(workspace: Path) -> None:
    done = go(workspace, GOOD)
    assert done.git("tag", "--list").split() == ["accepted-M1", "accepted-M2", "delivered"]
    assert "M1, attempt 1: Greeting" in done.git("log", "--format=%s")
    assert done.git("status", "--porcelain") == ""


def test_a_defect_is_mended_by_an_exact_edit_on_the_second_attempt(workspace: Path) -> None:
    done = go(workspace, RETRY)
    first = done.report.milestones[0]
    assert [a.evaluation.passed for a in first.attempts if a.evaluation] == [False, True]
    assert done.code == ExitCode.OK
    evaluation = first.attempts[0].evaluation
    assert evaluation is not None
    assert evaluation.breakdown[Dimension.CORRECTNESS] == 1
    assert evaluation.raw[Dimension.CORRECTNESS] == 5


def test_feedback_of_the_failed_attempt_stands_in_the_next_prompt(workspace: Path) -> None:
    done = go(workspace, RETRY)
    model = done.models.by_agent["impl"]
    assert isinstance(model, ScriptedModel)
    mend = [r for r in model.requests if r.agent == "impl"][1]
    assert "acceptance check AC2 fails" in mend.messages[0].content


def test_holdout_checks_are_in_no_prompt(workspace: Path) -> None:
    done = go(workspace, GOOD)
    text = "".join(p.read_text() for p in (done.files.logs / "calls").glob("*.json"))
    assert "AC3" not in text
    assert "stripped" not in text


def test_milestone_records_are_readable_yaml(workspace: Path) -> None:
    done = go(workspace, GOOD)
    record = yaml.safe_load((done.files.milestones / "M2.yaml").read_text())
    assert (record["status"], record["dependencies"], record["feedback"]) == ("accepted", ["M1"], None)


def test_the_report_is_written_for_people_and_for_programs(workspace: Path) -> None:
    done = go(workspace, GOOD)
    text = (done.files.generated / "report.md").read_text()
    for heading in ("1. The prototype", "2. Milestones and tests", "3. Risks", "4. Technical debt", "5. Roadmap"):
        assert f"\n## {heading}\n" in text
    assert json.loads((done.files.generated / "report.json").read_text())["verdict"] == "accepted"
