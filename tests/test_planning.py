"""The plan: a valid DAG in which no acceptance statement is lost."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.planner import PlannedMilestone, PlannerReply, plan
from agents.ports import Traits
from orchestrator.idea_file import load_idea
from orchestrator.planning import _finished, _from_reply, _wishes, in_order, pinned_problems
from schemas.idea import AcceptanceCheck, Idea
from schemas.milestone import Milestone, Plan
from tests.helpers import GREETER
from tests.model_calls import runner_for
from tests.replies import PLAN, SMALL


def idea(checks: list[str], holdouts: tuple[str, ...] = ()) -> Idea:
    acceptance = [AcceptanceCheck(id=c, statement=f"statement {c}", holdout=c in holdouts) for c in checks]
    return Idea(name="A", summary="s", features=["f"], run="python -m a", acceptance=acceptance)


def planned(checks: list[str], depends_on: list[int], *criteria: str) -> PlannedMilestone:
    return PlannedMilestone(
        features=[], title="t", description="d", criteria=list(criteria), depends_on=depends_on, checks=checks
    )


def plan_of(subject: Idea, reply: PlannerReply) -> Plan:
    return _finished(subject, _from_reply(subject, reply), _wishes(reply))


@given(
    st.lists(st.lists(st.sampled_from(["AC1", "AC2", "AC3", "AC9", "nonsense"]), max_size=4), min_size=1, max_size=8)
)
def test_every_acceptance_statement_has_exactly_one_milestone_whatever_the_planner_says(
    wishes: list[list[str]],
) -> None:
    reply = PlannerReply(milestones=[planned(w, []) for w in wishes])
    plan = plan_of(idea(["AC1", "AC2", "AC3"]), reply)
    given_out = sorted(c.check for m in plan.milestones for c in m.acceptance_criteria if c.check)
    assert given_out == ["AC1", "AC2", "AC3"]


def test_a_statement_that_nobody_took_is_given_to_the_last_milestone_and_noted() -> None:
    plan = plan_of(idea(["AC1"]), PlannerReply(milestones=[planned([], []), planned([], [1])]))
    assert plan.milestones[-1].acceptance_criteria[0].check == "AC1"
    assert "AC1 was given to no milestone" in plan.notes[0]


def test_a_holdout_is_given_to_no_milestone() -> None:
    plan = plan_of(idea(["AC1", "AC2"], ("AC2",)), PlannerReply(milestones=[planned(["AC1", "AC2"], [])]))
    assert [c.check for c in plan.milestones[0].acceptance_criteria] == ["AC1", None]


def test_only_a_milestone_without_feature_criterion_and_check_has_its_description_as_criterion() -> None:
    three = PlannerReply(milestones=[planned([], []), planned(["AC1"], [1]), planned([], [2], "c")])
    plan = plan_of(idea(["AC1"]), three)
    statements = [[c.statement for c in m.acceptance_criteria] for m in plan.milestones]
    assert statements == [["d"], ["statement AC1"], ["f", "c"]]


@pytest.mark.parametrize(("traits", "asked"), [(None, True), (SMALL, False)], ids=["large", "small"])
def test_only_a_large_model_is_asked_for_criteria_of_its_own(traits: Traits | None, asked: bool) -> None:
    model = ScriptedModel([ScriptedReply(agent="planner", reply=PLAN)], traits=traits)
    greeter, _ = load_idea(GREETER)
    asyncio.run(plan(runner_for(model), greeter))
    (request,) = model.requests
    schema = json.dumps(request.output_schema)
    assert ("criteria" in request.messages[0].content, '"criteria"' in schema) == (asked, asked)


def test_a_large_planner_that_leaves_out_criteria_is_told_so() -> None:
    bare = re.sub(r'"criteria": \[[^]]*\], ', "", PLAN)
    model = ScriptedModel([ScriptedReply(agent="planner", reply=reply) for reply in (bare, PLAN)])
    greeter, _ = load_idea(GREETER)
    asyncio.run(plan(runner_for(model), greeter))
    assert "each milestone needs 1 to 3 criteria" in model.requests[1].messages[-1].content


def test_the_last_milestone_is_the_one_that_must_run() -> None:
    plan = plan_of(idea([]), PlannerReply(milestones=[planned([], []), planned([], [1])]))
    assert [m.runs_program for m in plan.milestones] == [False, True]


def milestone(name: str, dependencies: list[str]) -> Milestone:
    return Milestone(id=name, title="t", description="d", dependencies=dependencies)


@given(st.data())
def test_order_respects_every_dependency(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 8))
    edges = {n: data.draw(st.sets(st.integers(0, n - 1))) if n else set() for n in range(size)}
    shuffled = data.draw(st.permutations(range(size)))
    ordered = in_order([milestone(f"m{n}", [f"m{d}" for d in edges[n]]) for n in shuffled])
    place = {m.id: n for n, m in enumerate(ordered)}
    assert len(place) == size
    assert all(place[d] < place[m.id] for m in ordered for d in m.dependencies)


@given(st.data())
def test_pinned_milestones_are_refused_exactly_if_their_graph_has_a_cycle(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    edges = {n: data.draw(st.sets(st.integers(0, size - 1), max_size=3)) for n in range(size)}
    pinned = [(f"m{n}", [f"m{d}" for d in edges[n]]) for n in range(size)]

    def reaches(start: int, goal: int, seen: set[int]) -> bool:
        return any(d == goal or (d not in seen and reaches(d, goal, seen | {d})) for d in edges[start])

    cyclic = any(reaches(n, n, set()) for n in range(size))
    assert bool(pinned_problems(pinned, [])) == cyclic
