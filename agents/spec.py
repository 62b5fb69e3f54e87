"""Spec: writes the specification of a milestone, and revises it after feedback."""

from __future__ import annotations

import builtins
import re

from agents.context import Context
from agents.parsing import json_as, schema_of
from agents.runner import Runner, Task
from agents.selection import interfaces
from schemas.idea import Idea
from schemas.specification import Contract, Specification, SpecRevision

__all__ = ["in_the_users_words", "revise", "specify"]

MAX_BEHAVIOUR = 400
"""So long may a contract's behaviour be (`schemas.specification.Contract`)."""


async def specify(runner: Runner, context: Context) -> Specification:
    """Return the specification of the context's milestone."""
    variables = {
        **context.variables("spec"),
        "names": sorted({name for names in context.required.values() for name in names} | _called(context)),
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
    if runner.model("spec").traits.step == "project":
        return specification
    contracts = [in_the_users_words(contract, context.idea) for contract in specification.contracts]
    return specification.model_copy(update={"contracts": contracts})


def in_the_users_words(contract: Contract, idea: Idea) -> Contract:
    """Return ``contract`` with the features of ``idea`` that name it as its behaviour, if any do and they have room: a
    small model shortens what it repeats, and what it leaves out is never built."""
    named = [feature for feature in idea.features if re.search(rf"\b{re.escape(contract.name)}\b(?=\(|`)", feature)]
    behaviour = " ".join(f"{feature.rstrip('.')}." for feature in named)
    fits = named and len(behaviour) <= MAX_BEHAVIOUR
    return contract.model_copy(update={"behaviour": behaviour}) if fits else contract


def _called(context: Context) -> set[str]:
    """Return the functions and classes that the milestone's criteria write as calls: ``initials(name) gives …``."""
    text = "\n".join(criterion.statement for criterion in context.milestone.acceptance_criteria)
    return {name for name in re.findall(r"(?<![\w.])([A-Za-z_]\w*)\(", text) if not hasattr(builtins, name)}


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
    return revision.apply(specification)
