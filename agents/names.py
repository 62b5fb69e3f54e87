"""Names and imports of Python sources: which are used, bound or missing; mended by code, not by a model."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeGuard

from agents.parsing import parse_module

__all__ = [
    "Definition",
    "ambiguous",
    "assigned",
    "hoist",
    "imported_names",
    "names_used",
    "top_names",
    "undefined",
    "unhidden",
    "with_imports",
]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def imported_names(source: str, third_party: Iterable[str] = ()) -> dict[str, set[str]]:
    """Return module → names that ``source`` imports from the project: not from Python, pytest or ``third_party``."""
    outside = {*sys.stdlib_module_names, "pytest", *third_party}
    found: dict[str, set[str]] = {}
    for node in ast.walk(parse_module(source, "source")):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found.setdefault(alias.name, set())
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return {module: names for module, names in found.items() if module.partition(".")[0] not in outside}


def names_used(source: str) -> set[str]:
    """Return the plain names and attributes that ``source`` uses, imports apart."""
    nodes = list(ast.walk(parse_module(source, "source")))
    return {n.id for n in nodes if isinstance(n, ast.Name)} | {n.attr for n in nodes if isinstance(n, ast.Attribute)}


def with_imports(source: str, homes: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return ``source`` with imports for the names that it uses and nowhere binds: those of ``homes``
    (name → module of the project), and the standard library's.

    A missing import is the most frequent slip of small models, and the surest to mend: a name counts only
    where it is a module's own name (``json``) or one of the names in `_HOMES` that mean one thing.
    """
    added = []
    for name in sorted(undefined(source)):
        if name in homes:
            added.append(f"from {homes[name]} import {name}")
        elif name == "datetime" and not _attributes(source, name) & _OF_DATETIME:
            added.append("from datetime import datetime")
        elif name in _HOMES:
            added.append(f"from {_HOMES[name]} import {name}")
        elif name in sys.stdlib_module_names:
            added.append(f"import {name}")
    return hoist(source, ast.parse("\n".join(added)).body, []) if added else source


def undefined(source: str) -> set[str]:
    """Return the names that ``source`` uses and nowhere binds; none where it imports all that a module has."""
    tree = parse_module(source, "module")
    loaded = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    arguments = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    hints = [h for n in ast.walk(tree) if (h := getattr(n, "annotation", None) or getattr(n, "returns", None))]
    in_hints = {n for hint in hints for n in ast.walk(hint)}  # where ``date: date`` means the class, not the argument
    used = {n.id for n in loaded if n in in_hints or n.id not in arguments}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, Definition)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    if any(alias.name == "*" for n in imports for alias in n.names):
        return set()
    bound |= {(alias.asname or alias.name).partition(".")[0] for n in imports for alias in n.names}
    return used - bound - set(dir(builtins)) - {"__file__"}


def ambiguous(source: str) -> set[str]:
    """Return the names that the imports of ``source`` give two meanings, as ``datetime`` is a module and a class."""
    meanings: dict[str, set[str]] = {}
    for node in parse_module(source, "module").body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                meaning = alias.name if alias.asname else alias.name.partition(".")[0]
                meanings.setdefault(alias.asname or meaning, set()).add(meaning)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                meanings.setdefault(alias.asname or alias.name, set()).add(f"{node.module} {alias.name}")
    return {name for name, found in meanings.items() if len(found) > 1}


def unhidden(source: str) -> str:
    """Return ``source`` with a ``_`` before each attribute that hides the method of its class which reads it:
    ``self.history = []`` beside ``def history(self): return self.history``. Whoever calls that method would fail.

    What may be meant otherwise stays as it is: see `_hidden`.
    """
    lines = source.split("\n")
    tree = parse_module(source, "module")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and (names := _hidden(node, tree)):
            # A call means the method. Looked for in the text, as Python 3.11 does not say where in an f-string it is.
            pattern = re.compile(rf"\bself\.({'|'.join(sorted(names))})\b(?!\s*\()")
            span = slice(node.lineno - 1, node.end_lineno)
            lines[span] = [pattern.sub(r"self._\1", line) for line in lines[span]]
    return "\n".join(lines)


_BY_NAME = re.compile(r"\b(getattr|setattr|hasattr|vars|__dict__|__slots__|__setattr__|__getattr\w*__)\b|\.setter\b")


def _hidden(node: ast.ClassDef, module: ast.Module) -> set[str]:
    """Return the methods and properties of ``node`` that ``__init__`` always hides, and that read what hides them.

    None that another object's or class's code may mean as an attribute, that may hold something to call, whose new name
    is in use, or where attributes are looked for by their names or set by properties.
    """
    text, parts = ast.unparse(module), list(ast.walk(node))
    if _BY_NAME.search(text) or any(isinstance(n, ast.ClassDef) for n in parts[1:]):
        return set()
    methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
    values: dict[str, ast.expr | None] = {}
    for statement in methods["__init__"].body if "__init__" in methods else []:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            values |= {target.attr: statement.value for target in targets if _of_self(target)}
    called = {n.func for n in ast.walk(module) if isinstance(n, ast.Call)}
    uses = [n for n in ast.walk(module) if isinstance(n, ast.Attribute)]
    own = {n for n in parts if _of_self(n)}
    found = set[str]()
    for name in values.keys() & methods.keys():
        mine = [n for n in uses if n.attr == name]
        plain = {ast.unparse(d) for d in methods[name].decorator_list} <= {"property"}
        reads = any(n.attr == name and n not in called for n in ast.walk(methods[name]) if _of_self(n))
        elsewhere = any(n not in own and n not in called for n in mine)
        held = isinstance(values[name], ast.Name | ast.Attribute | ast.Lambda) and any(n in called & own for n in mine)
        if plain and reads and not elsewhere and not held and not re.search(rf"\b_{name}\b", text):
            found.add(name)
    return found


def _of_self(node: ast.AST) -> TypeGuard[ast.Attribute]:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def _attributes(source: str, name: str) -> set[str]:
    nodes = ast.walk(ast.parse(source))
    return {n.attr for n in nodes if isinstance(n, ast.Attribute) and ast.unparse(n.value) == name}


_OF_DATETIME = {"date", "datetime", "time", "timedelta", "timezone"}
"""Where one of these is taken of ``datetime`` that means the module, else the class in it."""

_HOMES = {
    name: home
    for home, names in {
        "abc": "ABC abstractmethod",
        "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
        "collections.abc": "Callable Generator Hashable Iterable Iterator Mapping MutableMapping Sequence",
        "contextlib": "contextmanager suppress",
        "copy": "deepcopy",
        "dataclasses": "asdict dataclass field",
        "datetime": "date timedelta timezone",
        "decimal": "Decimal InvalidOperation ROUND_HALF_EVEN ROUND_HALF_UP",
        "enum": "Enum IntEnum StrEnum",
        "fractions": "Fraction",
        "functools": "cached_property lru_cache partial reduce total_ordering wraps",
        "io": "BytesIO StringIO",
        "pathlib": "Path PurePath PurePosixPath",
        "typing": "Any ClassVar Dict Final Generic IO List Literal NamedTuple Optional Protocol Self Set TextIO Tuple"
        " Type TypedDict TypeVar Union",
        "urllib.parse": "urlparse urlsplit",
        "uuid": "UUID uuid4",
        "zoneinfo": "ZoneInfo",
    }.items()
    for name in names.split()
}


def hoist(module: str, imports: Iterable[ast.stmt], constants: Iterable[ast.Assign | ast.AnnAssign]) -> str:
    """Return ``module`` with ``imports`` and ``constants`` that it lacks added below its docstring and imports.

    A constant that uses a function or class of the module stands below that.
    """
    tree = parse_module(module, "module")
    present = set(_single(tree.body))
    taken = top_names(tree)
    wanted = _single(imports)
    ends = {n.name: n.end_lineno or 0 for n in tree.body if isinstance(n, Definition)}
    values: list[str] = []
    below: list[tuple[int, str]] = []
    for constant in constants:
        if not assigned(constant) & taken:
            after = max((ends[name] for name in names_used(ast.unparse(constant)) & set(ends)), default=0)
            if after:
                below.append((after, ast.unparse(constant)))
            else:
                values.append(ast.unparse(constant))
    future = [w for w in wanted if w.startswith("from __future__") and w not in present]
    normal = [w for w in wanted if not w.startswith("from __future__") and w not in present]
    if not (future or normal or values or below):
        return module
    doc_end = tree.body[0].end_lineno or 0 if ast.get_docstring(tree) is not None else 0
    head_end = doc_end
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            head_end = max(head_end, node.end_lineno or 0)
    lines = module.split("\n")
    for after, constant_text in sorted(below, key=lambda pair: -pair[0]):  # from behind: line numbers stay right
        lines[after:after] = ["", "", constant_text]
    body = [*lines[:doc_end], *dict.fromkeys(future), *lines[doc_end:head_end], *dict.fromkeys(normal)]
    return "\n".join([*body, *values, *lines[head_end:]])


def _single(statements: Iterable[ast.stmt]) -> list[str]:
    """Return the import statements among ``statements``, taken apart: one name each."""
    single: list[str] = []
    for node in statements:
        if isinstance(node, ast.Import):
            single += [ast.unparse(ast.Import([alias])) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            single += [ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in node.names]
    return single


def top_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= assigned(node)
    return names


def assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
