"""Arch in small steps, for small models: the signature of one function or class at a time, the module put together
by code. Of several versions the one is taken that can be called as the sealed checks call it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from agents.context import Context
from agents.contracts import (
    attributes,
    bullets,
    called_in_checks,
    calls,
    features_of,
    handed_on,
    objects,
    of_modules,
)
from agents.entry import entry_points
from agents.names import Definition, assigned, top_names, undefined
from agents.parsing import fences, parse_module, python_from
from agents.ports import Misuses
from agents.runner import Runner, Task
from agents.selection import interfaces
from agents.skeleton import interface, merge, module_path, placeholder, wire
from schemas.architecture import PlannedFile
from schemas.errors import AgentFailure, InvalidOutput
from schemas.specification import Contract

__all__ = ["by_contract"]

CHOICES = 4
"""How many more versions of a signature are asked for at once, where the likeliest one does not fit."""


_METHOD = re.compile(r"^    (?:async )?def (\w+)", re.M)


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
    those that are no methods of theirs.

    What the project has already is left alone, unless it is asked for ``again``.

    Raises:
        InvalidOutput: no version of a signature is usable.
    """
    # `main` is wired by `agents.entry`.
    wired = {"main"} if entry_points(context) else set()
    there = wired | {name for path, source in context.code.items() for name in top_names(parse_module(source, path))}
    wanted = [c for c in contracts if c.kind in ("function", "class") and c.name.isidentifier()]
    wanted = [c for c in wanted if c.name not in (wired if again else there)]
    wanted += _uncontracted(context, {*there, *(c.name for c in wanted)})
    files: dict[str, str] = {}
    await _design(runner, context, [c for c in wanted if c.kind == "class"], planned, misuses, files)
    required = {name for names in context.required.values() for name in names}
    own = {**{path: source for path, source in context.code.items() if path in context.focus}, **files}
    methods = {m for source in own.values() for m in _methods(source)} - required - of_modules(context)
    await _design(
        runner, context, [c for c in wanted if c.kind != "class" and c.name not in methods], planned, misuses, files
    )
    paths = [file.path for file in planned]
    named = {f"{module}.{name}": name for module, names in context.required.items() for name in names}
    modules = {name for dotted, name in named.items() if module_path(dotted, list(context.code))}
    # A file that is only planned makes no module of what the checks use like an object.
    modules |= {name for dotted, name in named.items() if module_path(dotted, paths)} - handed_on(context)
    for name in sorted(objects(context) - there - modules):
        path = _home(name, context, planned)
        files[path] = merge(files.get(path) or context.code.get(path) or "", placeholder(name))
    return files


async def _design(
    runner: Runner,
    context: Context,
    contracts: Sequence[Contract],
    planned: Sequence[PlannedFile],
    misuses: Misuses,
    files: dict[str, str],
) -> None:
    """Put the interfaces of ``contracts`` into ``files``."""
    tasks = [_signature(context, contract) for contract in contracts]
    replies = await runner.ask_all(tasks)
    purposes = {file.path: file.purpose for file in planned}
    there = [*context.code.values(), *files.values()]
    known = {name for source in there for name in top_names(parse_module(source, "module"))}
    known |= {contract.name for contract in contracts}
    for contract, task, first in zip(contracts, tasks, replies, strict=True):
        path = _home(contract.name, context, planned)
        head = ast.unparse(ast.Expr(ast.Constant(purposes.get(path, context.milestone.title))))
        head += "\nfrom __future__ import annotations\n"  # a class may name one that stands below it
        module = files.get(path) or context.code.get(path) or head
        fits, complaints = None, list[str]()
        if not isinstance(first, AgentFailure):
            fits, complaints = _fitting(first, contract, context, path, module, misuses, known)
        if fits is None:
            (more,) = await runner.ask_all([replace(task, sample=task.sample + 1, choices=CHOICES)])
            if isinstance(more, AgentFailure):
                raise more
            fits, complaints = _fitting(more, contract, context, path, module, misuses, known)
        if fits is None:
            raise InvalidOutput(f"{contract.name} can't be called as the checks call it: {complaints[0]}")
        files[path] = fits


def _fitting(
    versions: Sequence[str],
    contract: Contract,
    context: Context,
    path: str,
    module: str,
    misuses: Misuses,
    known: Collection[str],
) -> tuple[str | None, list[str]]:
    """Return ``module`` with the first of ``versions`` that can be called as the checks do, and names nothing (in a
    type hint, say) that is neither in the module nor ``known``; or None and what is said against the last of them."""
    complaints: list[str] = []
    for version in _by_completeness(versions, contract, context):
        merged = merge(module, version)
        lacking = undefined(merged) - undefined(module) - {*known}
        complaints = [f"{name} is not defined" for name in sorted(lacking)]
        complaints = complaints or _complaints(context, contract, {path: merged}, misuses)
        if not complaints:
            return merged, []
    return None, complaints


def _by_completeness(versions: Sequence[str], contract: Contract, context: Context) -> list[str]:
    """Return ``versions``, of a class those first that have most of the methods that the features write as calls; and
    behind them each without type hints, which can be called in any way that has as many arguments."""
    wanted = {name for feature in context.idea.features for name in calls(feature)}
    ordered = sorted(dict.fromkeys(versions), key=lambda v: -len(wanted & _methods(v)))
    return [*ordered, *dict.fromkeys(map(_without_hints, ordered))]


def _methods(source: str) -> set[str]:
    """Return the names of the methods of all classes of ``source``."""
    classes = [node for node in parse_module(source, "module").body if isinstance(node, ast.ClassDef)]
    return {m.name for node in classes for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)}


def _without_hints(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.unparse(tree) + "\n"


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


def _signature(context: Context, contract: Contract) -> Task[str]:
    """Ask for a class's interface, or for a function's first line: its docstring follows from the contract."""
    whole = contract.kind == "class"

    def parse(text: str) -> str:
        text = text if whole else f"{text.rstrip().removesuffix('```').rstrip()}\n    ...\n```"
        source = python_from(text, members=whole)
        tree = parse_module(source, "reply")
        found = next((n for n in tree.body if isinstance(n, Definition) and n.name == contract.name), None)
        if found is None:
            raise ValueError(f"the reply does not define {contract.name}")
        if isinstance(found, ast.ClassDef):
            if source != (blocks[0].content if (blocks := fences(text)) else text):
                lost = set(_METHOD.findall(text)) - _methods(source)
                if len(lost) > 1:  # not cut off at its end, but wrong in between
                    raise ValueError(f"the class does not parse: {', '.join(sorted(lost))} can't be read")
                found.body = [n for n in found.body if _asked_for(n, context)]
            return interface(ast.unparse(_told(_with_attributes(found, attributes(context)), contract, context)))
        found.body.insert(0, ast.Expr(ast.Constant(_docstring(contract))))
        return interface(ast.unparse(found))

    variables = {
        **context.variables("arch"),
        "contract": contract,
        "mentioned": context.checks_of(contract.name),
        **interfaces(context),
    }
    return Task(
        "arch",
        "signature",
        variables,
        parse,
        max_tokens=700 if whole else 80,
        stop=["\n```"] if whole else ["\n"],
        prefill=f"```python\n{'class' if whole else 'def'} {contract.name}",
        sample=context.sample * (CHOICES + 1),
    )


def _asked_for(node: ast.stmt, context: Context) -> bool:
    """Whether a check or feature names a member of a class, or it is none of the methods: of an interface that was cut
    off nothing else is kept, since a small model that comes to no end invents one method after the other."""
    name = node.name if isinstance(node, Definition) else "__init__"
    return name == "__init__" or name in attributes(context) or bool(features_of(name, context.idea))


def _with_attributes(definition: ast.ClassDef, used: Collection[str]) -> ast.ClassDef:
    """Return ``definition`` with those of the attributes that its methods set named in its body that the checks have
    ``used``: of what a method does, the interface keeps nothing, and of the others nothing is decided yet."""
    if any("dataclass" in ast.unparse(d) for d in definition.decorator_list):
        return definition  # it names its fields itself; another one would be one more argument
    known = {n.name for n in definition.body if isinstance(n, Definition)}
    known |= {name for n in definition.body if isinstance(n, ast.Assign | ast.AnnAssign) for name in assigned(n)}
    found = dict.fromkeys(
        node.attr
        for node in ast.walk(definition)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
        and node.attr in used
    )
    at = 1 if ast.get_docstring(definition) is not None else 0
    definition.body[at:at] = ast.parse("\n".join(f"{name}: Any" for name in found if name not in known)).body
    return definition


def _told(definition: ast.ClassDef, contract: Contract, context: Context) -> ast.ClassDef:
    """Return ``definition`` with a docstring that says in the user's words what the class and its methods do: what
    a small model is to write, it must find beside the code."""
    names = [contract.name, *(n.name for n in definition.body if isinstance(n, Definition))]
    alone = {contract.name} == {name for required in context.required.values() for name in required}
    named = {feature for name in names for feature in features_of(name, context.idea)}
    told = bullets(feature for feature in context.idea.features if alone or feature in named)
    if told:
        said = ast.get_docstring(definition)
        first = said.split("\n")[0] if said else context.idea.summary
        body = definition.body[1:] if said is not None else definition.body
        definition.body = [ast.Expr(ast.Constant(f"{first}\n\n{told}\n")), *body]
    return definition


def _docstring(contract: Contract) -> str:
    # In one line: one that is nothing but ticks would end the block that the docstring is shown in.
    text = " ".join(contract.behaviour.split()).rstrip(".") + "."
    if contract.errors:
        text += "\n\nErrors:\n" + "".join(f"    {error}\n" for error in contract.errors)
    return text
