"""The rubric: weights, bounds, clamps."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.rubric import LOWEST, PASS, WEIGHTS, evaluate
from schemas.evaluation import Dimension, Judgement, Opinion
from schemas.evidence import Evidence, Finding, ProgramRun, Strength
from schemas.test_report import Failure, TestReport

CLEAN = TestReport(total=3, passed=3, failed=0, coverage=95.0)


def judgement(**scores: int) -> Judgement:
    opinions = {d.value: Opinion(reason="r", score=scores.get(d.value, 4)) for d in Dimension}
    return Judgement(**opinions, feedback=[])


def facts(**changes: object) -> Evidence:
    return Evidence(generated=CLEAN, acceptance=None, program=None).model_copy(update=changes)


def test_weights_are_those_of_the_requirements_and_sum_to_one() -> None:
    assert list(WEIGHTS.values()) == [0.30, 0.20, 0.20, 0.15, 0.15]
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@given(st.tuples(*[st.integers(1, 5)] * 5))
def test_the_verdict_follows_from_the_weighted_average_and_the_lowest_dimension(scores: tuple[int, ...]) -> None:
    named = dict(zip((d.value for d in Dimension), scores, strict=True))
    result = evaluate([judgement(**named)], facts())
    average = sum(w * s for w, s in zip(WEIGHTS.values(), scores, strict=True))
    assert result.score == pytest.approx(average)
    assert result.passed == (round(average, 4) >= PASS and min(scores) >= LOWEST)


def found(tool: str, severity: Literal["low", "medium", "high"]) -> Finding:
    return Finding(tool=tool, rule="R", path="x.py", line=1, message="m", severity=severity)


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
        ({"contract_gaps": ["x.py: f is missing"]}, "correctness", 1),
        ({"generated": CLEAN.model_copy(update={"coverage": 79.0})}, "correctness", 4),
        ({"generated": CLEAN.model_copy(update={"coverage": None})}, "correctness", 4),
        ({"findings": [Finding(tool="lint", rule="F401", path="x.py", line=1, message="m")]}, "code_quality", 3),
        ({"findings": [Finding(tool="complexity", rule="C901", path="x", line=1, message="m")]}, "maintainability", 3),
        ({"largest_file_lines": 301}, "maintainability", 3),
        ({"generated": CLEAN.model_copy(update={"coverage": 0.0})}, "correctness", 1),
        ({"unfailing": ["t::a", "t::b"]}, "correctness", 1),
        ({"vanished": ["t::a"]}, "correctness", 1),
        ({"strength": Strength(mutants=12, killed=5)}, "correctness", 4),
        ({"strength": Strength(mutants=1, killed=0)}, "correctness", 1),
        ({"strength": Strength(mutants=0, killed=0)}, "correctness", 4),
        ({"findings": [found("bandit", "high")]}, "security", 1),
        ({"findings": [found("bandit", "medium")]}, "security", 3),
        ({"findings": [found("secrets", "high")]}, "security", 1),
        ({"findings": [found("mypy", "low")]}, "code_quality", 3),
        ({"findings": [found("dependency", "low")]}, "code_quality", 3),
    ],
)
def test_a_fact_caps_its_dimension_and_is_named(change: dict[str, object], dimension: str, cap: int) -> None:
    result = evaluate([judgement(**{d.value: 5 for d in Dimension})], facts(**change))
    assert result.breakdown[Dimension(dimension)] == cap
    assert result.raw[Dimension(dimension)] == 5
    assert result.clamps[0].dimension == dimension


def test_of_few_planted_defects_no_share_is_made() -> None:
    few = facts(strength=Strength(mutants=3, killed=1))
    assert evaluate([judgement(**{d.value: 5 for d in Dimension})], few).clamps == []


def test_a_failing_test_forbids_a_pass_whatever_the_judge_says() -> None:
    assert not evaluate([judgement(**{d.value: 5 for d in Dimension})], facts(generated=FAILED)).passed


def test_a_contract_that_is_not_met_forbids_a_pass_whatever_the_judge_says() -> None:
    assert not evaluate([judgement(**{d.value: 5 for d in Dimension})], facts(contract_gaps=["f is missing"])).passed


def test_a_clamp_never_raises_a_score() -> None:
    result = evaluate([judgement(correctness=1)], facts(generated=CLEAN.model_copy(update={"coverage": None})))
    assert (result.breakdown[Dimension.CORRECTNESS], result.clamps) == (1, [])


@pytest.mark.parametrize(
    ("spoken", "changes", "alone", "refusal"),
    [
        ({}, {}, False, ""),
        ({"correctness": 1}, {}, True, "nothing that was measured forbids a pass"),
        (
            {"correctness": 1},
            {"findings": [found("lint", "low")]},
            True,
            "nothing that was measured forbids a pass; the judge's numbers come to 3.10",
        ),
        ({"correctness": 1}, {"generated": FAILED}, False, "test t fails: e"),
        ({}, {"generated": FAILED}, False, "test t fails: e"),
        ({"correctness": 2, "security": 3}, {"contract_gaps": ["f is missing"]}, False, "f is missing"),
        (
            {"security": 3, "scalability": 3},
            {"findings": [found("lint", "low")]},
            False,
            "what was measured lowers the score",
        ),
    ],
)
def test_what_forbids_a_pass_is_said_and_whether_it_is_the_judge_alone(
    spoken: dict[str, int], changes: dict[str, object], alone: bool, refusal: str
) -> None:
    result = evaluate([judgement(**spoken)], facts(**changes))
    assert (result.judge_alone, result.refusal[: len(refusal) or None]) == (alone, refusal)


def said(reason: str, score: int) -> Judgement:
    return judgement().model_copy(update={"security": Opinion(reason=reason, score=score)})


@pytest.mark.parametrize(
    ("reason", "score", "flagged"),
    [
        ("SQL injection in line 4", 5, True),
        ("it is flawless", 1, True),
        ("There are no security risks.", 2, True),
        ("There are no significant security concerns", 1, True),
        ("There are no vulnerability checks", 1, False),
        ("no problematic input is refused", 1, False),
        ("no injection and no vulnerabilities", 5, False),
        ("SQL injection in line 4", 2, False),
        ("inputs are checked", 5, False),
    ],
)
def test_a_number_that_contradicts_its_reason_is_flagged(reason: str, score: int, flagged: bool) -> None:
    assert bool(evaluate([said(reason, score)], facts()).flags) is flagged


def test_of_repeated_judgements_the_lower_median_counts_and_the_spread_is_told() -> None:
    result = evaluate([judgement(security=n) for n in (5, 2, 3, 4)], facts())
    assert (result.raw[Dimension.SECURITY], result.spread) == (3, {Dimension.SECURITY: 3})


def test_a_score_that_falls_while_nothing_measured_changed_is_flagged() -> None:
    before = evaluate([judgement(security=5)], facts())
    assert "security fell from 5 to 3" in evaluate([judgement(security=3)], facts(), (before, facts())).flags[0]
    changed = facts(contract_gaps=["gap"])
    assert evaluate([judgement(security=3)], facts(), (before, changed)).flags == []
