"""Impl: writes the code behind the interfaces; after a failure, mends only what the facts point at."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping

from agents.context import Context
from agents.edits import apply, change_from
from agents.parsing import fences, parse_module, python_from
from agents.runner import Runner, Task
from agents.skeleton import Symbol, fill, interface, missing_names, signature_gaps, stubs, with_imports
from schemas.architecture import Blueprint
from schemas.code_change import CodeChange, FileWrite
from schemas.test_report import Failure

__all__ = ["Lint", "implement"]

Lint = Callable[[str, str], list[str]]
"""Path and source → what is certainly wrong in it (undefined names), one line each."""


async def implement(runner: Runner, context: Context, blueprint: Blueprint, lint: Lint) -> CodeChange:
    """Return the code of the milestone: the stubs in ``context.files`` filled in, and targeted changes
    where the facts of the last attempt point."""
    if runner.model("impl").traits.step == "project":
        return await _at_once(runner, context, blueprint, lint)
    return await _by_function(runner, context, blueprint, lint)


async def _at_once(runner: Runner, context: Context, blueprint: Blueprint, lint: Lint) -> CodeChange:
    before = dict(context.files)
    unfinished = any(stubs(path, source) for path, source in context.code.items())

    def parse(text: str) -> CodeChange:
        change = change_from(text, before)
        tests = [path for path in change.paths if path.startswith("tests/")]
        if tests:
            raise ValueError(f"{tests[0]}: tests can't be changed by the implementation")
        after = apply(change, before)
        problems = [p for path in change.paths if path.endswith(".py") for p in lint(path, after[path])]
        problems += [g for path, s in blueprint.skeletons.items() for g in signature_gaps(path, s, after.get(path, ""))]
        problems += [
            f"{path}: {symbol.name} has no body yet"
            for path, source in after.items()
            if path.endswith(".py") and not path.startswith("tests/")
            for symbol in stubs(path, source)
        ]
        problems += missing_names({p: s for p, s in after.items() if p.endswith(".py")}, context.required)
        if problems:
            raise ValueError("; ".join(problems[:8]))
        return CodeChange(writes=[FileWrite(path=p, content=s) for p, s in after.items() if s != context.files.get(p)])

    variables = {
        **context.variables(),
        "planned": blueprint.architecture.files,
        "files": context.code,
        "failures": context.failures,
        "gaps": context.gaps,
    }
    step = "project" if unfinished else "edits"
    return await runner.ask(Task("impl", step, variables, parse, max_tokens=12000, sample=context.sample))


async def _by_function(runner: Runner, context: Context, blueprint: Blueprint, lint: Lint) -> CodeChange:
    files = dict(context.code)
    todo = [symbol for path, source in files.items() for symbol in stubs(path, source)]
    tasks = [_write(runner, context, files, symbol, lint) for symbol in todo]
    unfinished = {(symbol.path, symbol.name) for symbol in todo}
    blamed = [(s, facts) for s, facts in _blamed(context, files) if (s.path, s.name) not in unfinished]
    tasks += [_mend(runner, context, files, symbol, facts, lint) for symbol, facts in blamed]
    changed = [*todo, *(symbol for symbol, _ in blamed)]
    others = [f for f in blueprint.architecture.files if not f.path.endswith(".py") and f.path not in context.files]
    texts = [_write_text(runner, context, file.path, file.purpose) for file in others]
    results = await asyncio.gather(*tasks, *texts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    codes = [r for r in results if isinstance(r, str)]
    for symbol, code in zip(changed, codes, strict=False):
        files[symbol.path] = with_imports(fill(files[symbol.path], symbol.name, code))
    writes = {path: source for path, source in files.items() if source != context.files.get(path)}
    writes.update({file.path: text for file, text in zip(others, codes[len(changed) :], strict=True)})
    return CodeChange(writes=[FileWrite(path=path, content=source) for path, source in writes.items()])


def _parser(files: Mapping[str, str], symbol: Symbol, lint: Lint) -> Callable[[str], str]:
    """Return a parser of one function's code that hands back what a linter can see at once."""

    def parse(text: str) -> str:
        code = python_from(text)
        module = with_imports(fill(files[symbol.path], symbol.name, code))
        known = set(lint(symbol.path, files[symbol.path]))
        problems = [problem for problem in lint(symbol.path, module) if problem not in known]
        if problems:
            raise ValueError("; ".join(problems[:4]))
        return code

    return parse


async def _write(runner: Runner, context: Context, files: Mapping[str, str], symbol: Symbol, lint: Lint) -> str:
    others = {p: interface(s) for p, s in files.items() if s.strip() and p != symbol.path}
    variables = {
        **context.variables(),
        "symbol": symbol,
        "module": _without(interface(files[symbol.path]), symbol.name),
        "others": others,
        "mentioned": context.checks_of(symbol.name),
    }
    return await runner.ask(
        Task(
            "impl",
            "function",
            variables,
            _parser(files, symbol, lint),
            max_tokens=600,
            stop=["\n```"],
            prefill="```python\n",
            sample=context.sample,
        )
    )


async def _mend(
    runner: Runner, context: Context, files: Mapping[str, str], symbol: Symbol, facts: list[str], lint: Lint
) -> str:
    variables = {
        **context.variables(),
        "symbol": symbol,
        "module": _without(interface(files[symbol.path]), symbol.name),
        "facts": facts,
        "mentioned": context.checks_of(symbol.name),
    }
    return await runner.ask(
        Task(
            "impl",
            "mend",
            variables,
            _parser(files, symbol, lint),
            max_tokens=600,
            stop=["\n```"],
            prefill="```python\n",
            sample=context.sample,
        )
    )


async def _write_text(runner: Runner, context: Context, path: str, purpose: str) -> str:
    def parse(text: str) -> str:
        blocks = fences(text)
        content = blocks[0].content if blocks else text
        if not content.strip():
            raise ValueError(f"{path} is empty")
        return content

    variables = {**context.variables(), "path": path, "purpose": purpose}
    return await runner.ask(
        Task("impl", "text", variables, parse, max_tokens=300, stop=["\n```"], prefill="```\n", sample=context.sample)
    )


def _blamed(context: Context, files: Mapping[str, str]) -> list[tuple[Symbol, list[str]]]:
    """Return the functions that the facts of the last attempt point at, each with those facts.

    A failing test points at the functions that its trace or its source names; a gap at those in its text;
    where nothing is pointed at, the feedback is given to every function that it names.
    """
    symbols = [
        Symbol(path, node.name, "\n".join(source.split("\n")[node.lineno - 1 : node.end_lineno]))
        for path, source in files.items()
        if not path.startswith("tests/")
        for node in parse_module(source, path).body
        if hasattr(node, "name") and isinstance(node.name, str) and hasattr(node, "end_lineno")
    ]
    facts: dict[str, list[str]] = {}
    texts: list[tuple[str, str]] = [(_about(f), f"{f.source}\n{f.error}".strip()) for f in context.failures]
    texts += [(gap, gap) for gap in context.gaps]
    texts = texts or [(feedback, feedback) for feedback in context.feedback]
    for where, fact in texts:
        for symbol in symbols:
            if re.search(rf"\b{re.escape(symbol.name)}\b", where):
                facts.setdefault(f"{symbol.path}:{symbol.name}", []).append(fact)
    blamed = [(s, facts[f"{s.path}:{s.name}"][:3]) for s in symbols if f"{s.path}:{s.name}" in facts]
    if not blamed and texts and symbols:
        blamed = [(symbol, [fact for _, fact in texts][:3]) for symbol in symbols[-1:]]
    return blamed


def _about(failure: Failure) -> str:
    return f"{failure.source}\n{failure.error}\n{failure.location}"


def _without(source: str, name: str) -> str:
    """Return ``source`` less its definition of ``name``: the prompt shows that one apart."""
    lines = source.split("\n")
    for node in parse_module(source, "module").body:
        if getattr(node, "name", None) == name:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            del lines[first - 1 : node.end_lineno]
    return "\n".join(lines).strip()
