"""What a small model is asked for, one piece at a time: a function or class of a module, the whole module, a text."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.context import Context
from agents.contracts import refuses
from agents.entry import with_exit_code
from agents.merging import emptied, fill, merge
from agents.names import Definition, assigned, hoist, imported_names, names_used, top_names, unhidden, with_imports
from agents.parsing import FIRST_THINK, fences, parse_module, python_from
from agents.ports import Lint
from agents.runner import Task
from agents.selection import interfaces
from agents.skeleton import Symbol, begun, interface, is_guard, open_names, signature_gaps, span, unwritten
from schemas.architecture import own_code

__all__ = ["CHOICES", "definition", "filled", "mend", "write", "write_text"]

CHOICES = 4
"""How many further versions of a piece are asked for at once, where the likeliest ones fail or differ."""


def filled(files: Mapping[str, str], symbol: Symbol, code: str) -> str:
    """Return the module of ``symbol`` with ``code`` in it, its missing imports added and attributes that hide methods
    renamed.

    It takes the place of what was designed: of the version that stands there meanwhile nothing is left.
    """
    homes: dict[str, str] = {}
    for path, source in own_code(files).items():
        if path != symbol.path:
            module = Symbol(path, "", source).module
            homes.update({n.name: module for n in parse_module(source, path).body if isinstance(n, Definition)})
    if symbol.whole:
        return with_imports(_kept(files[symbol.path], unhidden(code)), homes)
    return with_imports(fill(_vacated(files, symbol), symbol.name, unhidden(code)), homes)


def _vacated(files: Mapping[str, str], symbol: Symbol) -> str:
    """Return the module of ``symbol`` with it as it was designed."""
    others = [source for path, source in files.items() if path.endswith(".py") and path != symbol.path]
    elsewhere = {name for source in others for name in names_used(source)}
    elsewhere |= {name for source in others for names in imported_names(source).values() for name in names}
    return emptied(files[symbol.path], symbol, elsewhere)


def _kept(module: str, code: str) -> str:
    """Return ``code`` with what ``module`` has besides its definitions: imports, constants and how it is started."""
    body = parse_module(module, "module").body
    opened = set(open_names(module))
    imports = [n for n in body if isinstance(n, ast.Import | ast.ImportFrom) and not _of_placeholder(n)]
    constants = [n for n in body if isinstance(n, ast.Assign | ast.AnnAssign) and not assigned(n) & opened]
    guards = "\n\n".join(ast.unparse(n) for n in body if is_guard(n))
    return merge(hoist(code, imports, constants), guards)


def _of_placeholder(node: ast.stmt) -> bool:
    return ast.unparse(node) == "from typing import Any"


def write(
    context: Context, symbol: Symbol, lint: Lint, sample: int, facts: Sequence[str] = (), *, thinking: bool = False
) -> Task[str]:
    """Ask for one function, of which the model sees the interface only, and ``facts`` on what was written before.

    With ``thinking`` the body of a function (no class, no whole module) is begun with a comment on what it will do
    (docs/decisions/0017-small-models.md).
    """
    if symbol.whole:
        return _write_module(context, symbol, lint, sample, facts)
    # A class that has code already, and lacks a method, is shown as it is: all of it is written again. What has all of
    # its code is not: a small model would write the same once more.
    stub = symbol.source if begun(symbol.source) else definition(interface(symbol.source), symbol.name)
    variables = {
        **context.variables("impl"),
        "symbol": replace(symbol, source=stub),
        "module": _without(interface(_vacated(context.files, symbol)), symbol.name),
        **interfaces(context, without=[symbol.path]),
        "mentioned": context.checks_of(symbol.name),
        "facts": facts,
        "errors": refuses(symbol.name, context),
    }
    head = _head(stub)
    if thinking and head and not isinstance(parse_module(stub, "stub").body[-1], ast.ClassDef):
        head += FIRST_THINK
    return _task("function", variables, context, symbol, lint, sample, head)


def _write_module(context: Context, symbol: Symbol, lint: Lint, sample: int, facts: Sequence[str]) -> Task[str]:
    """Ask for a whole module that offers ``symbol``: what its parts share, such as routes of a web service do, nobody
    could write apart."""

    def parse(text: str) -> str:
        code = python_from(text, statements=True)
        problems = signature_gaps(symbol.path, symbol.source, code)
        problems += [f"{name} is not made" for name in offered if name not in top_names(ast.parse(code))]
        problems += [f"{name} has no body yet" for name in unwritten({symbol.path: code})]
        problems += lint(symbol.path, filled(context.code, symbol, code))
        if problems:
            raise ValueError("; ".join(problems[:4]))
        return code

    besides = [node.name for node in _definitions(symbol.source)]
    offered = open_names(symbol.source)
    mentioned = {check.id: check for name in [*offered, *besides] for check in context.checks_of(name)}
    variables = {
        **context.variables("impl"),
        **interfaces(context, without=[symbol.path]),
        "path": symbol.path,
        "besides": [definition(symbol.source, name) for name in besides],
        "offered": ", ".join(offered),
        "mentioned": mentioned.values(),
        "facts": facts,
    }
    stop = ["\n```", "\nif __name__"]
    return Task(
        "impl",
        "module",
        variables,
        parse,
        max_tokens=1_500,
        stop=stop,
        prefill="```python\n",
        sample=sample,
        choices=CHOICES,
    )


def mend(context: Context, symbol: Symbol, facts: Sequence[str], lint: Lint, sample: int) -> Task[str]:
    """Ask for one function again; the model sees its code and what the judge wants of it."""
    variables = {
        **context.variables("impl"),
        "symbol": replace(symbol, source=definition(context.code[symbol.path], symbol.name)),
        "module": _without(interface(context.code[symbol.path]), symbol.name),
        "facts": facts,
    }
    return _task("mend", variables, context, symbol, lint, sample, _head(interface(symbol.source)))


def _definitions(source: str) -> list[Definition]:
    return [node for node in parse_module(source, "module").body if isinstance(node, Definition)]


def _head(stub: str) -> str:
    """Return signature and docstring of a function's stub: a reply that begins with them brings the body only.

    One for a class begins with its head.
    """
    node = parse_module(stub, "stub").body[-1]
    if not isinstance(node, Definition) or node.body[0].lineno == node.lineno:
        return ""
    if isinstance(node, ast.ClassDef):
        told = ast.get_docstring(node) is not None
        first = node.body[0]
        lines = first.end_lineno if told else (span(first)[0] if isinstance(first, Definition) else first.lineno - 1)
        return "\n".join(stub.split("\n")[:lines]) + "\n"
    return "\n".join(stub.split("\n")[: node.body[-1].lineno - 1]) + "\n"


def _task(
    step: str, variables: Mapping[str, object], context: Context, symbol: Symbol, lint: Lint, sample: int, head: str
) -> Task[str]:
    files = context.code
    known = set(lint(symbol.path, files[symbol.path]))

    def parse(text: str) -> str:
        code = python_from(text)
        if symbol.name == "main":
            code = with_exit_code(code)
        module = filled(files, symbol, code)
        problems = [problem for problem in lint(symbol.path, module) if problem not in known]
        if problems:
            raise ValueError("; ".join(problems[:4]))
        return code

    return Task(
        "impl",
        step,
        variables,
        parse,
        max_tokens=1_200 if any(isinstance(n, ast.ClassDef) for n in _definitions(symbol.source)) else 500,
        stop=["\n```"],
        prefill=f"```python\n{head}",
        sample=sample,
        choices=CHOICES,
    )


def write_text(context: Context, path: str, purpose: str, sample: int) -> Task[str]:
    def parse(text: str) -> str:
        blocks = fences(text)
        content = blocks[0].content if blocks else text
        if not content.strip():
            raise ValueError(f"{path} is empty")
        return content

    variables = {**context.variables("impl"), "path": path, "purpose": purpose}
    return Task("impl", "text", variables, parse, max_tokens=300, stop=["\n```"], prefill="```\n", sample=sample)


def definition(source: str, name: str) -> str:
    """Return the text of the definition of ``name`` in ``source``."""
    return "\n".join(source.split("\n")[_span(source, name)])


def _without(source: str, name: str) -> str:
    """Return ``source`` less its definition of ``name``: the prompt shows that one apart."""
    lines = source.split("\n")
    del lines[_span(source, name)]
    return "\n".join(lines).strip()


def _span(source: str, name: str) -> slice:
    for node in reversed(parse_module(source, "module").body):
        if isinstance(node, Definition) and node.name == name:
            return slice(*span(node))
    return slice(0, 0)
