"""Critic: rules, from the specification, whether a failing generated test or the code is wrong."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from agents.context import Context
from agents.parsing import json_as, schema_of
from agents.runner import Runner, Task
from agents.skeleton import interface
from schemas.base import Schema
from schemas.evidence import Ruling
from schemas.test_report import Failure

__all__ = ["rule"]


class _Reply(Schema):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    wrong: Literal["code", "test"]


async def rule(runner: Runner, context: Context, failure: Failure) -> Ruling:
    """Return whether the code or the test of ``failure`` is wrong. Sealed checks are never brought here."""
    interfaces = {path: interface(source) for path, source in context.code.items() if source.strip()}
    variables = {**context.variables(), "failure": failure, "interfaces": interfaces}
    reply = await runner.ask(
        Task(
            "critic",
            "rule",
            variables,
            json_as(_Reply),
            max_tokens=250,
            schema=schema_of(_Reply),
            sample=context.sample,
        )
    )
    return Ruling(test=failure.test, reason=reply.reason, wrong=reply.wrong)
