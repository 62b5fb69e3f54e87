"""What is done next: the controller's moves between attempts, and the router's decisions within one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from schemas.base import Schema

__all__ = ["Decision", "Move"]

Move = Literal["generate", "refine", "resample", "escalate"]
"""How an attempt begins: from nothing; from the best so far; afresh, with the facts; from the best so far, with models
of the next tier."""

Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=600)]


class Decision(Schema):
    """Who is next in an attempt, what that role is told, and why."""

    next_agent: str
    message: Sentence = ""
    reason: Annotated[Sentence, StringConstraints(min_length=1)]
