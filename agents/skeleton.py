"""Python skeletons: what a module offers, without how. Read, compared, filled in and wired by code, not by a model."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.names import Definition, assigned, hoist, names_used, top_names, with_imports
from agents.parsing import parse_module

__all__ = [
    "Symbol",
    "begun",
    "emptied",
    "fill",
    "functions",
    "interface",
    "is_guard",
    "merge",
    "missing_names",
    "module_path",
    "open_names",
    "placeholder",
    "signature_gaps",
    "span",
    "stubs",
    "wire",
]

_STUB = ast.parse("raise NotImplementedError").body[0]


@dataclass(frozen=True)
class Symbol:
    """A top-level function or class of a module; or the module itself, named after an object that it offers."""

    path: str
    name: str
    source: str
    whole: bool = False
    """Whether it stands for its whole module."""
    home: str = ""
    """The module as it was designed: what else stands there later came with the code of some version."""

    @property
    def module(self) -> str:
        """Dotted name of the module it stands in."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def interface(source: str) -> str:
    """Return ``source`` as a skeleton: every function body is its docstring and ``raise NotImplementedError``."""
    tree = parse_module(source, "skeleton")
    # Star imports hide where a name comes from, and linters with them.
    tree.body = [n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.names[0].name == "*")]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = node.body[:1] if ast.get_docstring(node) is not None else []
            node.body = [*doc, _STUB]
    return with_imports(ast.unparse(ast.fix_missing_locations(tree)) + "\n")


def placeholder(name: str) -> str:
    """Return the skeleton of a module that offers an object ``name``, which only its whole code can say more of."""
    return f"from typing import Any\n\n{name}: Any = ...\n"


def open_names(source: str) -> list[str]:
    """Return the objects of ``source`` that are a `placeholder` yet."""
    return sorted(
        name
        for node in parse_module(source, "module").body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant) and node.value.value is ...
        for name in assigned(node)
        if ast.unparse(node.annotation) == "Any" and not re.match(r"_[^_]", name)  # those are private
    )


def stubs(path: str, source: str) -> list[Symbol]:
    """Return what of ``source`` is to be written: its `functions`; where an object is a `placeholder`, all as one."""
    names = open_names(source)
    return [Symbol(path, names[0], source, whole=True, home=source)] if names else functions(path, source)


def functions(path: str, source: str) -> list[Symbol]:
    """Return the top-level functions and classes of ``source`` that still have a stub for a body."""
    return [
        Symbol(path, node.name, _text(source, node), home=source)
        for node in parse_module(source, path).body
        if isinstance(node, Definition) and _is_stub(node)
    ]


def fill(module: str, name: str, code: str) -> str:
    """Return ``module`` with its definition of ``name`` replaced by that of ``code``.

    Imports of ``code`` are added at the top, its other definitions (helpers) before ``name``;
    everything else in ``code`` (examples, prints, asserts) is dropped.

    Raises:
        ValueError: ``code`` does not define ``name``, or with another signature, or leaves it a stub.
    """
    old_tree, new_tree = parse_module(module, "module"), parse_module(code, "reply")
    old, new = _find(old_tree, name), _find(new_tree, name)
    if new is None:
        raise ValueError(f"the reply does not define {name}")
    if _is_stub(new):
        raise ValueError(f"{name} has no real body yet: implement it")
    if old is not None:
        _same_signature(old, new)
        if ast.get_docstring(new) is None and ast.get_docstring(old) is not None:
            new.body.insert(0, old.body[0])
            code_of_new = ast.unparse(ast.fix_missing_locations(new))
        else:
            code_of_new = _text(code, new)
        decorators = [ast.unparse(d) for d in old.decorator_list]
        if decorators and not new.decorator_list:
            code_of_new = "".join(f"@{d}\n" for d in decorators) + code_of_new
    else:
        code_of_new = _text(code, new)
    known = {n.name for n in old_tree.body if isinstance(n, Definition)}
    helpers = [
        _text(code, n) for n in new_tree.body if isinstance(n, Definition) and n is not new and n.name not in known
    ]
    block = "\n\n\n".join([*helpers, code_of_new])
    if old is None:
        result = _append(module, old_tree, block)
    else:
        lines = module.split("\n")
        start, end = span(old)
        lines[start:end] = block.split("\n")
        result = "\n".join(lines)
    constants = [n for n in new_tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    imports = [n for n in new_tree.body if isinstance(n, ast.Import | ast.ImportFrom) and n.names[0].name != "*"]
    return hoist(result, imports, constants)


def emptied(module: str, symbol: Symbol, elsewhere: Collection[str]) -> str:
    """Return ``module`` with ``symbol`` as it was designed, and without what nobody else uses of what came with its
    code; ``elsewhere`` are the names that other modules use."""
    tree = parse_module(module, "module")
    old = _find(tree, symbol.name)
    if old is None:
        return module
    result = _spliced(module, [(*span(old), symbol.source)])
    designed = top_names(parse_module(symbol.home, "module")) | {symbol.name, *elsewhere}
    while symbol.home:
        body = parse_module(result, "module").body
        used = [names_used(ast.unparse(node)) for node in body]
        begun_at = Counter(node.lineno for node in body)
        gone = [
            _lines_of(node)
            for number, node in enumerate(body)
            if (names := _named(node)) and not names & designed and not _used_elsewhere(names, used, number)
            if begun_at[node.lineno] == 1  # else another statement stands in its line
        ]
        if not gone:
            break
        result = _without_lines(result, gone)
    return result


def _named(node: ast.stmt) -> set[str]:
    """Return the names that a definition or constant of a module gives; none for other statements."""
    if isinstance(node, Definition):
        return {node.name}
    return assigned(node) if isinstance(node, ast.Assign | ast.AnnAssign) else set()


def _used_elsewhere(names: set[str], used: Sequence[set[str]], number: int) -> bool:
    return any(names & found for other, found in enumerate(used) if other != number)


def _without_lines(module: str, gone: Iterable[tuple[int, int]]) -> str:
    lines = module.split("\n")
    for start, end in sorted(gone, reverse=True):
        del lines[start:end]
    return "\n".join(lines)


def merge(existing: str, skeleton: str) -> str:
    """Return ``existing`` with what ``skeleton`` adds: imports, constants, new definitions and members of classes.

    A definition that both have keeps its code, unless the skeleton gives it another signature or docstring:
    then it becomes the skeleton's stub.
    """
    old_tree, new_tree = parse_module(existing, "module"), parse_module(skeleton, "skeleton")
    result = existing
    for node in new_tree.body:
        if not isinstance(node, Definition):
            continue
        old = _find(parse_module(result, "module"), node.name)
        if old is None:
            result = _append(result, parse_module(result, "module"), ast.unparse(node))
        elif isinstance(old, ast.ClassDef) and isinstance(node, ast.ClassDef):
            if _members(node).keys() - _members(old).keys() or (_is_stub(node) and _changed(old, node)):
                result = _with_class(result, old, node)
        elif _is_stub(node) and _changed(old, node):
            result = _spliced(result, [(*span(old), ast.unparse(node))])
    defined = top_names(old_tree)
    constants = [n for n in new_tree.body if isinstance(n, ast.Assign | ast.AnnAssign) and not (assigned(n) & defined)]
    imports = [n for n in new_tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    result = hoist(result, imports, constants)
    if not any(is_guard(n) for n in old_tree.body):
        result += "".join("\n\n" + ast.unparse(n) + "\n" for n in new_tree.body if is_guard(n))
    return result


def _with_class(module: str, old: ast.ClassDef, new: ast.ClassDef) -> str:
    """Return ``module`` with what ``new`` adds to its class ``old``: attributes, methods, decorators and bases; methods
    with another signature or docstring become stubs. All other code of the class stays as it is written.

    Where methods share a name (overloads, registered functions), the skeleton takes the class's place.
    """
    mine, wished = _members(old), _members(new)
    one_line = old.body[0].lineno == old.lineno
    if one_line or len(mine) != len(_nameable(old)) or len(wished) != len(_nameable(new)):
        return _spliced(module, [(*span(old), ast.unparse(new))])
    indent = " " * old.body[0].col_offset
    added = [(isinstance(n, Definition), indented(ast.unparse(n), indent)) for k, n in wished.items() if k not in mine]
    attributes, methods = [t for method, t in added if not method], [t for method, t in added if method]
    changes = [
        (*_lines_of(mine[key]), indented(ast.unparse(node), indent))
        for key, node in wished.items()
        if key in mine and _becomes_stub(mine[key], node)
    ]
    start, end = span(old)
    known = [n for n in old.body if isinstance(n, ast.Assign | ast.AnnAssign)] or old.body[:1]
    behind = isinstance(known[-1], ast.Assign | ast.AnnAssign) or ast.get_docstring(old) is not None
    at = _lines_of(known[-1])[1 if behind else 0]
    changes += [(at, at, "\n".join(attributes))] if attributes else []
    changes += [(end, end, "\n" + "\n\n".join(methods))] if methods else []
    if (new.decorator_list or new.bases or new.keywords) and _head(new) != _head(old):
        changes.append((start, _lines_of(old.body[0])[0], _head(new)))
    return _spliced(module, changes)


def _becomes_stub(old: ast.stmt, new: ast.stmt) -> bool:
    if not (isinstance(old, Definition) and isinstance(new, Definition)):
        return False
    return _is_stub(new) and _changed(old, new)


def _lines_of(node: ast.stmt) -> tuple[int, int]:
    return span(node) if isinstance(node, Definition) else (node.lineno - 1, node.end_lineno or node.lineno)


def _head(node: ast.ClassDef) -> str:
    """Return the lines of a class before its body."""
    bare = ast.ClassDef(node.name, node.bases, node.keywords, [ast.Pass()], node.decorator_list)
    return ast.unparse(bare).rpartition("\n")[0]


def _nameable(node: ast.ClassDef) -> list[ast.stmt]:
    return [n for n in node.body if isinstance(n, Definition | ast.Assign | ast.AnnAssign)]


def _members(node: ast.ClassDef) -> dict[tuple[str, ...], ast.stmt]:
    """Return name and, of a method, what its decorators make of it → attribute, method or inner class."""
    members: dict[tuple[str, ...], ast.stmt] = {}
    for member in _nameable(node):
        if isinstance(member, Definition):
            kinds = (ast.unparse(d).rpartition(".")[2] for d in member.decorator_list)
            members[(member.name, *(k for k in kinds if k in ("setter", "deleter", "getter", "overload")))] = member
        elif isinstance(member, ast.Assign | ast.AnnAssign):
            members[tuple(sorted(assigned(member)))] = member
    return members


def indented(text: str, by: str) -> str:
    """Return ``text`` with ``by`` before each line that is not empty."""
    return "\n".join(by + line if line else line for line in text.split("\n"))


def _spliced(module: str, changes: list[tuple[int, int, str]]) -> str:
    """Return ``module`` with each (from, to, text) in place of its lines."""
    lines = module.split("\n")
    for start, end, text in sorted(changes, key=lambda change: change[:2], reverse=True):
        lines[start:end] = text.split("\n")
    return "\n".join(lines)


def signature_gaps(path: str, skeleton: str, source: str) -> list[str]:
    """Say which definitions of ``skeleton`` are missing from ``source``, or are there with another signature."""
    gaps = []
    tree = parse_module(source, path)
    for node in parse_module(skeleton, path).body:
        if not isinstance(node, Definition):
            continue
        found = _find(tree, node.name)
        if found is None:
            gaps.append(f"{path}: {node.name} is missing")
            continue
        try:
            _same_signature(node, found)
        except ValueError as error:
            gaps.append(f"{path}: {error}")
    return gaps


def module_path(module: str, files: Iterable[str]) -> str | None:
    """Return the file of ``files`` that is the module with dotted name ``module``."""
    base = module.replace(".", "/")
    known = set(files)
    return next((path for path in (f"{base}/__init__.py", f"{base}.py") if path in known), None)


def missing_names(files: Mapping[str, str], required: Mapping[str, set[str]]) -> list[str]:
    """Say which of the ``required`` modules and names the Python ``files`` do not offer."""
    gaps = []
    for module, names in sorted(required.items()):
        path = module_path(module, files)
        if path is None:
            gaps.append(f"the module {module} is missing: plan {module.replace('.', '/')}.py")
            continue
        offered = top_names(parse_module(files[path], path))
        inside = {n for n in names if module_path(f"{module}.{n}", files)}
        gaps += [f"{path} must define {name}" for name in sorted(names - offered - inside)]
    return gaps


def wire(files: Mapping[str, str], required: Mapping[str, set[str]]) -> dict[str, str]:
    """Return ``files`` with what no model need be asked for: ``__init__.py`` files, and re-exports of
    ``required`` names that a sibling module defines."""
    wired = dict(files)
    for path in list(files):
        if path.endswith(".py") and not path.startswith("tests/"):
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                wired.setdefault("/".join(parts[:depth]) + "/__init__.py", "")
    for module, names in required.items():
        home = module_path(module, wired)
        if home is None or not home.endswith("__init__.py"):
            continue
        package = home.removesuffix("__init__.py")
        for name in sorted(names - top_names(parse_module(wired[home], home))):
            for path, source in sorted(wired.items()):
                if path.startswith(package) and path != home and path.endswith(".py"):
                    sibling = path.removesuffix(".py").replace("/", ".")
                    if _find(parse_module(source, path), name) and not sibling.endswith("__main__"):
                        statement = ast.parse(f"from {sibling} import {name} as {name}").body[0]
                        assert isinstance(statement, ast.ImportFrom)  # noqa: S101  (it was just built so)
                        wired[home] = hoist(wired[home], [statement], [])
                        break
    return wired


def is_guard(node: ast.stmt) -> bool:
    """Whether ``node`` is what a module does only when it is started: ``if __name__ == "__main__"``."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _find(tree: ast.Module, name: str) -> Definition | None:
    """Return the definition of ``name``: the last, as Python does; those before it are overloads."""
    return next((n for n in reversed(tree.body) if isinstance(n, Definition) and n.name == name), None)


def begun(source: str) -> bool:
    """Whether ``source`` is a class of which some methods have code, and some are stubs."""
    node = parse_module(source, "symbol").body[-1]
    return isinstance(node, ast.ClassDef) and any(found := _open(node)) and not all(found)


def _open(node: ast.ClassDef) -> list[bool]:
    """Return of each method whether it is a stub. One may well do nothing: that of a stub says that it is one."""
    methods = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [_is_stub(m) and "pass" not in map(ast.unparse, m.body) for m in methods]


def _is_stub(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        if any(ast.unparse(base).split("[")[0].endswith("Protocol") for base in node.bases):
            return False
        return any(_open(node))
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _role(node) in ("abstractmethod", "overload"):
        return False
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return all(
        isinstance(n, ast.Pass)
        or (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) and n.value.value is ...)
        or (isinstance(n, ast.Raise) and "NotImplementedError" in ast.unparse(n))
        for n in body
    )


def _changed(old: Definition, new: Definition) -> bool:
    try:
        _same_signature(new, old)
    except ValueError:
        return True
    doc = ast.get_docstring(new)
    return doc is not None and doc != ast.get_docstring(old)


def _same_signature(expected: Definition, found: Definition) -> None:
    """Raise ValueError unless ``found`` can be called as ``expected`` says."""
    if isinstance(expected, ast.ClassDef) or isinstance(found, ast.ClassDef):
        if not (isinstance(expected, ast.ClassDef) and isinstance(found, ast.ClassDef)):
            raise ValueError(
                f"{expected.name} must be a {'class' if isinstance(expected, ast.ClassDef) else 'function'}"
            )
        methods = _methods(found)
        for key, method in _methods(expected).items():
            if key not in methods:
                raise ValueError(f"{expected.name} lacks the method {method.name}")
            _same_signature(method, methods[key])
        return
    if type(expected) is not type(found) or _parameters(expected) != _parameters(found):
        kind = "async def" if isinstance(expected, ast.AsyncFunctionDef) else "def"
        raise ValueError(f"keep the signature {kind} {expected.name}({ast.unparse(expected.args)})")


def _methods(node: ast.ClassDef) -> dict[tuple[str, bool], ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return (name, whether it is a property's setter) → method; overloads apart."""
    return {
        (n.name, _role(n) == "setter"): n
        for n in node.body
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and _role(n) != "overload"
    }


def _role(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    """Return what a decorator makes of a function, where that matters for its body or its name."""
    names = [ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list]
    return next((name for name in names if name in ("abstractmethod", "overload", "setter")), None)


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[object, ...]:
    args = node.args
    return (
        [a.arg for a in (*args.posonlyargs, *args.args)],
        len(args.defaults),
        args.vararg is not None,
        [a.arg for a in args.kwonlyargs],
        args.kwarg is not None,
    )


def span(node: Definition) -> tuple[int, int]:
    """Return the half-open range of zero-based lines of ``node``, decorators included."""
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return first - 1, node.end_lineno or node.lineno


def _text(source: str, node: Definition) -> str:
    start, end = span(node)
    return "\n".join(source.split("\n")[start:end])


def _append(module: str, tree: ast.Module, block: str) -> str:
    """Return ``module`` with ``block`` at its end, but before an ``if __name__ == …`` block."""
    tail = next((n for n in tree.body if is_guard(n)), None)
    lines = module.rstrip("\n").split("\n")
    cut = tail.lineno - 1 if tail is not None else len(lines)
    head, rest = "\n".join(lines[:cut]).rstrip("\n"), "\n".join(lines[cut:])
    return f"{head}\n\n\n{block}\n" + (f"\n\n{rest}\n" if rest else "")
