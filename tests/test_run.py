"""Whole runs on the scripted model, with the real sandbox, real pytest and real git."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from agents.models.scripted import ScriptedModel, ScriptedReply
from orchestrator.journal.events import read_events
from schemas.errors import ExitCode
from schemas.evaluation import Dimension
from schemas.milestone import Status
from tests.helpers import GREETER, Done, go
from tests.replies import (
    BAD_CORE,
    CORE,
    FIRST,
    GOOD,
    NO_CHANGE,
    PLAN,
    RETRY,
    RULED,
    SMALL,
    SMALL_STEPS,
    files,
    judgement,
    python,
    script,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return go(tmp_path_factory.mktemp("good"), list(GOOD), reuse=())


@pytest.fixture(scope="module")
def retried(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return go(tmp_path_factory.mktemp("retried"), list(RETRY))


def test_a_good_idea_is_accepted_with_tests_that_really_ran(good: Done) -> None:
    assert [m.status for m in good.report.milestones] == [Status.ACCEPTED] * 2
    assert good.code == ExitCode.OK
    assert good.report.tests is not None
    assert (good.report.tests.total, good.report.tests.passed, good.report.tests.failed) == (4, 4, 0)
    assert good.report.program is not None
    assert good.report.program.output == "Hello, Ada!"
    assert [a.proof for a in good.report.acceptance] == ["passed", "passed", "passed"]


def test_the_record_of_a_milestone_holds_what_was_specified_and_designed(good: Done) -> None:
    record = yaml.safe_load((good.files.milestones / "M1.yaml").read_text())
    assert record["specification"]["prd"][0] == "Greeter greets people whom it knows by name."
    assert record["architecture"]["files"] == [{"path": "greeter/core.py", "purpose": "a part of the greeter"}]
    purposes = {file.path: file.purpose for file in good.report.files}
    assert (purposes["greeter/core.py"], purposes["pytest.ini"]) == (
        "a part of the greeter",
        "lets the tests find the code",
    )


def test_where_only_the_same_could_come_nobody_is_told_to_resume(tmp_path: Path) -> None:
    done = go(tmp_path, script(*[("planner", "I can't plan.")] * 3))
    text = (done.files.generated / "report.md").read_text()
    assert (done.code, done.report.verdict, done.report.resumable) == (ExitCode.NOT_ACCEPTED, "stopped", False)
    assert "resume" not in text


def test_the_project_is_a_repository_with_a_tag_for_each_accepted_milestone(good: Done) -> None:
    assert good.git("tag", "--list").split() == ["accepted-M1", "accepted-M2", "delivered"]
    assert "M1, attempt 1: Greeting" in good.git("log", "--format=%s")
    assert good.git("status", "--porcelain") == ""


def test_a_defect_is_mended_by_an_exact_edit_on_the_second_attempt(retried: Done) -> None:
    first = retried.report.milestones[0]
    assert [a.evaluation.passed for a in first.attempts if a.evaluation] == [False, True]
    assert retried.code == ExitCode.OK
    evaluation = first.attempts[0].evaluation
    assert evaluation is not None
    assert evaluation.breakdown[Dimension.CORRECTNESS] == 1
    assert evaluation.raw[Dimension.CORRECTNESS] == 5


def test_feedback_of_the_failed_attempt_stands_in_the_next_prompt(retried: Done) -> None:
    model = retried.models.by_agent["impl"]
    assert isinstance(model, ScriptedModel)
    mend = [r for r in model.requests if r.agent == "impl"][1]
    assert "acceptance check AC2 fails" in mend.messages[0].content


def test_holdout_checks_are_in_no_prompt(good: Done) -> None:
    text = "".join(p.read_text() for p in (good.files.logs / "calls").glob("*.json"))
    assert "AC3" not in text
    assert "stripped" not in text


def test_a_criterion_that_no_sealed_check_proves_is_a_risk(good: Done) -> None:
    titles = [r.title for r in good.report.risks if r.evidence == "no sealed check proves it"]
    assert len(titles) == sum(t.evidence == "no sealed check covers it" for t in good.report.traces)
    assert "M1, perhaps missing or incomplete: greet a person by name" in titles


def test_milestone_records_are_readable_yaml(good: Done) -> None:
    record = yaml.safe_load((good.files.milestones / "M2.yaml").read_text())
    assert (record["status"], record["dependencies"], record["feedback"]) == ("accepted", ["M1"], None)


def test_the_report_is_written_for_people_and_for_programs(good: Done) -> None:
    text = (good.files.generated / "report.md").read_text()
    for heading in ("1. The prototype", "2. Milestones and tests", "3. Risks", "4. Technical debt", "5. Roadmap"):
        assert f"\n## {heading}\n" in text
    assert json.loads((good.files.generated / "report.json").read_text())["verdict"] == "accepted"


def test_a_small_model_writes_one_function_at_a_time_and_begins_afresh_what_the_facts_point_at(workspace: Path) -> None:
    model = ScriptedModel(list(SMALL_STEPS), traits=SMALL)
    done = go(workspace, model)
    assert done.code == ExitCode.OK
    assert [len(m.attempts) for m in done.report.milestones] == [2, 1]
    first, second, versions, fresh, told, later, *_ = [r for r in model.requests if r.agent == "impl"]
    assert ["failed here" in r.messages[0].content for r in (versions, fresh, told)] == [True, False, True]
    assert [r.sample for r in (first, second, versions, fresh, told, later)] == [0, 0, 1, 5, 9, 105]
    assert [(r.choices, r.temperature) for r in (first, versions, fresh)] == [(1, 0.0), (4, 0.7), (4, 0.7)]
    tracked = done.git("ls-files").split()
    assert "greeter/__init__.py" in tracked
    assert "tests/test_m1_greeter_core.py" in tracked


def test_a_function_that_the_versions_do_not_agree_on_is_named_among_the_risks(workspace: Path) -> None:
    plain = CORE.replace("    return", "    if name.strip() not in ('Ada', 'Bob'):\n        return name\n    return")
    short = plain.replace("return name\n", "return name[:1]\n")
    versions = script(*(("impl", python(code)) for code in (CORE, plain, short)))
    model = ScriptedModel([*SMALL_STEPS[:5], *versions, *SMALL_STEPS[-6:]], traits=SMALL)
    done = go(workspace, model)
    assert done.code == ExitCode.OK
    assert done.report.milestones[0].attempts[0].disputed == ["greet"]
    assert "M1: greet may be wrong where no check tries it" in [risk.title for risk in done.report.risks]


def test_a_wrong_test_is_quarantined_by_the_critic_and_listed(workspace: Path) -> None:
    done = go(workspace, list(RULED))
    assert done.code == ExitCode.OK
    assert done.report.quarantined == ["tests/test_m1_unit.py::test_greet_shouts"]
    assert [r.wrong for r in done.report.rulings] == ["test"]
    assert "1 set aside as wrong" in (done.files.generated / "report.md").read_text()
    assert done.report.tests is not None
    assert (done.report.tests.total, done.report.tests.passed) == (4, 4)


def test_the_delivered_project_tests_itself_without_milepost_and_without_what_was_ruled_wrong(workspace: Path) -> None:
    done = go(workspace, list(RULED))
    plain = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=done.files.project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert plain.returncode == 0, plain.stdout
    assert "6 passed, 1 deselected" in plain.stdout


def test_what_milepost_adds_to_the_project_is_not_measured_as_its_code(workspace: Path) -> None:
    done = go(workspace, list(RULED))
    assert (done.files.project / "conftest.py").exists()
    assert done.report.tests is not None
    assert "conftest.py" not in done.report.tests.coverage_by_file
    assert [finding.path for finding in done.report.findings] == []


def test_a_readme_that_the_prototype_has_is_kept(workspace: Path) -> None:
    readme = "# Greeter\n\nHow to greet.\n"
    done = go(
        workspace, [*GOOD[:5], *script(("impl", files({"greeter/core.py": CORE, "README.md": readme}))), *GOOD[6:]]
    )
    assert (done.code, done.git("show", "delivered:README.md")) == (ExitCode.OK, readme)


def test_a_failed_milestone_blocks_its_dependents_and_the_report_says_so(workspace: Path) -> None:
    done = go(workspace, list(RETRY[:7]), attempts=1)
    first, second = done.report.milestones
    assert (first.status, second.status, second.blocked_by) == (Status.FAILED, Status.BLOCKED, "M1")
    assert done.code == ExitCode.NOT_ACCEPTED
    assert "M1, on which it depends, was not accepted" in (done.files.generated / "report.md").read_text()


def test_of_what_was_not_accepted_the_report_says_how_far_it_came(workspace: Path) -> None:
    done = go(workspace, list(RETRY[:7]), attempts=1)
    (attempt,) = done.report.milestones[0].attempts
    at = f"at attempt 1 (commit {attempt.commit}); M1 was not accepted"
    said = [f"it passed {at}", f"it failed {at}", "there was nothing accepted to check"]
    assert [(a.proof, a.detail) for a in done.report.acceptance] == [("not proven", detail) for detail in said]
    holds = f"Nothing was accepted: it holds the best that was measured, M1, attempt 1 (commit {attempt.commit})"
    assert done.report.holds == holds


def test_the_report_says_what_a_pass_takes_and_when_and_with_what_limits_it_began(workspace: Path) -> None:
    done = go(workspace, list(RETRY[:7]), attempts=1, limits={"tokens": 400_000})
    text = (done.files.generated / "report.md").read_text()
    assert "a weighted score of at least 3.5 (correctness 30%, code quality 20%, security 20%" in text
    assert "| Limits | 400,000 tokens, 1 attempts |" in text
    assert "begun 2026-01-01 00:00 UTC" in text


def test_the_roadmap_asks_for_a_check_of_what_nothing_proves(good: Done) -> None:
    steps = [item.step for item in good.report.roadmap]
    assert "Write a check for: greet a person by name (M1)" in steps


def test_of_an_attempt_in_which_the_run_stopped_the_report_says_what_there_is(workspace: Path) -> None:
    done = go(workspace, list(RETRY), limits={"calls": 5})
    record = yaml.safe_load((done.files.milestones / "M1.yaml").read_text())
    said = "the run stopped in attempt 1; written so far: specification, architecture, tests"
    assert (done.code, record["status"], record["attempts"][0]["failure"]) == (ExitCode.LIMIT, "stopped", said)
    assert record["specification"]["prd"][0] == "Greeter greets people whom it knows by name."
    assert record["architecture"]["files"] == [{"path": "greeter/core.py", "purpose": "a part of the greeter"}]
    text = (done.files.generated / "report.md").read_text()
    assert f"**M1 Greeting was not accepted** — {said}\n" in text
    assert "Specification and architecture: `milestones/test/M1.yaml`" in text
    assert "not proven: the run ended before it was checked" in text


def test_where_a_stop_leaves_nothing_accepted_the_best_state_and_its_own_tests_are_delivered(workspace: Path) -> None:
    worse = BAD_CORE.replace('f"Hello, {name.strip()}!"', "1 // 0")
    done = go(workspace, [*RETRY[:8], *script(("impl", files({"greeter/core.py": worse})))], limits={"calls": 9})
    assert (done.code, [a.better for a in done.report.milestones[0].attempts]) == (ExitCode.LIMIT, [True, False])
    assert (done.files.project / "greeter" / "core.py").read_text() == BAD_CORE
    assert done.report.tests is not None
    assert (done.report.tests.passed, done.report.tests.total) == (1, 2)
    assert done.git("status", "--porcelain") == ""


UNJUDGED = [*GOOD[:6], ScriptedReply(agent="evaluator", reply="", stop_reason="refusal")]
"""The first milestone is right, and the judge says nothing of it."""


def test_what_lacks_nothing_but_a_verdict_is_judged_again_and_not_written_again(workspace: Path) -> None:
    done = go(workspace, [*UNJUDGED, *GOOD[6:]])
    attempts = done.report.milestones[0].attempts
    assert (done.code, [a.move for a in attempts]) == (ExitCode.OK, ["generate", "refine"])
    assert [c["agent"] for c in done.calls if c.get("milestone") == "M1"].count("impl") == 1


def test_what_a_fact_forbids_is_mended_although_no_verdict_came(workspace: Path) -> None:
    unsafe = CORE.replace('"""Greetings."""\n', '"""Greetings."""\n\nimport hashlib\n\nKEY = hashlib.md5(b"a")\n')
    refusal = ScriptedReply(agent="evaluator", reply="", stop_reason="refusal")
    lines = [*GOOD[:5], *script(("impl", files({"greeter/core.py": unsafe}))), refusal]
    model = ScriptedModel([*lines, *script(("spec", NO_CHANGE), ("impl", files({"greeter/core.py": CORE})))])
    done = go(workspace, model, attempts=2)
    assert [r.agent for r in model.requests][-3:] == ["spec", "impl", "evaluator"], done.report.stopped_by


def test_right_code_that_gets_no_verdict_is_never_begun_anew(workspace: Path) -> None:
    refusal = ScriptedReply(agent="evaluator", reply="", stop_reason="refusal", repeat=True)
    done = go(workspace, [*GOOD[:6], refusal], attempts=3)
    assert [a.move for a in done.report.milestones[0].attempts] == ["generate", "refine", "refine"]
    assert [c["agent"] for c in done.calls].count("impl") == 1


def test_code_that_the_judge_said_nothing_usable_of_is_delivered_as_it_was_measured(workspace: Path) -> None:
    done = go(workspace, UNJUDGED, attempts=1)
    assert (done.code, (done.files.project / "greeter" / "core.py").read_text()) == (ExitCode.NOT_ACCEPTED, CORE)


def test_what_was_measured_and_could_not_be_judged_any_more_is_delivered_if_it_is_the_best(workspace: Path) -> None:
    done = go(workspace, list(RETRY), limits={"calls": 9})
    assert "    if not name.strip():\n" in (done.files.project / "greeter" / "core.py").read_text()
    assert done.report.tests is not None
    assert (done.report.tests.passed, done.report.tests.total) == (2, 2)


def test_of_what_the_judge_alone_refuses_the_report_says_what_held(workspace: Path) -> None:
    refused = script(("planner", PLAN), *FIRST, ("impl", files({"greeter/core.py": CORE})), ("evaluator", judgement(3)))
    done = go(workspace, refused, attempts=1)
    report = (done.files.generated / "report.md").read_text()
    assert "M1 Greeting was not accepted** — nothing that was measured forbids a pass" in report
    commit = done.report.milestones[0].attempts[0].commit
    assert f"| not proven: it passed at attempt 1 (commit {commit}), but the judge did not accept M1 |" in report


def test_an_agent_that_gives_nothing_usable_fails_the_attempt_not_the_run(workspace: Path) -> None:
    bad = [line.model_copy(update={"reply": "nonsense"}) for line in GOOD[1:2]] * 3
    done = go(workspace, [GOOD[0], *bad, *GOOD[1:]])
    assert done.code == ExitCode.OK
    first = done.report.milestones[0].attempts[0]
    assert first.failure is not None
    assert "the spec agent's reply is invalid" in first.failure


def test_pinned_milestones_are_taken_as_they_are(workspace: Path) -> None:
    idea = yaml.safe_load(GREETER.read_text())
    idea["milestones"] = [
        {"id": "late", "title": "Command", "description": "d", "dependencies": ["core"]},
        {"id": "core", "title": "Greeting", "description": "d", "acceptance_criteria": ["it greets"]},
    ]
    path = workspace / "pinned.yaml"
    path.write_text(yaml.safe_dump(idea))
    done = go(workspace, [], idea=path)
    assert [m.id for m in done.report.milestones] == ["core", "late"]
    assert done.calls[0]["agent"] == "spec"


@pytest.mark.parametrize("odd", ["x" + ".a" * 2_500, "not " * 900 + "True", "0x" + "f" * 9_000])
def test_code_that_no_tool_can_read_fails_the_attempt_and_not_the_run(odd: str, workspace: Path) -> None:
    lines = script(("planner", PLAN), *FIRST, *[("impl", files({"greeter/core.py": f"{CORE}\nODD = {odd}\n"}))] * 3)
    done = go(workspace, lines, attempts=1)
    first = done.report.milestones[0].attempts[0]
    assert (done.code, done.report.stopped_by) == (ExitCode.NOT_ACCEPTED, None)
    assert first.failure is not None
    assert "greeter/core.py, line" in first.failure


def test_the_log_holds_raw_and_clamped_scores_and_the_facts_that_clamped_them(retried: Done) -> None:
    finished = [e for e in read_events(retried.files.events) if e["event"] == "evaluated"]
    assert (finished[0]["raw"]["correctness"], finished[0]["clamped"]["correctness"]) == (5, 1)
    assert finished[0]["clamps"][0]["fact"].startswith("acceptance check AC2 fails")
