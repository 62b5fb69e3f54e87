"""Planner: breaks the idea into milestones and gives each acceptance statement to one of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from agents.parsing import json_as, schema_of
from agents.runner import Runner, Task
from schemas.base import Schema
from schemas.idea import Idea

__all__ = ["MOST_PLANNED", "PlannedMilestone", "PlannerReply", "plan"]

MOST_PLANNED = 8

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class PlannedMilestone(Schema):
    """A milestone as the planner writes it; it is known by its place, counted from 1."""

    features: list[Title] = Field(max_length=40)
    """Numbers of the idea's features, ``F1`` and so on."""
    title: Title
    description: Sentence
    criteria: list[Sentence] = Field(default_factory=list, max_length=5)
    """What its features leave to be said, so that a test can check it."""
    depends_on: list[int] = Field(max_length=MOST_PLANNED)
    checks: list[Title] = Field(max_length=40)
    """Ids of the sealed checks that it must meet."""


class PlannerReply(Schema):
    """What the planner answers."""

    milestones: list[PlannedMilestone] = Field(min_length=1, max_length=MOST_PLANNED)


async def plan(runner: Runner, idea: Idea) -> PlannerReply:
    """Ask for the milestones of ``idea``; a dependency on anything but an earlier milestone is dropped.

    A small model is asked for no criteria: it makes up what nobody wants, and its project is then refused for that.
    """
    small = runner.model("planner").traits.step == "function"
    most = min(2 if small else 4, max(1, len(idea.features)))
    parse_shape = json_as(PlannerReply)

    def parse(text: str) -> PlannerReply:
        reply = parse_shape(text)
        if len(reply.milestones) > most:
            raise ValueError(f"{len(reply.milestones)} milestones are too many: at most {most}")
        if not small and not all(milestone.criteria for milestone in reply.milestones):
            raise ValueError("each milestone needs 1 to 3 criteria")
        # Only an earlier milestone can be built upon; a number that names none is no reason to ask again.
        for number, milestone in enumerate(reply.milestones, 1):
            milestone.depends_on[:] = sorted({d for d in milestone.depends_on if 1 <= d < number})
        return reply

    shown = [c for c in idea.acceptance if not c.holdout]
    schema = schema_of(PlannerReply)
    schema["properties"]["milestones"]["maxItems"] = most
    planned = schema["$defs"]["PlannedMilestone"]
    fields = planned["properties"]
    fields["features"] = _some_of([f"F{n}" for n in range(1, len(idea.features) + 1)])
    fields["checks"] = _some_of([c.id for c in shown])
    if small:
        del fields["criteria"]
    else:
        fields["criteria"]["minItems"] = 1
        planned["required"].insert(planned["required"].index("depends_on"), "criteria")  # where its place is
    variables = {"idea": idea, "most": most, "checks": shown, "small": small}
    return await runner.ask(Task("planner", "plan", variables, parse, max_tokens=700, schema=schema))


def _some_of(names: list[str]) -> dict[str, object]:
    """JSON schema of a list of some of ``names``."""
    if not names:
        return {"type": "array", "items": {"type": "string"}, "maxItems": 0}
    return {"type": "array", "items": {"enum": names}, "maxItems": len(names)}
