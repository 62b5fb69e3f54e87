"""Whether versions of one function of a project come to the same on further inputs (`orchestrator.evidence.agreement`),
which are varied from the calls that the idea and its visible checks show."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.context import Context
from agents.contracts import refuses
from agents.parsing import parse_module
from agents.ports import Agreement
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.examples import MOST, calls_in, written
from orchestrator.journal.events import EventLog
from orchestrator.rubric import sure

__all__ = ["VariedCalls", "calls_of"]

FEWEST_CALLS = 10
"""From fewer calls that most versions give a result for nothing is concluded: all may come to the same on those that
the checks show."""


@dataclass(frozen=True)
class VariedCalls:
    """Compares versions of the functions of one milestone (a `agents.ports.Comparison`). Where something is said of
    what a function refuses, to refuse is a result like others."""

    context: Context
    laboratory: Laboratory
    events: EventLog

    def possible(self, function: str) -> bool:
        """Whether a call of ``function`` with arguments is shown."""
        return bool(calls_of(function, self.context))

    async def agreement(self, function: str, versions: Sequence[str], voters: Sequence[str]) -> Agreement | None:
        """Compare each of ``versions`` with the ``voters``; None where too few inputs are good ones to tell by.

        Raises:
            Unavailable: the sandbox could not be made.
        """
        calls, errors = calls_of(function, self.context), refuses(function, self.context)
        found = await self.laboratory.agreement(versions, voters, calls, errors=errors)
        enough = sure(len(voters))
        self.events.write(
            "agreement", function=function, shares=found.shares, enough=enough, voters=len(voters), calls=found.calls
        )
        telling = found.calls >= FEWEST_CALLS and found.results > 1
        return Agreement(found.shares, enough) if telling else None


def calls_of(function: str, context: Context) -> list[str]:
    """Return the calls of ``function``, with literals for arguments, in the visible checks and in the text of idea and
    milestone; none of those that agents may not see."""
    idea, milestone = context.idea, context.milestone
    told = [idea.summary, *idea.features, milestone.description, *(c.statement for c in milestone.acceptance_criteria)]
    shown = [call for text in dict.fromkeys(told) for call in calls_in(text) if call.startswith(f"{function}(")]
    checked = [call for check in context.checks for call in _calls(parse_module(check.check or "", check.id), function)]
    return list(dict.fromkeys([*checked, *shown]))[:MOST]


def _calls(tree: ast.Module, function: str) -> Iterator[str]:
    """Yield the calls of ``function`` in a check, by its own name or as an attribute of a module."""
    modules = {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    named = {function, *(f"{module}.{function}" for module in modules)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in named and node.args and not node.keywords:
            try:
                yield f"{function}({', '.join(map(written, node.args))})"
            except (ValueError, TypeError):
                continue
