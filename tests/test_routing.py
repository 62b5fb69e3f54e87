"""The planner-driven route: what the router sees, what it may decide, and that no answer of its ends a run badly."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import Model
from orchestrator.attempt import Attempt, Work
from orchestrator.journal.events import read_events
from orchestrator.transitions import MAX_HOPS, possible
from schemas.errors import ExitCode
from schemas.evidence import Evidence, Finding
from schemas.routing import Hop
from schemas.test_report import TestReport
from tests.helpers import Done, go, known_run
from tests.messages_server import messages_server
from tests.replies import (
    BAD_CORE,
    CORE,
    CORE_SKELETON,
    FIRST,
    GOOD,
    MAIN,
    MEND,
    NO_CHANGE,
    PLAN,
    SECOND,
    SMALL,
    SMALL_STEPS,
    arch,
    files,
    judgement,
    ruling,
    script,
    spec,
)
from tests.test_by_function import MILESTONE
from tests.test_cli import milepost, scripted


def to(agent: str, message: str = "", reason: str = "it is the best step") -> tuple[str, str]:
    return "router", json.dumps({"reason": reason, "next_agent": agent, "message": message})


def plan(tmp_path: Path, model: list[ScriptedReply] | Model, **settings: Any) -> Done:
    return go(tmp_path, model, routing="planner", **settings)


def route(done: Done, milestone: int = 0, attempt: int = 0) -> list[str]:
    return [hop.agent for hop in done.report.milestones[milestone].attempts[attempt].route]


START = (("planner", PLAN), *FIRST)
WRONG = ("impl", files({"greeter/core.py": BAD_CORE}))
RIGHT = ("impl", files({"greeter/core.py": CORE}))


def test_where_all_goes_well_nobody_has_to_be_asked(tmp_path: Path) -> None:
    done = plan(tmp_path, list(GOOD))
    assert (done.code, route(done)) == (ExitCode.OK, ["architect", "engineer", "test_runner", "critic"])
    assert {h.source for h in done.report.milestones[0].attempts[0].route} == {"only choice"}


def test_the_router_sends_failing_code_back_within_the_attempt(tmp_path: Path) -> None:
    lines = [*START, WRONG, to("engineer", "refuse empty names"), ("impl", MEND), ("evaluator", judgement()), *SECOND]
    model = ScriptedModel(script(*lines))
    done = plan(tmp_path, model)
    turns = ["architect", "engineer", "test_runner", "engineer", "test_runner", "critic"]
    assert (done.code, route(done), len(done.report.milestones[0].attempts)) == (ExitCode.OK, turns, 1)
    told = [r.agent for r in model.requests if "refuse empty names" in r.messages[0].content]
    assert told == ["impl"]


def test_it_sees_the_whole_state_as_one_json_object(tmp_path: Path) -> None:
    model = ScriptedModel(script(*START, WRONG, to("engineer"), ("impl", MEND), ("evaluator", judgement()), *SECOND))
    plan(tmp_path, model)
    (asked,) = [r for r in model.requests if r.agent == "router"]
    text = asked.messages[0].content
    state = json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    assert state["measured"]["tests"] == "1 of 2 pass"
    assert list(state["possible"]) == ["architect", "engineer", "critic"]
    assert state["impossible"]["finish"] == "nothing was judged yet"
    assert state["turns"][-1].startswith("test_runner: 1 of 2 tests pass")
    assert asked.output_schema is not None
    assert asked.output_schema["properties"]["next_agent"]["enum"] == ["architect", "engineer", "critic"]


def test_it_can_go_back_to_the_architect_and_finish_early(tmp_path: Path) -> None:
    lines = [*START, WRONG, to("critic"), ("evaluator", judgement()), to("finish")]
    lines += [to("architect"), ("spec", NO_CHANGE), to("engineer"), ("impl", MEND), ("evaluator", judgement()), *SECOND]
    done = plan(tmp_path, script(*lines))
    assert done.code is ExitCode.OK
    assert route(done) == ["architect", "engineer", "test_runner", "critic"]
    assert route(done, attempt=1) == ["architect", "engineer", "test_runner", "critic"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (to("refactorer")[1], "there is no 'refactorer'"),
        (to("test_runner")[1], "this code was run already"),
        (to("finish")[1], "nothing was judged yet"),
        ("engineer, please", "no JSON object"),
        ('{"next_agent": "engineer"}', "Field required"),
        ('{"next_agent": 7, "reason": [], "message": null}', "valid string"),
    ],
)
def test_an_illegal_or_malformed_answer_is_told_why_and_may_be_mended(answer: str, why: str, tmp_path: Path) -> None:
    lines = [*START, WRONG, ("router", answer), to("engineer"), ("impl", MEND), ("evaluator", judgement()), *SECOND]
    model = ScriptedModel(script(*lines))
    done = plan(tmp_path, model)
    second = [r for r in model.requests if r.agent == "router"][1]
    assert why in second.messages[-1].content
    assert (done.code, len(done.report.milestones[0].attempts)) == (ExitCode.OK, 1)


def test_a_router_that_never_makes_sense_is_replaced_by_the_fixed_order(tmp_path: Path) -> None:
    nonsense = ScriptedReply(agent="router", reply="I am a teapot", repeat=True)
    lines = [*START, WRONG, ("evaluator", judgement()), ("spec", NO_CHANGE), ("impl", MEND), ("evaluator", judgement())]
    done = plan(tmp_path, [nonsense, *script(*lines, *SECOND)])
    assert done.code is ExitCode.OK
    assert route(done) == ["architect", "engineer", "test_runner", "critic"]
    assert {h.source for a in done.report.milestones[0].attempts for h in a.route} == {"only choice", "fallback"}


def test_an_endless_route_is_cut_off(tmp_path: Path) -> None:
    """A router that always sends for the engineer, who never mends anything."""
    again = [ScriptedReply(agent="router", reply=to("engineer")[1], repeat=True)]
    same = [ScriptedReply(agent="impl", reply=WRONG[1], repeat=True)]
    lines = script(*START, ("evaluator", judgement()))
    done = plan(tmp_path, [*again, *same, *lines], attempts=1)
    turns = route(done)
    assert done.code is ExitCode.NOT_ACCEPTED
    assert turns.count("engineer") == 3  # its first, and two that bettered nothing
    assert len(turns) <= MAX_HOPS
    assert turns[-1] == "critic"


def test_a_role_that_fails_twice_is_not_sent_for_again(tmp_path: Path) -> None:
    bad = [ScriptedReply(agent="impl", reply="nothing", repeat=True)]
    done = plan(tmp_path, [*bad, *script(*START)], attempts=1)
    (attempt,) = done.report.milestones[0].attempts
    assert done.code is ExitCode.NOT_ACCEPTED
    assert route(done) == ["architect", "engineer", "engineer"]
    assert "the impl agent's reply is invalid" in (attempt.failure or "")


def test_each_decision_is_in_the_log(tmp_path: Path) -> None:
    lines = [
        *START,
        WRONG,
        to("engineer", "mend it", "a test fails"),
        ("impl", MEND),
        ("evaluator", judgement()),
        *SECOND,
    ]
    done = plan(tmp_path, script(*lines))
    events = [e for e in read_events(done.files.events) if e["event"] == "route" and e["milestone"] == "M1"]
    assert [e["hop"] for e in events] == [1, 2, 3, 4, 5, 6]
    fourth = events[3]
    assert (fourth["next_agent"], fourth["message"], fourth["reason"], fourth["source"]) == (
        "engineer",
        "mend it",
        "a test fails",
        "router",
    )


def test_the_router_remembers_the_routes_that_it_took(tmp_path: Path) -> None:
    bad = SECOND[4][1].replace("return 2", "return 3")
    lines = [*START, WRONG, to("engineer"), ("impl", MEND), ("evaluator", judgement())]
    lines += [
        *SECOND[:4],
        ("impl", bad),
        ("critic", ruling("code")),
        to("engineer"),
        SECOND[4],
        ("evaluator", judgement()),
    ]
    model = ScriptedModel(script(*lines))
    assert plan(tmp_path, model).code is ExitCode.OK
    last = [r for r in model.requests if r.agent == "router"][-1].messages[0].content
    assert "M1, attempt 1: architect → engineer → test_runner → engineer → test_runner → critic: score" in last


def test_what_was_approved_may_be_refactored_or_finished(tmp_path: Path) -> None:
    lines = [*START, RIGHT, ("evaluator", judgement()), to("refactorer"), ("refactorer", "Nothing to do."), *SECOND]
    done = plan(tmp_path, script(*lines, to("finish")), refactor="on")
    assert done.code is ExitCode.OK
    assert [route(done, n)[-1] for n in (0, 1)] == ["refactorer", "critic"]


def test_a_small_model_goes_the_same_way(tmp_path: Path) -> None:
    lines = [*SMALL_STEPS[:11], *script(to("engineer")), SMALL_STEPS[12]]
    model = ScriptedModel([*lines, *script(("evaluator", judgement())), *SMALL_STEPS[-5:]], traits=SMALL)
    done = plan(tmp_path, model)
    assert (done.code, len(done.report.milestones[0].attempts)) == (ExitCode.OK, 1)


def test_the_command_runs_it_through_the_real_sdk(workspace: Path) -> None:
    lines = [*START, WRONG, to("engineer"), ("impl", MEND), ("evaluator", judgement()), *SECOND]
    off = {"MILEPOST_REVIEW": "off", "MILEPOST_REFACTOR": "off", "MILEPOST_SANDBOX_MUTANTS": "0"}
    off["MILEPOST_SANDBOX_TEST_SECONDS"] = "300"  # as in `go`
    with messages_server([ScriptedReply(agent="any", reply=reply) for _, reply in lines], []) as server:
        done = milepost(
            "run",
            str(Path(__file__).parent / "data" / "greeter.yaml"),
            "--routing",
            "planner",
            "--reuse",
            known_run(workspace),
            ANTHROPIC_API_KEY="a-key-for-tests",
            ANTHROPIC_BASE_URL=server.url,
            **off,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "router → engineer" in milepost("logs").stdout


def test_the_routing_of_a_run_holds_on_resume(workspace: Path) -> None:
    settings = scripted(workspace, [line.model_dump() for line in GOOD])
    idea = str(Path(__file__).parent / "data" / "greeter.yaml")
    options = ("--routing", "planner", "--run-name", "r", "--max-calls", "3", "--reuse", known_run(workspace))
    milepost("run", idea, *options, **settings)
    done = milepost("resume", "r", "--max-calls", "99", **settings)
    assert "ACCEPTED" in done.stdout
    record = json.loads((workspace / "generated_projects" / "r" / "report.json").read_text())
    assert record["milestones"][0]["attempts"][0]["route"][0]["source"] == "only choice"


REVISED = json.dumps(
    {"reason": "it must shout too", "contracts": json.loads(spec("shout", "Returns it loud."))["contracts"]}
)
WIDER = CORE_SKELETON + '\n\ndef shout(name: str) -> str:\n    """Return it loud."""\n    ...\n'
LOUD = "from greeter.core import shout\n\n\ndef test_shout() -> None:\n    assert shout('a') == 'A'\n"
REDESIGN = (
    ("spec", REVISED),
    ("arch", arch("greeter/core.py")),
    ("arch", files({"greeter/core.py": WIDER})),
    ("tester", files({"tests/test_m1_second.py": LOUD})),
)
BODY = 'return f"Hello'


def asked(model: ScriptedModel, agent: str) -> list[str]:
    return [r.messages[0].content for r in model.requests if r.agent == agent]


def test_the_test_agent_sees_no_code_even_where_there_is_some(tmp_path: Path) -> None:
    model = ScriptedModel(script(*START, WRONG, to("architect", "see the code"), *REDESIGN))
    plan(tmp_path, model, attempts=1)
    assert "def shout" in asked(model, "tester")[1]
    assert not any(BODY in text or "see the code" in text for text in asked(model, "tester"))


def test_what_the_architect_changed_is_written_and_run_before_it_is_judged(tmp_path: Path) -> None:
    loud = CORE + '\n\ndef shout(name: str) -> str:\n    """Return it loud."""\n    return name.upper()\n'
    lines = [*START, WRONG, to("architect"), *REDESIGN, ("impl", files({"greeter/core.py": loud}))]
    done = plan(tmp_path, script(*lines, ("evaluator", judgement()), *SECOND))
    assert done.code is ExitCode.OK
    assert route(done)[3:] == ["architect", "engineer", "test_runner", "critic"]


def test_resampling_begins_from_interfaces_even_after_a_redesign(tmp_path: Path) -> None:
    bad = BAD_CORE + '\n\ndef shout(name: str) -> str:\n    """Return it loud."""\n    return name\n'
    lines = [*START, WRONG, ("evaluator", judgement(5)), *REDESIGN, ("impl", files({"greeter/core.py": bad}))]
    model = ScriptedModel(
        script(*lines, *[("critic", ruling("code"))] * 2, ("evaluator", judgement(1)), ("spec", NO_CHANGE))
    )
    done = go(tmp_path, model, attempts=3)
    assert [a.move for a in done.report.milestones[0].attempts[:2]] == ["generate", "refine"]
    fresh = asked(model, "impl")[2].split("The files to work on:")[1].split("Earlier code failed")[0]
    assert (BODY in fresh, fresh.count("raise NotImplementedError")) == (False, 2)
    assert "Earlier code failed" in asked(model, "impl")[2]


def test_the_report_names_the_state_that_the_project_holds_and_not_a_later_one(tmp_path: Path) -> None:
    worse = BAD_CORE.replace("Hello, ", "Bye, ").replace("{name.strip()}", "")
    edit = f"```edit path=greeter/core.py\n<<<<<<< REMOVE\n{BAD_CORE}=======\n{worse}>>>>>>> ADD\n```"
    lines = [*START, WRONG, to("critic"), ("evaluator", judgement()), to("engineer"), ("impl", edit), to("critic")]
    done = plan(tmp_path, script(*lines, ("evaluator", judgement()), to("finish")), attempts=1)
    (commit,) = re.findall(r"it holds the best that was measured, M1, attempt 1 \(commit (\w+)\)", done.report.holds)
    assert done.git("show", f"{commit}:greeter/core.py") == (done.files.project / "greeter" / "core.py").read_text()
    assert done.git("show", f"{commit}:greeter/core.py") == BAD_CORE


def test_more_attempts_ask_the_router_nothing_that_it_was_asked_before(tmp_path: Path) -> None:
    lines = [*START, WRONG, to("critic"), ("evaluator", judgement()), to("finish")]
    first = plan(tmp_path, script(*lines), attempts=1)
    model = ScriptedModel(script(to("engineer"), ("impl", MEND), ("evaluator", judgement()), *SECOND))
    again = plan(tmp_path, model, resume=True, attempts=2)
    assert (first.code, again.code) == (ExitCode.NOT_ACCEPTED, ExitCode.OK)
    assert [call["attempt"] for call in again.calls if call["agent"] == "router"] == [1, 1, 2]


@pytest.mark.parametrize("routing", ["fixed", "planner"])
def test_what_ends_a_run_after_a_pass_does_not_cost_the_milestone_and_resume_asks_nothing_twice(
    routing: str, tmp_path: Path
) -> None:
    """The model is lost when the Refactorer, or the router, is to be asked about work that passed."""
    first = go(tmp_path, script(*START, RIGHT, ("evaluator", judgement())), refactor="on", routing=routing)
    assert first.code is ExitCode.UNAVAILABLE
    assert first.report.milestones[0].status.value == "accepted"
    assert first.git("show", "delivered:greeter/core.py") == CORE
    nothing = ("refactorer", "Nothing to do.")
    more = (to("refactorer"), nothing, *SECOND, to("finish")) if routing == "planner" else (nothing, *SECOND, nothing)
    model = ScriptedModel(script(*more))
    again = go(tmp_path, model, resume=True, refactor="on", routing=routing)
    assert (again.code, [r.agent for r in model.requests]) == (ExitCode.OK, [agent for agent, _ in more])


def test_a_file_that_the_plan_names_is_shown_whole(tmp_path: Path) -> None:
    both = arch("greeter/__main__.py", "greeter/core.py")
    lines = [*START, RIGHT, ("evaluator", judgement()), SECOND[0], ("arch", both), *SECOND[2:]]
    model = ScriptedModel(script(*lines))
    assert go(tmp_path, model).code is ExitCode.OK
    assert BODY in asked(model, "impl")[1]


def test_a_file_that_was_not_shown_can_not_be_sent_whole(tmp_path: Path) -> None:
    blind = files({"greeter/__main__.py": MAIN, "greeter/core.py": BAD_CORE})
    model = ScriptedModel(script(*START, RIGHT, ("evaluator", judgement()), *SECOND[:4], ("impl", blind), *SECOND[4:]))
    assert go(tmp_path, model).code is ExitCode.OK
    told = [r.messages[-1].content for r in model.requests if r.agent == "impl"][-1]
    assert "greeter/core.py was not shown whole" in told


def test_feedback_is_that_on_the_files_that_are_shown(tmp_path: Path) -> None:
    """The second attempt is worse, so the third goes on from the first, with what was said of the first."""
    worse = BAD_CORE.replace("Hello, ", "Bye, ")
    edit = f"```edit path=greeter/core.py\n<<<<<<< REMOVE\n{BAD_CORE}=======\n{worse}>>>>>>> ADD\n```"
    other = judgement(1).replace("say more in the docstring", "say less")
    lines = [*START, WRONG, ("evaluator", judgement(5)), ("spec", NO_CHANGE), ("impl", edit), ("evaluator", other)]
    model = ScriptedModel(script(*lines, ("spec", NO_CHANGE), ("impl", MEND), ("evaluator", judgement()), *SECOND))
    done = go(tmp_path, model, controller={"resample": False})
    assert done.code is ExitCode.OK
    before = asked(model, "impl")[2].split("Earlier attempts")[0]
    assert ("say more in the docstring" in before, "say less" in before) == (True, False)


def test_an_empty_file_may_be_sent_whole(tmp_path: Path) -> None:
    both = files({"greeter/__main__.py": MAIN, "greeter/empty.py": "SIZE = 3\n"})
    code = files({"greeter/core.py": CORE, "greeter/empty.py": "\n"})
    lines = [*START, ("impl", code), ("evaluator", judgement()), *SECOND[:4], ("impl", both), SECOND[5]]
    model = ScriptedModel(script(*lines))
    assert go(tmp_path, model).code is ExitCode.OK


def test_code_is_run_though_a_base_class_leaves_a_method_to_others_that_write_it() -> None:
    attempt = Attempt(Mock(finishing=[]), MILESTONE, Work(files={}, checks=[]), 1, "generate", Mock(), {})
    attempt.work.prepared = True
    base = "class Sink:\n    def put(self, n: int) -> int:\n        raise NotImplementedError\n"
    attempt.changed({"a.py": base})
    assert possible(attempt)["test_runner"] == "there is no code yet"
    attempt.changed({"a.py": f"{base}\n\nclass Null(Sink):\n    def put(self, n: int) -> int:\n        return n\n"})
    assert possible(attempt)["test_runner"] is None


def test_code_that_is_unsafe_may_be_mended_although_all_its_tests_pass() -> None:
    attempt = Attempt(
        Mock(finishing=[]), MILESTONE, Work(files={}, checks=[]), 1, "generate", Mock(), {"a.py": "A = 1"}
    )
    attempt.work.prepared = attempt.measured = True
    unsafe = Finding(tool="bandit", rule="B602", path="a.py", line=1, message="m", severity="high")
    passing = TestReport(total=1, passed=1, failed=0, coverage=100.0)
    for findings, engineer in (([], "the critic has not judged it yet"), ([unsafe], None)):
        attempt.facts = Evidence(generated=passing, acceptance=None, program=None, findings=findings)
        assert str(possible(attempt)["engineer"]).endswith(str(engineer))


@settings(max_examples=300)
@given(st.randoms(use_true_random=False))
def test_there_is_always_somebody_who_can_go_on_until_the_end(lot: random.Random) -> None:
    """A walk of any choices ends by itself, with a verdict, and never judges what was not run."""
    attempt = Attempt(Mock(finishing=[]), MILESTONE, Work(files={}, checks=[]), 1, "generate", Mock(), {})
    version = 0
    for _ in range(60):
        free = [role for role, why in possible(attempt).items() if why is None]
        assert free
        role = lot.choice(free)
        if role == "finish":
            break
        if role == "architect":
            changes = not attempt.work.prepared or lot.random() < 0.5
            attempt.work.prepared = True
            if changes:
                version += 1
                stub = lot.choice(["raise NotImplementedError", "return 1"])
                attempt.changed({"a.py": f"def f{version}():\n    {stub}\n"})
                attempt.merits = attempt.merits[-1:]
        elif role == "engineer":
            version += 1
            attempt.changed({"a.py": f"def f():\n    return {version}\n"})
            attempt.written = True
        elif role == "test_runner":
            good = lot.random() < 0.3
            report = TestReport(total=2, passed=2 if good else lot.randrange(2), failed=0 if good else 1, coverage=90)
            attempt.facts = Evidence(generated=report, acceptance=None, program=None)
            attempt.merits.append(attempt.facts.merit)
            attempt.measured, attempt.evaluation = True, None
        elif role == "critic":
            assert attempt.measured
            attempt.evaluation = Mock(passed=lot.random() < 0.3)
        attempt.route.append(Hop(agent=role, source="router"))
    assert attempt.evaluation is not None
