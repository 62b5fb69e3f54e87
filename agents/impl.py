"""Impl: writes the code behind the interfaces; after a failure, mends only what the facts point at."""

from __future__ import annotations

from agents.by_function import by_function
from agents.context import Context
from agents.edits import apply, change_from
from agents.ports import Comparison, Examine, Lint
from agents.runner import Runner, Task
from agents.selection import interfaces, whole
from agents.skeleton import missing_names, signature_gaps, unwritten
from schemas.architecture import Blueprint, own_code
from schemas.code_change import CodeChange, FileWrite, Implementation

__all__ = ["implement"]

MAX_FACTS = 8
"""So many failing tests, and so many other facts, are shown at once."""


async def implement(
    runner: Runner, context: Context, blueprint: Blueprint, lint: Lint, examine: Examine, comparison: Comparison
) -> Implementation:
    """Return the code of the milestone: the stubs in ``context.files`` filled in, and targeted changes
    where the facts point. A small model goes function by function, a large one writes all at once."""
    if runner.model("impl").traits.step == "project":
        return await _at_once(runner, context, blueprint, lint)
    return await by_function(runner, context, blueprint, lint, examine, comparison)


async def _at_once(runner: Runner, context: Context, blueprint: Blueprint, lint: Lint) -> Implementation:
    before, shown = dict(context.files), whole(context, code_only=False)
    unfinished = unwritten(context.code)

    def parse(text: str) -> Implementation:
        change = change_from(text, before)
        sent = {w.path: w.content.strip() for w in change.writes if before.get(w.path, "").strip()}
        blind = [path for path, content in sent.items() if path not in shown and content != before[path].strip()]
        if blind:
            raise ValueError(f"{blind[0]} was not shown whole, so it can't be sent whole: leave it as it is")
        tests = [path for path in change.paths if path.startswith("tests/")]
        if tests:
            raise ValueError(f"{tests[0]}: tests can't be changed by the implementation")
        applied = apply(change, before)
        after = applied.files
        touched = [path for path in change.paths if path.endswith(".py") and path in after]
        problems = [p for path in touched for p in lint(path, after[path])]
        problems += [g for path, s in blueprint.skeletons.items() for g in signature_gaps(path, s, after.get(path, ""))]
        problems += map(_has_no_body, unwritten(own_code(after)))
        problems += missing_names({p: s for p, s in after.items() if p.endswith(".py")}, context.required)
        if problems:
            raise ValueError("; ".join(problems[:8]))
        writes = [FileWrite(path=p, content=s) for p, s in after.items() if s != context.files.get(p)]
        gone = [path for path in before if path not in after]
        return Implementation(change=CodeChange(writes=writes, deletes=gone), tolerated=applied.tolerated)

    variables = {
        **context.variables("impl"),
        "planned": blueprint.architecture.files,
        "files": shown,
        **interfaces(context, without=shown),
        "findings": context.findings,
        "failures": context.evidence.failures[:MAX_FACTS] if context.evidence else [],
        "gaps": context.evidence.gaps[:MAX_FACTS] if context.evidence else [],
    }
    step = "project" if unfinished else "edits"
    return await runner.ask(Task("impl", step, variables, parse, max_tokens=12000, sample=context.sample))


def _has_no_body(part: str) -> str:
    of_class = "." in part.rpartition(" ")[2]
    return f"{part} has no body yet" + (": write it, or mark it with abc.abstractmethod" if of_class else "")
