"""Spec: writes the specification of a milestone, and revises it after feedback."""

from __future__ import annotations

from agents.context import Context
from agents.contracts import called_in_criteria, straightened
from agents.parsing import json_as, schema_of
from agents.runner import Runner, Task
from agents.selection import interfaces
from schemas.specification import Specification, SpecRevision

__all__ = ["revise", "specify"]


async def specify(runner: Runner, context: Context) -> Specification:
    """Return the specification of the context's milestone."""
    variables = {
        **context.variables("spec"),
        "names": sorted({name for names in context.required.values() for name in names} | called_in_criteria(context)),
        **interfaces(context),
    }
    specification = await runner.ask(
        Task(
            "spec",
            "specify",
            variables,
            json_as(Specification),
            max_tokens=1400,
            schema=schema_of(Specification),
            sample=context.sample,
        )
    )
    return _usable(runner, context, specification)


async def revise(runner: Runner, context: Context, specification: Specification) -> Specification:
    """Return ``specification`` as the feedback of the last attempt changes it; often that is not at all."""
    variables = {**context.variables("spec"), "specification": specification}
    revision = await runner.ask(
        Task(
            "spec",
            "revise",
            variables,
            json_as(SpecRevision),
            max_tokens=500,
            schema=schema_of(SpecRevision),
            sample=context.sample,
        )
    )
    return _usable(runner, context, revision.apply(specification))


def _usable(runner: Runner, context: Context, specification: Specification) -> Specification:
    """Return ``specification``, of a small model with its contracts put right."""
    if runner.model("spec").traits.step == "project":
        return specification
    return specification.model_copy(update={"contracts": straightened(specification.contracts, context)})
