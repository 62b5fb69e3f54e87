"""Arch in small steps, for small models: the signature of one function or class at a time, the module put together
by code. Of several versions the one is taken that can be called as the sealed checks call it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from agents.begun import as_stub, begun
from agents.context import Context
from agents.contracts import (
    called_in_checks,
    calls,
    objects,
    of_modules,
    used_as_modules,
)
from agents.entry import entry_points
from agents.merging import merge, wire
from agents.names import Definition, ambiguous, assigned, hoist, imported_names, top_names, undefined, with_imports
from agents.parsing import parse_module
from agents.ports import Misuses
from agents.runner import Runner, Task
from agents.signatures import CHOICES, methods, signature, without_hints
from agents.skeleton import module_path, placeholder
from schemas.architecture import PlannedFile
from schemas.errors import AgentFailure, InvalidOutput
from schemas.specification import Contract

__all__ = ["by_contract"]

LATER = "from __future__ import annotations"
"""Type hints are read later than they stand there."""


async def by_contract(
    runner: Runner,
    context: Context,
    contracts: Sequence[Contract],
    planned: Sequence[PlannedFile],
    misuses: Misuses,
    *,
    again: bool,
) -> dict[str, str]:
    """Return path → skeleton of the functions and classes of ``contracts``: classes first, and of the functions only
    those that are no methods of theirs. A function that the user has begun is taken as it was written.

    What the project has already is left alone, unless it is asked for ``again``.

    Raises:
        InvalidOutput: no version of a signature is usable.
    """
    required = {name for names in context.required.values() for name in names}
    asked = [*contracts, *_uncontracted(context, {contract.name for contract in contracts})]
    files, given = _given(context, asked, planned, misuses)
    # `main` is wired by `agents.entry`; what the user has given stays as it is.
    wired = given | ({"main"} if entry_points(context) else set())
    there = wired | {name for path, source in context.code.items() for name in top_names(parse_module(source, path))}
    wanted = [c for c in contracts if c.kind in ("function", "class") and c.name.isidentifier()]
    wanted = [c for c in wanted if c.name not in (wired if again else there)]
    wanted = list({c.name: c for c in reversed(wanted)}.values())[::-1]  # of several of one name the first
    wanted += _uncontracted(context, {*there, *(c.name for c in wanted)})
    specified = {c.name for c in contracts} | {name for feature in context.idea.features for name in calls(feature)}
    classes = [c for c in wanted if c.kind == "class"]
    await _design(runner, context, classes, specified, planned, misuses, files)
    own = {**{path: source for path, source in context.code.items() if path in context.focus}, **files}
    inside = {m for source in own.values() for m in methods(source)} - required - of_modules(context)
    functions = [c for c in wanted if c.kind != "class" and c.name not in inside]
    await _design(runner, context, functions, specified, planned, misuses, files)
    paths = [file.path for file in planned]
    named = {f"{module}.{name}": name for module, names in context.required.items() for name in names}
    modules = {name for dotted, name in named.items() if module_path(dotted, list(context.code))}
    # A file that is only planned makes no module of what the checks use like an object.
    modules |= used_as_modules([n for dotted, n in named.items() if module_path(dotted, paths)], specified, context)
    for name in sorted(objects(context) - there - modules):
        path = _home(name, context, planned)
        files[path] = merge(files.get(path) or context.code.get(path) or "", placeholder(name))
    return files


def _given(
    context: Context, contracts: Sequence[Contract], planned: Sequence[PlannedFile], misuses: Misuses
) -> tuple[dict[str, str], set[str]]:
    """Return path → module with the function that the user has begun, where that is one of ``contracts``, is not there
    yet, can be called as the checks do and names nothing that is nowhere; and the names that the user has given, then
    or before."""
    code = begun(context)
    tree = parse_module(code, "description")
    last = tree.body[-1] if code else None
    contract = next((c for c in contracts if isinstance(last, Definition) and c.name == last.name), None)
    if contract is None or not isinstance(last, Definition) or objects(context):
        return {}, set()
    names = {node.name for node in tree.body if isinstance(node, Definition)}
    names |= {name for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) for name in assigned(node)}
    there = {name for source in context.code.values() for name in top_names(parse_module(source, "module"))}
    if contract.name in there:
        return {}, names & there
    path = _home(contract.name, context, planned)
    stub = as_stub(code, last)
    paths = [*context.code, *(file.path for file in planned)]
    if undefined(with_imports(stub)) or not all(
        module_path(m, paths) for m in imported_names(stub, context.third_party)
    ):
        return {}, set()
    files = {path: merge(context.code[path], stub) if context.code.get(path) else stub}
    return ({}, set()) if _complaints(context, contract, files, misuses) else (files, names)


async def _design(
    runner: Runner,
    context: Context,
    contracts: Sequence[Contract],
    specified: Collection[str],
    planned: Sequence[PlannedFile],
    misuses: Misuses,
    files: dict[str, str],
) -> None:
    """Put the interfaces of ``contracts`` into ``files``."""
    tasks = [signature(context, contract, specified) for contract in contracts]
    replies = await runner.ask_all(tasks)
    purposes = {file.path: file.purpose for file in planned}
    there = [*context.code.values(), *files.values()]
    known = {name for source in there for name in top_names(parse_module(source, "module"))}
    known |= {contract.name for contract in contracts}
    homes = {contract.name: _home(contract.name, context, planned) for contract in contracts}
    for contract, task, first in _in_order(list(zip(contracts, tasks, replies, strict=True))):
        path = homes.pop(contract.name)
        below = {contract.name, *(name for name, home in homes.items() if home == path)}
        head = ast.unparse(ast.Expr(ast.Constant(purposes.get(path, context.milestone.title))))
        head += f"\n{LATER}\n"  # a class may name one that stands below it
        module = files.get(path) or context.code.get(path) or head
        fits, complaints = None, list[str]()
        if not isinstance(first, AgentFailure):
            fits, complaints = _fitting(first, contract, context, path, module, misuses, known, below)
        if fits is None:
            (more,) = await runner.ask_all([replace(task, sample=task.sample + 1, choices=CHOICES)])
            if isinstance(more, AgentFailure):
                raise more
            fits, complaints = _fitting(more, contract, context, path, module, misuses, known, below)
        if fits is None:
            raise InvalidOutput(f"{contract.name} can't be called as the checks call it: {complaints[0]}")
        files[path] = fits


_Asked = tuple[Contract, Task[str], list[str] | AgentFailure]


def _in_order(asked: list[_Asked]) -> list[_Asked]:
    """Return ``asked`` so that each comes behind those of them that it needs at once."""
    by_name = {contract.name: (contract, task, reply) for contract, task, reply in asked}
    needs = {name: [] if isinstance(r, AgentFailure) else _needed(r[0]) for name, (_, _, r) in by_name.items()}
    order = TopologicalSorter({name: [n for n in found if n in by_name] for name, found in needs.items()})
    try:
        return [by_name[name] for name in order.static_order()]
    except CycleError:
        return asked


def _needed(source: str) -> list[str]:
    """Return the names that must be there when the definitions of ``source`` are read: bases, decorators, default
    values and attributes; not those of type hints."""
    parts: list[ast.expr | None] = []
    todo: list[ast.stmt] = parse_module(source, "signature").body
    while todo:
        node, *todo = todo
        if isinstance(node, ast.ClassDef):
            parts += [*node.bases, *(keyword.value for keyword in node.keywords)]
            todo += node.body
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts += [*node.args.defaults, *node.args.kw_defaults]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            parts.append(node.value)
        parts += node.decorator_list if isinstance(node, Definition) else []
    found = [n for part in parts if part is not None for n in ast.walk(part) if isinstance(n, ast.Name)]
    return list(dict.fromkeys(n.id for n in found))


def _fitting(
    versions: Sequence[str],
    contract: Contract,
    context: Context,
    path: str,
    module: str,
    misuses: Misuses,
    known: Collection[str],
    below: Collection[str],
) -> tuple[str | None, list[str]]:
    """Return ``module`` with the first of ``versions`` that can be called as the checks do, names nothing (in a type
    hint, say) that is neither in the module nor ``known``, and needs nothing at once that is there only ``below``, or
    is itself; or None and what is said against the last of them."""
    complaints: list[str] = []
    for version in _by_completeness(versions, contract, context):
        merged = merge(module, version)
        elsewhere = undefined(merged) - undefined(module)
        if elsewhere:
            merged = hoist(merged, ast.parse(LATER).body, [])  # a hint may name what is not there yet
        complaints = [f"{name} is not defined" for name in sorted(elsewhere - {*known})]
        complaints += [f"{name} is not there yet" for name in _needed(version) if name in below]
        complaints += [f"{name} is imported as two things" for name in sorted(ambiguous(merged) - ambiguous(module))]
        complaints = complaints or _complaints(context, contract, {path: merged}, misuses)
        if not complaints:
            return merged, []
    return None, complaints


def _by_completeness(versions: Sequence[str], contract: Contract, context: Context) -> list[str]:
    """Return ``versions``, of a class those first that have most of the methods that the features write as calls; and
    behind them each without type hints, which can be called in any way that has as many arguments."""
    wanted = {name for feature in context.idea.features for name in calls(feature)}
    ordered = sorted(dict.fromkeys(versions), key=lambda v: -len(wanted & methods(v)))
    return [*ordered, *dict.fromkeys(map(without_hints, ordered))]


def _uncontracted(context: Context, known: set[str]) -> list[Contract]:
    """Return contracts for what the checks call, or take by the name of a class, and nobody has specified."""
    names = {name for names in context.required.values() for name in names}
    called = called_in_checks(context) | {name for name in names if name[:1].isupper() and not name.isupper()}
    return [
        Contract(
            kind="class" if name[:1].isupper() else "function",
            name=name,
            request="see the checks",
            response="see the checks",
            behaviour="Does what the checks say",
        )
        for name in sorted((names & called) - known)
    ]


def _home(name: str, context: Context, planned: Sequence[PlannedFile]) -> str:
    """Return the file that ``name`` belongs in: the module that the checks import it from, where that is a file
    of its own; else the first one planned."""
    paths = [file.path for file in planned if not file.path.endswith("__main__.py")]
    for module, names in context.required.items():
        if name in names:
            if names & objects(context):  # nothing can stand apart from what is written as a whole
                base = module.replace(".", "/")
                others = [m.replace(".", "/") + ".py" for m in context.required]
                near = [*paths, *others, *context.code, *entry_points(context)[:1]]
                inside = any(path.startswith(f"{base}/") for path in near)
                return module_path(module, context.code) or (f"{base}/__init__.py" if inside else f"{base}.py")
            return module_path(module, [*paths, *context.code]) or next(
                (p for p in paths if p.startswith(module.replace(".", "/") + "/")), module.replace(".", "/") + ".py"
            )
    return paths[0] if paths else next(iter(context.code), f"{context.idea.slug.replace('-', '_')}.py")


def _complaints(context: Context, contract: Contract, files: Mapping[str, str], misuses: Misuses) -> list[str]:
    """Say where the checks use what ``contract`` is about otherwise than its interface in ``files`` says."""
    name, found = contract.name, []
    for check in context.checks_of(name):
        source = (check.check or "").strip() + "\n"
        whole = wire({**context.code, **files}, context.required)
        for line, message in misuses(whole, "tests/test_check.py", source):
            text = source.splitlines()[line - 1]
            # A module that lacks another name gets it later.
            about = contract.kind == "class" or re.search(rf"\b{re.escape(name)}\b", text)
            if about and not message.startswith("Module "):
                found.append(f"{text.strip()}: {message}")
    return found
