"""Refactorer: a last pass over accepted code, for quality alone. What it may not do is change what the code does."""

from __future__ import annotations

import ast
from collections import Counter
from functools import partial

from agents.context import Context
from agents.edits import apply, change_from
from agents.merging import fill
from agents.names import Definition, with_imports
from agents.parsing import parse_module, python_from
from agents.ports import Lint
from agents.runner import Runner, Task
from agents.selection import interfaces, whole
from agents.skeleton import Symbol, interface, signature_gaps
from schemas.code_change import CodeChange, FileWrite

__all__ = ["refactor"]

CHOICES = 2


async def refactor(runner: Runner, context: Context, lint: Lint) -> CodeChange:
    """Return a change that makes the milestone's code better without changing what it does; an empty one where there
    is nothing to do. A small model is asked for one function: the one that most is found against, else the longest.

    Raises:
        AgentFailure: no reply was usable.
    """
    code = whole(context)
    wishes = [str(finding) for finding in context.findings]
    wishes += [str(finding) for finding in (context.evidence.findings if context.evidence else [])]
    if runner.model("refactorer").traits.step == "function":
        symbol = _worst(code, wishes)
        return await runner.ask(_one(context, symbol, wishes, lint)) if symbol else CodeChange()
    variables = {
        **context.variables("refactorer"),
        **interfaces(context, without=code),
        "files": code,
        "wishes": wishes[:12],
    }
    parse = partial(_change, context=context, lint=lint)
    return await runner.ask(Task("refactorer", "project", variables, parse, max_tokens=6_000, sample=context.sample))


def _change(text: str, context: Context, lint: Lint) -> CodeChange:
    if "```" not in text and "nothing" in text.lower():
        return CodeChange()
    before = dict(context.files)
    change = change_from(text, before)
    tests = [path for path in change.paths if path.startswith("tests/")]
    if tests:
        raise ValueError(f"{tests[0]}: tests stay as they are")
    return _harmless(apply(change, before).files, context, lint)


def _harmless(after: dict[str, str], context: Context, lint: Lint) -> CodeChange:
    """Return the change to the files ``after``.

    Raises:
        ValueError: an interface is gone or changed, or a name is undefined.
    """
    problems = []
    for path, source in context.code.items():
        if after.get(path) != source:
            problems += signature_gaps(path, interface(source), after.get(path, ""))
            problems += [p for p in lint(path, after.get(path, "")) if p not in lint(path, source)]
    if problems:
        raise ValueError("; ".join(problems[:6]))
    writes = [FileWrite(path=p, content=s) for p, s in after.items() if s != context.files.get(p)]
    return CodeChange(writes=writes, deletes=[path for path in context.files if path not in after])


def _worst(code: dict[str, str], wishes: list[str]) -> Symbol | None:
    """Return the function or class that most ``wishes`` point into; of equals the longest."""
    places = Counter(":".join(wish.split(":")[:2]) for wish in wishes)
    found = [
        (sum(places[f"{path}:{line}"] for line in _lines(node)), len(_lines(node)), path, node)
        for path, source in code.items()
        for node in parse_module(source, path).body
        if isinstance(node, Definition)
    ]
    if not found:
        return None
    *_, path, node = max(found, key=lambda one: one[:2])
    return Symbol(path, node.name, ast.get_source_segment(code[path], node) or ast.unparse(node))


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _one(context: Context, symbol: Symbol, wishes: list[str], lint: Lint) -> Task[CodeChange]:
    def parse(text: str) -> CodeChange:
        source = with_imports(fill(context.code[symbol.path], symbol.name, python_from(text)))
        return _harmless({**context.files, symbol.path: source}, context, lint)

    variables = {
        **context.variables("refactorer"),
        "symbol": symbol,
        "wishes": [wish for wish in wishes if wish.startswith(symbol.path)][:3],
    }
    return Task(
        "refactorer",
        "function",
        variables,
        parse,
        max_tokens=500,
        stop=["\n```"],
        prefill="```python\n",
        sample=context.sample,
        choices=CHOICES,
    )
