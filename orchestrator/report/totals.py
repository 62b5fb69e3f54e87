"""What each agent of a run used."""

from __future__ import annotations

from orchestrator.journal.events import read_events
from orchestrator.team import Team
from schemas.call import CallRecord, Usage
from schemas.report import AgentTotals

__all__ = ["totals"]


def totals(team: Team) -> list[AgentTotals]:
    """Add up the run's calls per agent and model, from the records that the audit log names."""
    groups: dict[tuple[str, str], list[CallRecord]] = {}
    for event in read_events(team.files.events):
        if event.get("event") == "agent_call" and event.get("call"):
            record = team.laboratory.store.find(event["call"])
            if record is not None:
                groups.setdefault((record.request.agent, record.request.model), []).append(record)
    return [
        AgentTotals(
            agent=agent,
            model=model,
            calls=len(records),
            usage=sum((r.reply.usage for r in records), Usage()),
            duration_ms=sum(r.duration_ms for r in records),
            cost_usd=None if any(r.cost_usd is None for r in records) else sum(r.cost_usd or 0 for r in records),
        )
        for (agent, model), records in groups.items()
    ]
