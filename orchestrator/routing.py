"""Who is next in an attempt. ``fixed``: the order of `FIXED`, then what goes over accepted work. ``planner``: the
router decides, within the rules of `orchestrator.transitions`; where it can't, the fixed order goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from agents.router import decide
from orchestrator import stages
from orchestrator.attempt import Attempt
from orchestrator.transitions import FINISH, MAX_HOPS, possible, result_of, state_of
from schemas.errors import AgentFailure, LimitReached, Unavailable
from schemas.routing import Hop

__all__ = ["FIXED", "ROLES", "Role", "walk"]

Stage = Callable[[Attempt], Awaitable[None]]


@dataclass(frozen=True)
class Role:
    """A part in an attempt: one or more stages that belong together."""

    about: str
    """What it does, for the router."""
    stages: Sequence[Stage]


ROLES: Mapping[str, Role] = {
    "architect": Role(
        "writes or revises contracts and interfaces, and has tests written for new ones",
        (stages.specify, stages.design, stages.write_tests),
    ),
    "engineer": Role("writes the code, or mends what the facts point at", (stages.implement,)),
    "test_runner": Role("runs tests, checks and program, and says what fails", (stages.measure,)),
    "critic": Role("reviews the code and judges it, as it was measured", (stages.review, stages.judge)),
}

FIXED = ("architect", "engineer", "test_runner", "critic")
"""Spec → Arch → Test, Impl, what was measured, Eval."""


async def walk(attempt: Attempt) -> None:
    """Take the attempt from role to role until its route ends.

    Raises:
        AgentFailure: an agent gave nothing usable and nobody else can go on.
    """
    planned = attempt.team.routing == "planner"
    while (hop := await (_planned(attempt) if planned else _fixed(attempt))) is not None:
        attempt.route.append(hop)
        attempt.work.turns[hop.agent] += 1
        if planned:
            said = {"reason": hop.reason, "message": hop.message, "source": hop.source}
            attempt.team.events.write("route", hop=len(attempt.route), next_agent=hop.agent, **said)
        try:
            await _turn(attempt, hop)
        except (AgentFailure, *stages.UNREADABLE) as failure:
            if not planned:
                raise
            attempt.failure, result = failure, f"failed: {str(failure)[:200]}"
        else:
            result = result_of(attempt, hop.agent)
        attempt.route[-1] = hop.model_copy(update={"result": result})


async def _turn(attempt: Attempt, hop: Hop) -> None:
    agent = next((a for a in attempt.team.finishing if a.name == hop.agent), None)
    # Who rules on tests is told nothing either.
    with attempt.advised("" if hop.agent == "test_runner" else hop.message):
        if agent is not None:
            await stages.finish(attempt, agent)
        else:
            for stage in ROLES[hop.agent].stages:
                await stage(attempt)


async def _fixed(attempt: Attempt) -> Hop | None:
    taken = len(attempt.route)
    if taken < len(FIXED):
        return Hop(agent=FIXED[taken], source="fixed")
    left = attempt.team.finishing[taken - len(FIXED) :]
    passed = attempt.evaluation is not None and attempt.evaluation.passed and attempt.work.stopped is None
    return Hop(agent=left[0].name, source="fixed") if left and passed else None


async def _planned(attempt: Attempt) -> Hop | None:
    """Ask the router, unless only one is possible; nobody is asked any more at the cap."""
    if attempt.work.stopped is not None:
        return None
    rules = possible(attempt)
    free = [role for role, why in rules.items() if why is None]
    if not free:
        raise attempt.failure or AgentFailure("nobody can go on")
    if len(free) == 1:
        return _hop(Hop(agent=free[0], source="only choice", reason="nobody else can be next"))
    if len(attempt.route) >= MAX_HOPS:
        return _fallback(attempt, free, f"{MAX_HOPS} turns were taken")
    about = {role: ROLES[role].about for role in ROLES} | {a.name: a.about for a in attempt.team.finishing}
    state = state_of(attempt, {**about, FINISH: "ends this attempt with the verdict that it has"}, rules)
    try:
        decision = await decide(attempt.runner, state, rules, attempt.number - 1)
    except AgentFailure as failure:
        return _fallback(attempt, free, str(failure)[:300])
    except (LimitReached, Unavailable) as stop:
        if attempt.evaluation is None or not attempt.evaluation.passed:
            raise
        attempt.work.stopped = stop  # what passed is recorded first
        return None
    return _hop(Hop(agent=decision.next_agent, source="router", reason=decision.reason, message=decision.message))


def _fallback(attempt: Attempt, free: Sequence[str], reason: str) -> Hop | None:
    """Go on as the fixed order does from the role whose turn was last."""
    last = attempt.route[-1].agent if attempt.route else ""
    onward = FIXED[FIXED.index(last) + 1 :] if last in FIXED else ()
    chosen = next((role for role in (*onward, FINISH, *FIXED) if role in free), FINISH)
    return _hop(Hop(agent=chosen, source="fallback", reason=reason))


def _hop(hop: Hop) -> Hop | None:
    return None if hop.agent == FINISH else hop
