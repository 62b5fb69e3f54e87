"""Python skeletons: what a module offers, without how. Read and compared by code, not by a model."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.names import Definition, assigned, top_names, with_imports
from agents.parsing import parse_module

__all__ = [
    "Symbol",
    "begun",
    "changed",
    "find",
    "functions",
    "interface",
    "is_guard",
    "is_overload",
    "is_stub",
    "missing_names",
    "module_path",
    "open_names",
    "placeholder",
    "same_signature",
    "signature_gaps",
    "span",
    "stubs",
    "text_of",
    "unwritten",
    "without_docstring",
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


def without_docstring(source: str) -> str:
    """Return the module ``source`` without its own docstring."""
    tree = parse_module(source, "module")
    end = 0 if ast.get_docstring(tree) is None else tree.body[0].end_lineno
    return "\n".join(source.split("\n")[end:])


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
        Symbol(path, node.name, text_of(source, node), home=source)
        for node in parse_module(source, path).body
        if isinstance(node, Definition) and is_stub(node)
    ]


def signature_gaps(path: str, skeleton: str, source: str) -> list[str]:
    """Say which definitions of ``skeleton`` are missing from ``source``, or are there with another signature."""
    gaps = []
    definitions = [n for n in reversed(parse_module(source, path).body) if isinstance(n, Definition)]
    for node in parse_module(skeleton, path).body:
        if not isinstance(node, Definition) or is_overload(node):
            continue
        found = [n for n in definitions if n.name == node.name and not is_overload(n)]
        if not found:
            gaps.append(f"{path}: {node.name} is missing")
            continue
        wrong = [error for n in found if (error := _difference(node, n))]
        if len(wrong) == len(found):
            gaps.append(f"{path}: {wrong[0]}")
    return gaps


def _difference(expected: Definition, found: Definition) -> str:
    try:
        same_signature(expected, found)
    except ValueError as error:
        return str(error)
    return ""


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


def is_guard(node: ast.stmt) -> bool:
    """Whether ``node`` is what a module does only when it is started: ``if __name__ == "__main__"``."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def find(tree: ast.Module, name: str) -> Definition | None:
    """Return the definition of ``name``: the last, as Python does; those before it are overloads."""
    return next((n for n in reversed(tree.body) if isinstance(n, Definition) and n.name == name), None)


def begun(source: str) -> bool:
    """Whether ``source`` is a class of which some methods have code, and some are stubs."""
    node = parse_module(source, "symbol").body[-1]
    return isinstance(node, ast.ClassDef) and 0 < len(_open(node)) < len(_functions(node))


def _functions(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def _open(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the methods that are stubs. One may well do nothing: that of a stub says that it is one."""
    return [m for m in _functions(node) if is_stub(m) and "pass" not in map(ast.unparse, m.body)]


def is_stub(node: ast.stmt) -> bool:
    """Whether ``node`` is a function without a body yet, or a class with such a method."""
    if isinstance(node, ast.ClassDef):
        if any(ast.unparse(base).split("[")[0].endswith("Protocol") for base in node.bases):
            return False
        return bool(_open(node))
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _role(node) in ("abstractmethod", "overload"):
        return False
    return all(isinstance(n, ast.Pass) or _is_mark(n) for n in _body(node))


def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node) is not None else node.body


def _is_idle_on_purpose(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether nothing says that a function without code is to get some: its hint says that it returns nothing, or there
    is no hint and a decorator makes something of it."""
    if any(map(_is_mark, _body(node))):
        return False
    if node.returns is None:
        return bool(node.decorator_list)
    return isinstance(node.returns, ast.Constant) and node.returns.value in (None, "None")


def _is_mark(node: ast.stmt) -> bool:
    """Whether a statement says that it stands for code which is not there yet."""
    if isinstance(node, ast.Raise):
        return "NotImplementedError" in ast.unparse(node)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...


def unwritten(files: Mapping[str, str]) -> list[str]:
    """Return what has no code yet in the Python ``files`` of a project (path → content), each as "path: name".

    What a class of the project writes that inherits it need not be written where it stands first, and what returns
    nothing may do nothing.
    """
    trees = {path: parse_module(source, path) for path, source in files.items()}
    classes = [node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)]
    found = [f"{path}: {name}" for path, source in files.items() for name in open_names(source)]
    for path, tree in trees.items():
        for node in filter(is_stub, tree.body):
            if isinstance(node, ast.ClassDef):
                left = [m for m in _open(node) if not _is_idle_on_purpose(m)]
                names = [m.name for m in left if not _is_written_below(node.name, m.name, classes)]
                found += [f"{path}: {node.name}.{name}" for name in names]
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_idle_on_purpose(node):
                found.append(f"{path}: {node.name}")
    return found


def _is_written_below(name: str, method: str, classes: Sequence[ast.ClassDef]) -> bool:
    """Whether one of ``classes`` that inherits from ``name`` has code for ``method``."""
    line, below = {name}, list[ast.ClassDef]()
    while more := [c for c in classes if c not in below and c.name != name and line & set(map(_base, c.bases))]:
        below += more
        line |= {c.name for c in more}
    return any(m.name == method and m not in _open(c) for c in below for m in _functions(c))


def _base(node: ast.expr) -> str:
    return ast.unparse(node).partition("[")[0].rpartition(".")[2]


def changed(old: Definition, new: Definition) -> bool:
    """Whether ``new`` gives ``old`` another signature or docstring."""
    try:
        same_signature(new, old)
    except ValueError:
        return True
    doc = ast.get_docstring(new)
    return doc is not None and doc != ast.get_docstring(old)


def same_signature(expected: Definition, found: Definition) -> None:
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
            same_signature(method, methods[key])
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


def is_overload(node: ast.stmt) -> bool:
    """Whether ``node`` only says how a function can be called whose code stands below it."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _role(node) == "overload"


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


def text_of(source: str, node: Definition) -> str:
    """Return the lines of ``source`` that hold ``node``, decorators included."""
    start, end = span(node)
    return "\n".join(source.split("\n")[start:end])
