"""The budget: nothing is sent that might not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.ports import Price, Traits
from orchestrator.budget import RunBudget, worst_cost, worst_tokens
from schemas.call import CallRecord, Message, ModelReply, ModelRequest, Usage
from schemas.errors import ExitCode, LimitReached
from schemas.idea import Limits
from tests.helpers import go
from tests.replies import GOOD, RETRY

PAID = Traits(step="project", context_tokens=1000, max_output_tokens=100, price=Price(1.0, 2.0, 1.5, 0.1))
LOCAL = Traits(step="function", context_tokens=1000, max_output_tokens=100, local=True)
UNKNOWN = Traits(step="project", context_tokens=1000, max_output_tokens=100)


def request(number: int = 0, size: int = 300) -> ModelRequest:
    message = Message(role="user", content="x" * size)
    return ModelRequest(agent="spec", model="m/m", system="", messages=[message], max_tokens=100, sample=number)


def record(asked: ModelRequest, budget: RunBudget, traits: Traits = PAID, out: int = 10) -> CallRecord:
    reply = ModelReply(text="", stop_reason="end", usage=Usage(input_tokens=10, output_tokens=out), model="m")
    cost = budget.cost(reply.usage, traits)
    return CallRecord(digest=asked.digest, request=asked, reply=reply, timestamp="", duration_ms=1, cost_usd=cost)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(tokens=199), "tokens"),
        (Limits(usd=0.0003), "usd"),
        (Limits(minutes=1), "minutes"),
    ],
)
def test_a_call_that_might_not_fit_is_not_admitted(limits: Limits, name: str) -> None:
    now = iter([0.0, 60.0, 60.0, 60.0])
    budget = RunBudget(limits, clock=lambda: next(now))
    with pytest.raises(LimitReached) as caught:
        budget.admit(request(), PAID)
    assert caught.value.limit == name


def test_a_call_that_just_fits_is_admitted() -> None:
    asked = request()
    cost = worst_cost(asked, PAID)
    budget = RunBudget(Limits(tokens=worst_tokens(asked), usd=cost, calls=1, minutes=1))
    budget.admit(asked, PAID)
    with pytest.raises(LimitReached, match="calls"):
        budget.admit(request(1), PAID)


def test_an_unknown_price_can_not_be_kept_within_a_dollar_limit() -> None:
    with pytest.raises(LimitReached, match="price of m/m is unknown"):
        RunBudget(Limits(usd=5)).admit(request(), UNKNOWN)


def test_a_local_model_takes_no_dollars() -> None:
    budget = RunBudget(Limits(usd=0.01))
    budget.admit(request(), LOCAL)
    budget.settle(request(), record(request(), budget, LOCAL))
    assert budget.cost_usd is None


def test_the_cost_is_that_of_each_kind_of_token() -> None:
    usage = Usage(input_tokens=10**6, output_tokens=10**6, cache_write_tokens=10**6, cache_read_tokens=10**6)
    assert RunBudget(Limits()).cost(usage, PAID) == pytest.approx(4.6)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 100)), max_size=30), st.integers(150, 2000))
def test_tokens_used_never_exceed_the_limit(calls: list[tuple[bool, int]], limit: int) -> None:
    budget = RunBudget(Limits(tokens=limit))
    for number, (answered, out) in enumerate(calls):
        asked = request(number, size=90)
        try:
            budget.admit(asked, PAID)
        except LimitReached:
            continue
        budget.settle(asked, record(asked, budget, out=out) if answered else None)
        assert budget.usage.total <= limit


@pytest.mark.parametrize(
    "limits", [{"calls": 3}, {"tokens": 19_000}, {"usd": 0.019}, {"minutes": 0.0001}], ids=lambda d: next(iter(d))
)
def test_a_limit_ends_a_run_with_a_partial_report_and_resume_goes_on(workspace: Path, limits: dict[str, float]) -> None:
    stopped = go(workspace, list(GOOD), limits=limits)
    assert stopped.code == ExitCode.LIMIT
    assert stopped.report.verdict == "stopped"
    assert (stopped.files.generated / "report.md").exists()
    assert stopped.calls[-1]["outcome"] == "budget"
    paid = [c for c in stopped.calls if c["outcome"] == "ok"]
    done = go(workspace, list(GOOD[len(paid) :]), resume=True, limits={"calls": 100})
    assert done.code == ExitCode.OK
    assert len([c for c in done.calls if c["outcome"] == "ok"]) == len(GOOD)


def test_a_stopped_run_reports_the_attempts_that_it_has_finished_and_the_one_that_it_stopped_in(
    workspace: Path,
) -> None:
    stopped = go(workspace, list(RETRY), limits={"calls": 7})
    assert stopped.code == ExitCode.LIMIT
    assert [(a.number, a.failure is None) for a in stopped.report.milestones[0].attempts] == [(1, True), (2, False)]


def test_what_was_spent_counts_although_the_price_of_other_calls_is_unknown() -> None:
    budget = RunBudget(Limits(usd=0.0008))
    for number, traits in enumerate((UNKNOWN, PAID)):
        asked = request(number)
        budget.settle(asked, record(asked, budget, traits, out=300))
    with pytest.raises(LimitReached, match="spent or reserved"):
        budget.admit(request(2), PAID)


def test_a_call_that_is_settled_twice_counts_once() -> None:
    budget, asked = RunBudget(Limits()), request()
    for _ in range(2):
        budget.settle(asked, record(asked, budget))
    assert (budget.calls, budget.usage.total) == (1, 20)
    assert budget.cost_usd == pytest.approx(3e-5)
