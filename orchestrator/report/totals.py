"""What each agent of a run used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from orchestrator.journal.events import Lost, lost_in, read_events
from orchestrator.team import Team
from schemas.call import CallRecord, Usage
from schemas.report import AgentTotals

__all__ = ["cost_of", "totals"]


def totals(team: Team) -> list[AgentTotals]:
    """Add up the run's calls per agent and model, from the records that the audit log names. Tokens, time and cost are
    those of the calls that this run has paid for, not of those that it took over from another; calls that broke off
    are among them."""
    groups: dict[tuple[str, str], list[CallRecord]] = {}
    reused: Counter[tuple[str, str]] = Counter()
    broken: dict[tuple[str, str], list[Lost]] = {}
    for event in read_events(team.files.events):
        if lost := lost_in(event):
            key = (str(event.get("agent")), str(event.get("model")))
            groups.setdefault(key, [])
            broken.setdefault(key, []).append(lost)
        if event.get("event") == "agent_call" and event.get("call"):
            record = team.laboratory.store.find(event["call"])
            if record is not None:
                key = (record.request.agent, record.request.model)
                paid = groups.setdefault(key, [])
                if event.get("reused"):
                    reused[key] += 1
                else:
                    paid.append(record)
    return [
        AgentTotals(
            agent=agent,
            model=model,
            calls=len(records) + reused[agent, model],
            reused=reused[agent, model],
            usage=sum(
                (r.reply.usage for r in records), sum((b.usage for b in broken.get((agent, model), [])), Usage())
            ),
            duration_ms=sum(r.duration_ms for r in records),
            cost_usd=_sum(
                [
                    *(team.budget.priced(model, r.reply.usage, r.cost_usd) for r in records),
                    *(team.budget.priced(*lost) for lost in broken.get((agent, model), [])),
                ]
            ),
        )
        for (agent, model), records in groups.items()
    ]


def cost_of(agents: Sequence[AgentTotals]) -> float | None:
    """Return what all ``agents`` cost, in US dollars; None where nobody was asked for money, or a price is unknown."""
    priced = [agent.cost_usd for agent in agents if not agent.model.startswith("embedded/")]
    return _sum(priced) if priced else None


def _sum(costs: Iterable[float | None]) -> float | None:
    known = []
    for cost in costs:
        if cost is None:
            return None
        known.append(cost)
    return sum(known)
