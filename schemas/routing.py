"""What is done next: the controller's moves between attempts, and the router's decisions within one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from schemas.base import Schema

__all__ = ["Decision", "Hop", "Move"]

Move = Literal["generate", "refine", "resample", "escalate"]
"""How an attempt begins: from nothing; from the best so far; afresh, with the facts; from the best so far, with models
of the next tier."""

Sentences = Annotated[str, StringConstraints(strip_whitespace=True, max_length=600)]


class Decision(Schema):
    """What the router answers: why, who is next, and what that agent is told."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600)]
    next_agent: str
    message: Sentences


class Hop(Schema):
    """A turn of the route of an attempt."""

    agent: str
    source: Literal["fixed", "router", "only choice", "fallback"]
    """Who decided it: the fixed order, the router, the rules that left nobody else, or the order to fall back to."""
    reason: str = ""
    message: str = ""
    result: str = ""
    """What came of it, in a few words."""
