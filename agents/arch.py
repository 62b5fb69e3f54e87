"""Arch: plans files, boundaries and technology, then writes the interfaces as Python skeletons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agents.context import Context
from agents.parsing import files_from, json_as, parse_module, python_from, schema_of
from agents.runner import Runner, Task
from agents.skeleton import interface, merge, missing_names, wire
from schemas.architecture import Architecture, Blueprint, PlannedFile
from schemas.errors import InvalidOutput
from schemas.specification import Specification

__all__ = ["design"]


async def design(runner: Runner, context: Context, specification: Specification) -> Blueprint:
    """Return the blueprint of the context's milestone: every name that the sealed checks import is in it."""
    variables = {
        **context.variables(),
        "specification": specification,
        "interfaces": {path: interface(source) for path, source in context.code.items() if source.strip()},
        "entry": entry_points(context),
    }
    architecture = await runner.ask(
        Task(
            "arch",
            "structure",
            variables,
            json_as(Architecture),
            max_tokens=900,
            schema=schema_of(Architecture),
            sample=context.sample,
        )
    )
    planned = [file for file in architecture.files if file.path.endswith(".py") and not _is_test(file.path)]
    if not planned:
        raise InvalidOutput("the arch agent planned no Python file")
    draft = _by_file if runner.model("arch").traits.step == "function" else _at_once
    skeletons = await draft(runner, context, specification, planned, variables)
    return Blueprint(architecture=architecture, skeletons=skeletons)


async def _at_once(
    runner: Runner,
    context: Context,
    specification: Specification,
    planned: Sequence[PlannedFile],
    variables: Mapping[str, object],
) -> dict[str, str]:
    """Ask for the skeletons of all files in one reply."""

    def parse(text: str) -> dict[str, str]:
        files = {p: interface(s) for p, s in files_from(text).items() if p.endswith(".py") and not _is_test(p)}
        return _checked(files, context, specification)

    task = Task("arch", "skeletons", {**variables, "planned": planned}, parse, max_tokens=4000, sample=context.sample)
    return await runner.ask(task)


async def _by_file(
    runner: Runner,
    context: Context,
    specification: Specification,
    planned: Sequence[PlannedFile],
    variables: Mapping[str, object],
) -> dict[str, str]:
    """Ask for one skeleton at a time; the last one is checked together with all before it."""
    files: dict[str, str] = {}
    for file in planned:

        def parse(text: str, path: str = file.path, last: bool = file is planned[-1]) -> str:
            source = interface(python_from(text))
            if last:
                _checked({**files, path: source}, context, specification)
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
    return _checked(files, context, specification)


def _checked(files: Mapping[str, str], context: Context, specification: Specification) -> dict[str, str]:
    """Return the new and changed files of the project with ``files`` merged in.

    Raises:
        ValueError: a name that the sealed checks, the start command or the contracts need is nowhere.
    """
    whole = {**context.code, **{p: merge(context.code.get(p, ""), s) for p, s in files.items()}}
    whole = wire(whole, context.required)
    gaps = [*missing_names(whole, context.required), *_missing_entries(whole, context)]
    gaps += _missing_contracts(whole, specification)
    if gaps:
        raise ValueError("; ".join(gaps[:6]))
    return {path: source for path, source in whole.items() if source != context.code.get(path)}


def entry_points(context: Context) -> list[str]:
    """Return the files of which the idea's ``run`` command needs one, where the milestone has to make it work."""
    command = context.idea.run if context.milestone.runs_program else None
    if command is None:
        return []
    module = re.match(r"python3? (?:-[A-Za-ln-z]+ )*-m ([\w.]+)", command)
    if module:
        base = module[1].replace(".", "/")
        return [f"{base}/__main__.py", f"{base}.py"]
    script = re.match(r"python3? ([\w./-]+\.py)", command)
    return [script[1]] if script else []


def _missing_entries(files: dict[str, str], context: Context) -> list[str]:
    entries = entry_points(context)
    third_party = {name.replace("-", "_").lower() for name in context.third_party}
    if not entries or entries[0].split("/")[0].lower() in third_party:
        return []  # e.g. `python -m uvicorn …`: the module is a dependency's
    if any(entry in files for entry in entries):
        return []
    return [f"the program is started with `{context.idea.run}`, so {entries[0]} must be there"]


def _missing_contracts(files: dict[str, str], specification: Specification) -> list[str]:
    names = {
        node.name
        for path, source in files.items()
        for node in parse_module(source, path).body
        if hasattr(node, "name") and isinstance(node.name, str)
    }
    return [
        f"the specification's {contract.kind} {contract.name} is in no file"
        for contract in specification.contracts
        if contract.kind in ("function", "class") and contract.name.isidentifier() and contract.name not in names
    ]


def _is_test(path: str) -> bool:
    return path.startswith(("tests/", "test_")) or "/test_" in path
