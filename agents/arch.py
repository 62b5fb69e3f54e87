"""Arch: plans files, boundaries and technology, then writes the interfaces as Python skeletons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from agents.context import Context
from agents.entry import entry_points, input_files, with_entry
from agents.parsing import files_from, json_as, parse_module, python_from, schema_of
from agents.runner import Runner, Task
from agents.skeleton import interface, merge, missing_names, wire
from schemas.architecture import Architecture, Blueprint, PlannedFile
from schemas.errors import InvalidOutput
from schemas.specification import Specification

__all__ = ["design"]

_INPUT = "A short example of an input file, as the start command names it."


async def design(runner: Runner, context: Context, specification: Specification) -> Blueprint:
    """Return the blueprint of the context's milestone: every name that the sealed checks import is in it."""
    variables = {
        **context.variables(),
        "specification": specification,
        "interfaces": {path: interface(source) for path, source in context.code.items() if source.strip()},
        "entry": entry_points(context),
    }
    read = json_as(Architecture)

    def parse(text: str) -> Architecture:
        reply = read(text)
        hidden = _hidden({*context.files, *(file.path for file in reply.files)})
        if hidden:
            raise ValueError(hidden)
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
    """Ask for one skeleton at a time; the last one is checked together with all before it.

    What follows from the start command alone is not asked for: see `agents.entry`.
    """
    files: dict[str, str] = {}
    entry = entry_points(context)
    if entry and not _gaps(wire(context.code, context.required), context, specification):
        planned = []  # all that is missing is the program around what is there
    planned = [file for file in planned if file.path not in entry or not file.path.endswith("/__main__.py")]
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
        ValueError: a name that the sealed checks or the contracts need is nowhere.
    """
    whole = {**context.code, **{p: merge(context.code.get(p, ""), s) for p, s in files.items()}}
    whole = wire(with_entry(whole, context), context.required)
    gaps = _gaps(whole, context, specification)
    if gaps:
        raise ValueError("; ".join(gaps[:6]))
    return {path: source for path, source in whole.items() if source != context.code.get(path)}


def _gaps(files: Mapping[str, str], context: Context, specification: Specification) -> list[str]:
    return [*missing_names(files, context.required), *_missing_contracts(files, specification)]


def _missing_contracts(files: Mapping[str, str], specification: Specification) -> list[str]:
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


def _hidden(paths: Collection[str]) -> str | None:
    """Say which module a folder of the same name would hide: Python imports the folder."""
    for path in sorted(paths):
        folder = path.removesuffix(".py") + "/"
        inside = next((p for p in sorted(paths) if path.endswith(".py") and p.startswith(folder)), None)
        if inside is not None and not inside.endswith("/__main__.py"):
            return f"{path} and {inside} can't both be there: Python would not find {path}. Use one of them"
    return None


def _is_test(path: str) -> bool:
    return path.startswith(("tests/", "test_")) or "/test_" in path
