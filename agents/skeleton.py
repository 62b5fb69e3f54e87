"""Python skeletons: what a module offers, without how. Read, compared, filled in and wired by code, not by a model."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agents.parsing import parse_module

__all__ = [
    "Symbol",
    "fill",
    "imported_names",
    "interface",
    "merge",
    "missing_names",
    "module_path",
    "names_used",
    "signature_gaps",
    "stubs",
    "wire",
    "with_imports",
]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_STUB = ast.parse("raise NotImplementedError").body[0]


@dataclass(frozen=True)
class Symbol:
    """A top-level function or class of a module."""

    path: str
    name: str
    source: str

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


def stubs(path: str, source: str) -> list[Symbol]:
    """Return the top-level functions and classes of ``source`` that still have a stub for a body."""
    return [
        Symbol(path, node.name, _text(source, node))
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
        start, end = _span(old)
        lines[start:end] = block.split("\n")
        result = "\n".join(lines)
    constants = [n for n in new_tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    imports = [n for n in new_tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    return _hoist(result, imports, constants)


def merge(existing: str, skeleton: str) -> str:
    """Return ``existing`` with what ``skeleton`` adds: imports, constants, new definitions, changed docstrings.

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
        elif _is_stub(node) and _changed(old, node):
            lines = result.split("\n")
            start, end = _span(old)
            lines[start:end] = ast.unparse(node).split("\n")
            result = "\n".join(lines)
    defined = _top_names(old_tree)
    constants = [n for n in new_tree.body if isinstance(n, ast.Assign | ast.AnnAssign) and not (_assigned(n) & defined)]
    imports = [n for n in new_tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    result = _hoist(result, imports, constants)
    has_main = any(isinstance(n, ast.If) for n in old_tree.body)
    if not has_main:
        result += "".join("\n\n" + ast.unparse(n) + "\n" for n in new_tree.body if isinstance(n, ast.If))
    return result


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


def imported_names(source: str, third_party: Iterable[str] = ()) -> dict[str, set[str]]:
    """Return module → names that ``source`` imports from the project: not from Python, pytest or ``third_party``."""
    outside = {*sys.stdlib_module_names, "pytest", *(name.replace("-", "_").lower() for name in third_party)}
    found: dict[str, set[str]] = {}
    for node in ast.walk(parse_module(source, "source")):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, set())
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return {module: names for module, names in found.items() if module.partition(".")[0].lower() not in outside}


def names_used(source: str) -> set[str]:
    """Return the plain names and attributes that ``source`` uses, imports apart."""
    nodes = list(ast.walk(parse_module(source, "source")))
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def with_imports(source: str) -> str:
    """Return ``source`` with imports for the standard library's names that it uses and nowhere binds.

    A missing import is the most frequent slip of small models, and the surest to mend: a name counts only
    where it is a module's own name (``json``) or one of the few names in `_HOMES` that mean one thing.
    """
    tree = parse_module(source, "module")
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, Definition)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    if any(alias.name == "*" for n in imports for alias in n.names):
        return source
    bound |= {(alias.asname or alias.name).partition(".")[0] for n in imports for alias in n.names}
    added = []
    for name in sorted(used - bound - set(dir(builtins))):
        if name in _HOMES:
            added.append(f"from {_HOMES[name]} import {name}")
        elif name in sys.stdlib_module_names:
            added.append(f"import {name}")
    return _hoist(source, ast.parse("\n".join(added)).body, []) if added else source


_HOMES = {
    **dict.fromkeys(("Any", "Dict", "List", "Optional", "Set", "Tuple", "Union", "NamedTuple", "Literal"), "typing"),
    **dict.fromkeys(("Callable", "Iterable", "Iterator", "Mapping", "Sequence"), "collections.abc"),
    **dict.fromkeys(("Counter", "OrderedDict", "defaultdict", "deque"), "collections"),
    **dict.fromkeys(("dataclass", "field"), "dataclasses"),
    **dict.fromkeys(("timedelta", "timezone"), "datetime"),
    "Decimal": "decimal",
    "Enum": "enum",
    "Path": "pathlib",
    "uuid4": "uuid",
}


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
        offered = _top_names(parse_module(files[path], path))
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
        for name in sorted(names - _top_names(parse_module(wired[home], home))):
            for path, source in sorted(wired.items()):
                if path.startswith(package) and path != home and path.endswith(".py"):
                    sibling = path.removesuffix(".py").replace("/", ".")
                    if _find(parse_module(source, path), name) and not sibling.endswith("__main__"):
                        statement = ast.parse(f"from {sibling} import {name} as {name}").body[0]
                        assert isinstance(statement, ast.ImportFrom)  # noqa: S101  (it was just built so)
                        wired[home] = _hoist(wired[home], [statement], [])
                        break
    return wired


def _find(tree: ast.Module, name: str) -> Definition | None:
    return next((n for n in tree.body if isinstance(n, Definition) and n.name == name), None)


def _is_stub(node: ast.stmt) -> bool:
    if isinstance(node, ast.ClassDef):
        return any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef) and _is_stub(n) for n in node.body)
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
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
        methods = {n.name: n for n in found.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in expected.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.name not in methods:
                    raise ValueError(f"{expected.name} lacks the method {node.name}")
                _same_signature(node, methods[node.name])
        return
    if type(expected) is not type(found) or _parameters(expected) != _parameters(found):
        kind = "async def" if isinstance(expected, ast.AsyncFunctionDef) else "def"
        raise ValueError(f"keep the signature {kind} {expected.name}({ast.unparse(expected.args)})")


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[object, ...]:
    args = node.args
    return (
        [a.arg for a in (*args.posonlyargs, *args.args)],
        len(args.defaults),
        args.vararg is not None,
        [a.arg for a in args.kwonlyargs],
        args.kwarg is not None,
    )


def _span(node: Definition) -> tuple[int, int]:
    """Return the half-open range of zero-based lines of ``node``, decorators included."""
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return first - 1, node.end_lineno or node.lineno


def _text(source: str, node: Definition) -> str:
    start, end = _span(node)
    return "\n".join(source.split("\n")[start:end])


def _append(module: str, tree: ast.Module, block: str) -> str:
    """Return ``module`` with ``block`` at its end, but before an ``if __name__ == …`` block."""
    tail = next((n for n in tree.body if isinstance(n, ast.If) and "__name__" in ast.unparse(n.test)), None)
    lines = module.rstrip("\n").split("\n")
    cut = tail.lineno - 1 if tail is not None else len(lines)
    head, rest = "\n".join(lines[:cut]).rstrip("\n"), "\n".join(lines[cut:])
    return f"{head}\n\n\n{block}\n" + (f"\n\n{rest}\n" if rest else "")


def _hoist(module: str, imports: Iterable[ast.stmt], constants: Iterable[ast.Assign | ast.AnnAssign]) -> str:
    """Return ``module`` with ``imports`` and ``constants`` that it lacks added below its docstring and imports."""
    tree = parse_module(module, "module")
    present = {ast.unparse(n) for n in tree.body}
    taken = _top_names(tree)
    wanted = [ast.unparse(n) for n in imports]
    values = [ast.unparse(n) for n in constants if not (_assigned(n) & taken)]
    future = [w for w in wanted if w.startswith("from __future__") and w not in present]
    normal = [w for w in wanted if not w.startswith("from __future__") and w not in present]
    if not (future or normal or values):
        return module
    doc_end = tree.body[0].end_lineno or 0 if ast.get_docstring(tree) is not None else 0
    head_end = doc_end
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            head_end = max(head_end, node.end_lineno or 0)
    lines = module.split("\n")
    body = [*lines[:doc_end], *dict.fromkeys(future), *lines[doc_end:head_end], *dict.fromkeys(normal)]
    return "\n".join([*body, *values, *lines[head_end:]])


def _top_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= _assigned(node)
    return names


def _assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
