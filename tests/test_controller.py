"""The controller: what is tried after what, and that a whole run follows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.scripted import ScriptedModel
from orchestrator.attempt import Work
from orchestrator.compose import build_models
from orchestrator.config import ControllerSettings, Settings
from orchestrator.controller import next_move
from orchestrator.rubric import evaluate
from schemas.errors import ExitCode
from schemas.evaluation import Dimension, Judgement, Opinion
from schemas.evidence import Evidence
from schemas.routing import Move
from schemas.test_report import Failure, TestReport
from tests.helpers import go
from tests.replies import BAD_CORE, CORE, CORE_SKELETON, FIRST, NO_CHANGE, PLAN, SECOND, files, judgement, script


@dataclass(frozen=True)
class Done:
    move: Move
    better: bool


RULES = ControllerSettings(patience=20)


def moves(outcomes: list[bool], rules: ControllerSettings = RULES, *, higher: bool = True) -> list[Move]:
    tried: list[Done] = []
    for better in outcomes:
        move = next_move(tried, rules, higher=higher)
        if move is None:
            break
        tried.append(Done(move, better))
    return [done.move for done in tried]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([True, True, True], ["generate", "refine", "refine"]),
        ([True, False, False, False, False], ["generate", "refine", "resample", "escalate", "resample"]),
        ([True, False, True, False, False], ["generate", "refine", "resample", "refine", "resample"]),
        ([False, False, False], ["generate", "escalate", "generate"]),
        ([False, True, False], ["generate", "escalate", "refine"]),
    ],
)
def test_refine_then_resample_then_escalate(outcomes: list[bool], expected: list[Move]) -> None:
    assert moves(outcomes) == expected


outcomes = st.lists(st.booleans(), max_size=20)


@given(outcomes)
def test_what_is_switched_off_is_never_tried(done: list[bool]) -> None:
    rules = ControllerSettings(resample=False, escalate=False, patience=20)
    assert set(moves(done, rules)) <= {"generate", "refine"}


@given(outcomes)
def test_a_run_escalates_once_and_only_where_there_is_a_tier(done: list[bool]) -> None:
    assert moves(done).count("escalate") <= 1
    assert "escalate" not in moves(done, higher=False)


@given(outcomes, st.integers(1, 5))
def test_it_stops_after_as_many_attempts_without_progress_as_are_allowed(done: list[bool], patience: int) -> None:
    made = len(moves(done, ControllerSettings(patience=patience)))
    stale = [all(not better for better in done[n : n + patience]) for n in range(len(done) - patience + 1)]
    assert made == (stale.index(True) + patience if True in stale else len(done))


@given(outcomes)
def test_nothing_is_refined_before_there_is_something(done: list[bool]) -> None:
    first = done.index(True) if True in done else len(done)
    assert set(moves(done)[: first + 1]) <= {"generate", "escalate"}


def test_a_run_resamples_from_the_interfaces_and_then_escalates_with_the_makers_only(tmp_path: Path) -> None:
    bad = ("impl", files({"greeter/core.py": BAD_CORE}))
    same = BAD_CORE.replace("Greetings.", "Greetings!")
    edit = f"```edit path=greeter/core.py\n<<<<<<< REMOVE\n{BAD_CORE}=======\n{same}>>>>>>> ADD\n```"
    weak = [
        ("planner", PLAN),
        *FIRST,
        bad,
        ("evaluator", judgement()),
        ("spec", NO_CHANGE),
        ("impl", edit),
        ("evaluator", judgement()),
        ("spec", NO_CHANGE),
        bad,
        ("evaluator", judgement()),
        ("evaluator", judgement()),
        *SECOND,
    ]
    strong = ScriptedModel(script(("spec", NO_CHANGE), ("impl", files({"greeter/core.py": CORE}))), name="strong")
    done = go(tmp_path, script(*weak), higher={"spec": strong, "impl": strong}, attempts=4, controller={"patience": 4})
    first = done.report.milestones[0]
    assert done.code is ExitCode.OK
    assert [a.move for a in first.attempts] == ["generate", "refine", "resample", "escalate"]
    assert [a.better for a in first.attempts] == [True, False, False, True]
    assert [r.agent for r in strong.requests] == ["spec", "impl"]
    resampled = [c for c in done.calls if c["agent"] == "impl" and c["attempt"] == 3]
    assert len(resampled) == 1


def test_code_that_can_not_be_read_is_begun_anew_from_its_interface() -> None:
    work = Work(files={"a.py": "def (", "b.py": "B = 1\n"}, checks=[], skeletons={"a.py": CORE_SKELETON})
    assert work.begin(afresh=False) == {"a.py": CORE_SKELETON, "b.py": "B = 1\n"}


@pytest.mark.parametrize(("collected", "left"), [(set(), []), ({"tests/test_a.py::test_f"}, ["tests/test_a.py"])])
def test_a_file_of_tests_that_is_broken_is_dropped_unless_its_tests_were_collected_before(
    collected: set[str], left: list[str]
) -> None:
    tests = {"tests/test_a.py": "from a import GONE\n"}
    failure = Failure(test="tests/test_a.py", error="ImportError: cannot import name 'GONE'", location="")
    facts = Evidence(
        generated=TestReport(total=2, passed=1, failed=0, errors=1, failures=[failure]), acceptance=None, program=None
    )
    work = Work(files={}, checks=[], tests=tests, tested=True, collected=collected)
    work.keep_best({"a.py": "", **tests}, facts, None)
    assert (list(work.tests), work.tested) == (left, bool(left))


def test_of_equal_facts_those_that_have_a_verdict_are_kept() -> None:
    facts = Evidence(generated=TestReport(total=1, passed=1, failed=0), acceptance=None, program=None)
    opinions = {d.value: Opinion(reason="r", score=4) for d in Dimension}
    work = Work(files={}, checks=[])
    kept = [work.keep_best({"a.py": "1\n"}, facts, evaluate([Judgement(**opinions, feedback=[])], facts))]
    kept += [work.keep_best({"a.py": "2\n"}, facts, None)]
    assert (kept, work.files) == ([True, False], {"a.py": "1\n"})


def test_a_run_stops_where_nothing_gets_better(tmp_path: Path) -> None:
    bad = files({"greeter/core.py": BAD_CORE})
    lines = [("planner", PLAN), *FIRST, ("impl", bad), ("evaluator", judgement())]
    lines += [("spec", NO_CHANGE), ("impl", "nothing"), ("impl", "nothing"), ("impl", "nothing")]
    done = go(tmp_path, script(*lines), attempts=9, controller={"patience": 1})
    assert (done.code, len(done.report.milestones[0].attempts)) == (ExitCode.NOT_ACCEPTED, 2)


def test_settings_name_the_tier_that_each_maker_escalates_to() -> None:
    key = {"anthropic": {"api_key": "k"}, "backend": "anthropic"}
    models = build_models(Settings.model_validate({**key, "roles": {"impl": "cheap"}}), lambda *_: None)
    assert models.higher["impl"].name == "anthropic/claude-opus-4-8"
    assert models.higher["spec"].name == "anthropic/claude-opus-5-5"
    assert "evaluator" not in models.higher
    none = build_models(Settings.model_validate({**key, "models": {"top": None}}), lambda *_: None)
    assert not none.higher
