"""Router: reads the whole state of an attempt and says who is next."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agents.parsing import json_as, schema_of
from agents.runner import Runner, Task
from schemas.routing import Decision

__all__ = ["decide"]


async def decide(
    runner: Runner, state: Mapping[str, object], possible: Mapping[str, str | None], sample: int
) -> Decision:
    """Return who is next. ``state`` is shown as one JSON object; ``possible`` maps everybody to why he can't be next,
    None where he can. An answer that names somebody else goes back with the reason.

    Raises:
        AgentFailure: no reply was usable.
    """
    schema = schema_of(Decision)
    schema["properties"]["next_agent"] = {"enum": [name for name, why in possible.items() if why is None]}
    read = json_as(Decision)

    def parse(text: str) -> Decision:
        decision = read(text)
        if decision.next_agent not in possible:
            raise ValueError(f"next_agent: there is no {decision.next_agent[:60]!r}; known: {', '.join(possible)}")
        if why := possible[decision.next_agent]:
            raise ValueError(f"next_agent: {decision.next_agent} can't be next: {why}")
        return decision

    variables = {"state": json.dumps(state, ensure_ascii=False, indent=1)}
    return await runner.ask(Task("router", "decide", variables, parse, max_tokens=300, schema=schema, sample=sample))
