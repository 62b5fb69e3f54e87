"""Critic: rules, from the specification, whether a failing generated test or the code is wrong."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import StringConstraints

from agents.context import Context
from agents.names import Definition, names_used
from agents.parsing import json_as, parse_module, schema_of
from agents.runner import Runner, Task
from agents.selection import interfaces
from schemas.base import Schema
from schemas.code_change import Version
from schemas.evidence import Ruling
from schemas.test_report import Failure

__all__ = ["rule"]


class _Reply(Schema):
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    wrong: Literal["code", "test"]


CONSENSUS = 2
"""So many independent replies, with none that differs, outweigh a test: it is a single reply itself."""


async def rule(runner: Runner, context: Context, failure: Failure, versions: Sequence[Version] = ()) -> Ruling:
    """Return whether the code or the test of ``failure`` is wrong. Sealed checks are never brought here.

    ``versions`` are what else was written and measured: where they decide, nobody is asked.
    """
    outvoted = _consensus(context, failure, versions)
    if outvoted is not None:
        return outvoted
    variables = {**context.variables("critic"), "failure": failure, **interfaces(context)}
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


def _consensus(context: Context, failure: Failure, versions: Sequence[Version]) -> Ruling | None:
    """Rule by what was measured: the agreement of CodeT (Chen et al. 2022, arXiv 2207.10397).

    Where versions of a function that were written independently of each other, and of the test, all meet the
    user's own checks of that function, and all fail the test, then more likely it is the test that is wrong.
    """
    try:
        tested = names_used(failure.source)
    except ValueError:
        return None
    names = sorted({v.function for v in versions} & tested)
    names = [name for name in names if _rests_on_proven(context, name)]
    uses = {name: {check.id for check in context.checks_of(name)} for name in names}
    sound = [v for v in versions if uses.get(v.function) and uses[v.function] <= v.evidence.met]
    against = [v for v in sound if failure.test in {f.test for f in v.evidence.generated.failures}]
    if len(against) < len(sound):
        return None  # a sound version passes the test: it is not the test that is wrong
    for name in names:
        votes = sum(v.replies for v in against if v.function == name)
        if votes >= CONSENSUS:
            reason = (
                f"{votes} versions of {name}, written independently, meet every sealed check of it and fail this test"
            )
            return Ruling(test=failure.test, reason=reason, wrong="test")
    return None


def _rests_on_proven(context: Context, name: str) -> bool:
    """Whether everything of the project that ``name`` uses, directly or not, is used by a sealed check.

    Versions of ``name`` share what they call: a defect there fails them all, and is no sign of a wrong test.
    """
    definitions = {
        node.name: names_used(ast.unparse(node))
        for path, source in context.code.items()
        for node in parse_module(source, path).body
        if isinstance(node, Definition)
    }
    todo, seen = [name], {name}
    while todo:
        called = (definitions.get(todo.pop(), set()) & set(definitions)) - seen
        seen |= called
        todo += called
    return all(context.checks_of(other) for other in seen - {name})
