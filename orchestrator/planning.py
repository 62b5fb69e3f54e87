"""From idea to plan: pinned milestones as they are, or the planner's; the DAG and the assignments are checked here."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from agents.planner import PlannerReply, plan
from agents.runner import Runner
from schemas.idea import Idea
from schemas.milestone import Criterion, Milestone, Plan

__all__ = ["in_order", "make_plan", "pinned_problems"]


async def make_plan(runner: Runner, idea: Idea) -> Plan:
    """Return the plan of ``idea``: a valid DAG in which every acceptance statement has a milestone."""
    if idea.milestones:
        milestones = [
            Milestone(
                id=pinned.id,
                title=pinned.title,
                description=pinned.description,
                acceptance_criteria=[Criterion(statement=s) for s in pinned.acceptance_criteria],
                dependencies=pinned.dependencies,
            )
            for pinned in idea.milestones
        ]
        return _finished(idea, in_order(milestones), wanted={})
    reply = await plan(runner, idea)
    return _finished(idea, _from_reply(idea, reply), wanted=_wishes(reply))


def in_order(milestones: list[Milestone]) -> list[Milestone]:
    """Return ``milestones`` so that each stands behind its dependencies, otherwise in the given order."""
    done: dict[str, Milestone] = {}
    left = list(milestones)
    while left:
        ready = next(m for m in left if all(d in done for d in m.dependencies))
        done[ready.id] = ready
        left.remove(ready)
    return list(done.values())


def pinned_problems(
    milestones: Sequence[tuple[str, Sequence[str]]], homes: Sequence[str | None]
) -> list[tuple[tuple[Any, ...], str]]:
    """Return path and message of each mistake in an idea's milestones and in what refers to them.

    ``milestones`` are their ids and dependencies, ``homes`` the milestones that the acceptance statements name.
    """
    problems: list[tuple[tuple[Any, ...], str]] = []
    ids = {name for name, _ in milestones}
    for index, (_, dependencies) in enumerate(milestones):
        for dependency in dependencies:
            if dependency not in ids:
                message = f"milestones.{index + 1}.dependencies: there is no milestone {dependency!r}"
                problems.append((("milestones", index, "dependencies"), message))
    try:
        TopologicalSorter({name: [d for d in needed if d in ids] for name, needed in milestones}).prepare()
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        index = next(i for i, (name, _) in enumerate(milestones) if name in error.args[1])
        problems.append((("milestones", index, "dependencies"), f"milestones: the dependencies form a cycle: {cycle}"))
    for index, home in enumerate(homes):
        if home is not None and home not in ids:
            known = f"; known: {', '.join(sorted(ids))}" if ids else ", and no milestones are pinned"
            message = f"acceptance.{index + 1}.milestone: there is no milestone {home!r}{known}"
            problems.append((("acceptance", index, "milestone"), message))
    return problems


def _from_reply(idea: Idea, reply: PlannerReply) -> list[Milestone]:
    """Return the planner's milestones; a feature that it gave to none is the last one's."""
    features = {f"F{n}": feature for n, feature in enumerate(idea.features, 1)}
    taken: dict[str, int] = {}
    for number, planned in enumerate(reply.milestones, 1):
        for name in planned.features:
            taken.setdefault(name, number)
    homes = {name: taken.get(name, len(reply.milestones)) for name in features}
    return [
        Milestone(
            id=f"M{number}",
            title=planned.title,
            description=planned.description,
            acceptance_criteria=[
                Criterion(statement=s)
                for s in dict.fromkeys(
                    [*(features[f] for f, home in homes.items() if home == number), *planned.criteria]
                )
                if s not in {c.id for c in idea.acceptance}
            ],
            # A prototype grows in one folder, so each milestone builds on all that it names, and on the one before.
            dependencies=[f"M{d}" for d in sorted({*planned.depends_on, *([number - 1] if number > 1 else [])})],
        )
        for number, planned in enumerate(reply.milestones, 1)
    ]


def _wishes(reply: PlannerReply) -> dict[str, str]:
    wishes: dict[str, str] = {}
    for number, planned in enumerate(reply.milestones, 1):
        for check in planned.checks:
            wishes.setdefault(check.split(":")[0].strip(), f"M{number}")
    return wishes


def _finished(idea: Idea, milestones: list[Milestone], wanted: dict[str, str]) -> Plan:
    """Give each acceptance statement to a milestone (the last one where nobody did) and mark who runs the program."""
    notes = []
    last = milestones[-1].id
    extra: dict[str, list[Criterion]] = {}
    for check in idea.acceptance:
        home = check.milestone or wanted.get(check.id)
        if home is None and not check.holdout and len(milestones) > 1:
            notes.append(f"{check.id} was given to no milestone; it is checked with the last one, {last}")
        # A holdout's statement would give the check away, so it is kept out of the agents' sight.
        if not check.holdout:
            extra.setdefault(home or last, []).append(Criterion(statement=check.statement, check=check.id))
    finished = [
        m.model_copy(
            update={
                "acceptance_criteria": [*extra.get(m.id, []), *m.acceptance_criteria]
                or [Criterion(statement=m.description)],
                "runs_program": idea.run is not None and m.id == last,
            }
        )
        for m in milestones
    ]
    lost = {c.id for c in idea.acceptance if not c.holdout} - {
        criterion.check for m in finished for criterion in m.acceptance_criteria
    }
    assert not lost, f"acceptance statements without a milestone: {sorted(lost)}"  # noqa: S101  (an invariant)
    return Plan(milestones=finished, notes=notes)
