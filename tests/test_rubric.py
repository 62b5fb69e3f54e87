"""The rubric: weights, bounds, clamps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.rubric import LOWEST, PASS, WEIGHTS, evaluate
from schemas.evaluation import Dimension, Judgement, Reasons, Scores
from schemas.evidence import Evidence, Finding, ProgramRun
from schemas.test_report import Failure, TestReport

CLEAN = TestReport(total=3, passed=3, failed=0, coverage=95.0)


def judgement(**scores: int) -> Judgement:
    reasons = Reasons(**{d.value: "r" for d in Dimension})
    return Judgement(
        reasons=reasons, feedback=[], scores=Scores(**{d.value: scores.get(d.value, 4) for d in Dimension})
    )


def facts(**changes: object) -> Evidence:
    return Evidence(generated=CLEAN, acceptance=None, program=None).model_copy(update=changes)


def test_weights_are_those_of_the_requirements_and_sum_to_one() -> None:
    assert list(WEIGHTS.values()) == [0.30, 0.20, 0.20, 0.15, 0.15]
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@given(st.tuples(*[st.integers(1, 5)] * 5))
def test_the_verdict_follows_from_the_weighted_average_and_the_lowest_dimension(scores: tuple[int, ...]) -> None:
    named = dict(zip((d.value for d in Dimension), scores, strict=True))
    result = evaluate(judgement(**named), facts())
    average = sum(w * s for w, s in zip(WEIGHTS.values(), scores, strict=True))
    assert result.score == pytest.approx(average)
    assert result.passed == (round(average, 4) >= PASS and min(scores) >= LOWEST)


FAILED = CLEAN.model_copy(update={"passed": 2, "failed": 1, "failures": [Failure(test="t", error="e", location="f:1")]})


@pytest.mark.parametrize(
    ("change", "dimension", "cap"),
    [
        ({"generated": FAILED}, "correctness", 1),
        ({"acceptance": FAILED}, "correctness", 1),
        ({"generated": TestReport(total=0, passed=0, failed=0)}, "correctness", 1),
        ({"generated": CLEAN.model_copy(update={"skipped": 1})}, "correctness", 1),
        ({"generated": CLEAN.model_copy(update={"ended": "time limit of 60 s"})}, "correctness", 1),
        ({"program": ProgramRun(command="python x", ok=False, exit_code=1, output="")}, "correctness", 1),
        ({"contract_gaps": ["x.py: f is missing"]}, "correctness", 2),
        ({"generated": CLEAN.model_copy(update={"coverage": 79.0})}, "correctness", 4),
        ({"generated": CLEAN.model_copy(update={"coverage": None})}, "correctness", 4),
        ({"findings": [Finding(tool="lint", rule="F401", path="x.py", line=1, message="m")]}, "code_quality", 3),
        ({"findings": [Finding(tool="complexity", rule="C901", path="x", line=1, message="m")]}, "maintainability", 3),
        ({"largest_file_lines": 301}, "maintainability", 3),
    ],
)
def test_a_fact_caps_its_dimension_and_is_named(change: dict[str, object], dimension: str, cap: int) -> None:
    result = evaluate(judgement(**{d.value: 5 for d in Dimension}), facts(**change))
    assert result.breakdown[Dimension(dimension)] == cap
    assert result.raw[Dimension(dimension)] == 5
    assert result.clamps[0].dimension == dimension


def test_a_failing_test_forbids_a_pass_whatever_the_judge_says() -> None:
    assert not evaluate(judgement(**{d.value: 5 for d in Dimension}), facts(generated=FAILED)).passed


def test_a_clamp_never_raises_a_score() -> None:
    result = evaluate(judgement(correctness=1), facts(contract_gaps=["gap"]))
    assert (result.breakdown[Dimension.CORRECTNESS], result.clamps) == (1, [])
