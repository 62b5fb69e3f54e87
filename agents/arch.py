"""Arch: plans files, boundaries and technology, then writes the interfaces as Python skeletons."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from agents.by_contract import by_contract
from agents.context import Context
from agents.contracts import objects
from agents.entry import entry_points, input_files, with_entry
from agents.merging import merge, wire
from agents.names import Definition, imported_names, top_names
from agents.parsing import files_from, json_as, parse_module, python_from, schema_of
from agents.ports import Misuses
from agents.runner import Runner, Task
from agents.selection import interfaces
from agents.skeleton import interface, missing_names, without_docstring
from schemas.architecture import Architecture, Blueprint, PlannedFile
from schemas.errors import InvalidOutput
from schemas.idea import started
from schemas.specification import Specification

__all__ = ["design"]

_Fit = Callable[[Mapping[str, str]], dict[str, str]]
"""Skeletons → all new and changed files of the project; raises ValueError where they do not fit."""

_INPUT = "A short example of an input file, as the start command names it."


async def design(
    runner: Runner,
    context: Context,
    specification: Specification,
    misuses: Misuses,
    before: Specification | None = None,
) -> Blueprint:
    """Return the blueprint of the context's milestone: every name that the sealed checks import is in it, and
    can be called as they call it. ``before`` is the specification that the interfaces so far were made from."""
    variables = {
        **context.variables("arch"),
        "specification": specification,
        **interfaces(context),
        "entry": entry_points(context),
    }
    read = json_as(Architecture)

    def parse(text: str) -> Architecture:
        reply = read(text)
        paths = [file.path for file in reply.files]
        unfit = _not_importable(paths, context) or _hidden({*context.files, *paths})
        if unfit:
            raise ValueError(unfit)
        return reply

    architecture = await runner.ask(
        Task(
            "arch",
            "structure",
            variables,
            parse,
            max_tokens=900,
            schema=schema_of(Architecture),
            sample=context.sample,
        )
    )
    planned = [file for file in architecture.files if file.path.endswith(".py") and not _is_test(file.path)]
    if not planned:
        raise InvalidOutput("the arch agent planned no Python file")
    named = {file.path for file in architecture.files}
    inputs = [PlannedFile(path=p, purpose=_INPUT) for p in input_files(context) if p not in {*named, *context.files}]
    architecture = architecture.model_copy(update={"files": [*architecture.files, *inputs]})
    variables |= interfaces(context, also=[file.path for file in planned])
    large = runner.model("arch").traits.step == "project"
    fit = partial(_checked, context=context, specification=specification, misuses=misuses, large=large)
    if large:
        skeletons = await _at_once(runner, context, planned, variables, fit)
    elif any(contract.kind == "endpoint" for contract in specification.contracts) and not _new_objects(context):
        skeletons = await _by_file(runner, context, planned, variables, fit)
    else:
        new = [c for c in specification.contracts if before is None or c not in before.contracts]
        skeletons = fit(await by_contract(runner, context, new, planned, misuses, again=before is not None))
    return Blueprint(architecture=architecture, skeletons=skeletons)


def _new_objects(context: Context) -> set[str]:
    """Return the objects that the checks want and no module offers yet."""
    there = {name for path, source in context.code.items() for name in top_names(parse_module(source, path))}
    return objects(context) - there


async def _at_once(
    runner: Runner,
    context: Context,
    planned: Sequence[PlannedFile],
    variables: Mapping[str, object],
    fit: _Fit,
) -> dict[str, str]:
    """Ask for the skeletons of all files in one reply."""

    def parse(text: str) -> dict[str, str]:
        files = {p: interface(s) for p, s in files_from(text).items() if p.endswith(".py") and not _is_test(p)}
        return fit(files)

    task = Task("arch", "skeletons", {**variables, "planned": planned}, parse, max_tokens=4000, sample=context.sample)
    return await runner.ask(task)


async def _by_file(
    runner: Runner,
    context: Context,
    planned: Sequence[PlannedFile],
    variables: Mapping[str, object],
    fit: _Fit,
) -> dict[str, str]:
    """Ask for one skeleton at a time; the last one is checked together with all before it.

    What follows from the start command alone is not asked for: see `agents.entry`.
    """
    files: dict[str, str] = {}
    entry = entry_points(context)
    planned = [file for file in planned if file.path not in entry or not file.path.endswith("/__main__.py")]
    for file in planned:

        def parse(text: str, path: str = file.path, last: bool = file is planned[-1]) -> str:
            source = interface(python_from(text))
            if last:
                fit({**files, path: source})
            return source

        task = Task(
            "arch",
            "skeleton",
            {**variables, "file": file, "others": [f for f in planned if f is not file]},
            parse,
            max_tokens=700,
            stop=["\n```"],
            prefill='```python\n"""',
            sample=context.sample,
        )
        files[file.path] = await runner.ask(task)
    return fit(files)


def _checked(
    files: Mapping[str, str], context: Context, specification: Specification, misuses: Misuses, *, large: bool
) -> dict[str, str]:
    """Return the new and changed files of the project with ``files`` merged in.

    Raises:
        ValueError: a name that the sealed checks or the contracts need is nowhere, or can't be used as they do.
    """
    # A small model is shown what the parts of a module are for; that of the whole would be so much more to read.
    new = files if large else {path: without_docstring(source) for path, source in files.items()}
    whole = {**context.code, **{p: merge(context.code.get(p, ""), s) for p, s in new.items()}}
    whole = wire(with_entry(whole, context), context.required)
    gaps = _gaps(whole, context, specification, large=large) or _unfit(whole, context, misuses)
    if gaps:
        raise ValueError("; ".join(gaps[:6]))
    return {path: source for path, source in whole.items() if source != context.code.get(path)}


def _gaps(files: Mapping[str, str], context: Context, specification: Specification, *, large: bool) -> list[str]:
    return [*missing_names(files, context.required), *_missing_contracts(files, specification, large=large)]


def _unfit(files: Mapping[str, str], context: Context, misuses: Misuses) -> list[str]:
    """Say where a sealed check calls what ``files`` define otherwise than its signature says."""
    return [
        f"check {check.id} does not fit the signatures: {check.check.strip().splitlines()[line - 1].strip()}: {message}"
        for check in context.checks
        if check.check
        for line, message in misuses(files, "tests/test_check.py", check.check.strip() + "\n")
    ]


def _missing_contracts(files: Mapping[str, str], specification: Specification, *, large: bool) -> list[str]:
    # A small model calls methods functions, too.
    trees = [parse_module(source, path) for path, source in files.items()]
    nodes = [node for tree in trees for node in (tree.body if large else ast.walk(tree))]
    names = {node.name for node in nodes if isinstance(node, Definition)}
    return [
        f"the specification's {contract.kind} {contract.name} is in no file"
        for contract in specification.contracts
        if contract.kind in ("function", "class") and contract.name.isidentifier() and contract.name not in names
    ]


def _not_importable(paths: Collection[str], context: Context) -> str | None:
    """Say which file can't be imported by the name that its path gives it, unless the idea has it there."""
    idea = context.idea
    texts = [check.check for check in idea.acceptance if check.check and not check.holdout]
    wanted = {module.partition(".")[0] for text in texts for module in imported_names(text, context.third_party)}
    kind, start = started(idea.run) if idea.run else ("code", "")
    wanted |= {start.partition("/")[0].removesuffix(".py")} if kind == "script" else {start.partition(".")[0]}
    for path in sorted(path for path in paths if path.endswith(".py")):
        top = path.partition("/")[0].removesuffix(".py")
        if top in wanted - sys.stdlib_module_names or path == start or _is_test(path):
            continue
        if top == "src":
            return f"{path}: files are imported from the project's own folder: leave src/ out"
        if top in sys.stdlib_module_names:
            return f"{path}: Python has a module {top} of its own, and imports that: choose another name"
    return None


def _hidden(paths: Collection[str]) -> str | None:
    """Say which module a folder of the same name would hide: Python imports the folder."""
    for path in sorted(paths):
        if any(other.startswith(f"{path}/") for other in paths):
            return f"{path} can't be both a file and a folder: give the file another name"
        folder = path.removesuffix(".py") + "/"
        inside = next((p for p in sorted(paths) if path.endswith(".py") and p.startswith(folder)), None)
        if inside is not None and not inside.endswith("/__main__.py"):
            return f"{path} and {inside} can't both be there: Python would not find {path}. Use one of them"
    return None


def _is_test(path: str) -> bool:
    return path.startswith(("tests/", "test/", "test_")) or "/test_" in path
