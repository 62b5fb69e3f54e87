"""Python modules put together by code: code filled into a skeleton, skeletons merged into what is there, packages wired
up. Where a model would have to copy what it may not change, nothing is asked of it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Mapping

from agents.names import Definition, assigned, hoist, names_used, top_names
from agents.parsing import parse_module
from agents.skeleton import (
    Symbol,
    changed,
    find,
    is_guard,
    is_overload,
    is_stub,
    module_path,
    same_signature,
    span,
    text_of,
)
from schemas.architecture import own_code

__all__ = ["emptied", "fill", "indented", "merge", "wire"]


def fill(module: str, name: str, code: str) -> str:
    """Return ``module`` with its definition of ``name`` replaced by that of ``code``.

    Imports of ``code`` are added at the top, its other definitions (helpers) before ``name``;
    everything else in ``code`` (examples, prints, asserts) is dropped.

    Raises:
        ValueError: ``code`` does not define ``name``, or with another signature, or leaves it a stub.
    """
    old_tree, new_tree = parse_module(module, "module"), parse_module(code, "reply")
    old, new = find(old_tree, name), find(new_tree, name)
    if new is None:
        raise ValueError(f"the reply does not define {name}")
    if is_stub(new):
        raise ValueError(f"{name} has no real body yet: implement it")
    if old is not None:
        same_signature(old, new)
        if ast.get_docstring(new) is None and ast.get_docstring(old) is not None:
            new.body.insert(0, old.body[0])
            code_of_new = ast.unparse(ast.fix_missing_locations(new))
        else:
            code_of_new = text_of(code, new)
        decorators = [ast.unparse(d) for d in old.decorator_list]
        if decorators and not new.decorator_list:
            code_of_new = "".join(f"@{d}\n" for d in decorators) + code_of_new
    else:
        code_of_new = text_of(code, new)
    known = {n.name for n in old_tree.body if isinstance(n, Definition)}
    helpers = [
        text_of(code, n) for n in new_tree.body if isinstance(n, Definition) and n is not new and n.name not in known
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
    old = find(tree, symbol.name)
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
            if (names := _named(node)) and not names & designed.union(*used[:number], *used[number + 1 :])
            if begun_at[node.lineno] == 1  # else another statement stands in its line
        ]
        if not gone:
            break
        result = _spliced(result, [(start, end, "") for start, end in gone])
    return result


def _named(node: ast.stmt) -> set[str]:
    """Return the names that a definition or constant of a module gives; none for other statements."""
    if isinstance(node, Definition):
        return {node.name}
    return assigned(node) if isinstance(node, ast.Assign | ast.AnnAssign) else set()


def merge(existing: str, skeleton: str) -> str:
    """Return ``existing`` with what ``skeleton`` adds: imports, those under a condition too, constants, new definitions
    and members of classes. Where nothing exists yet, that is all of it.

    A definition that both have keeps its code, unless the skeleton gives it another signature or docstring:
    then it becomes the skeleton's stub.
    """
    old_tree, new_tree = parse_module(existing, "module"), parse_module(skeleton, "skeleton")
    if not existing.strip() and _is_more_than_parts(new_tree):
        return skeleton
    result = existing
    for name in dict.fromkeys(node.name for node in new_tree.body if isinstance(node, Definition)):
        result = _with_definitions(result, name, _named_so(new_tree, name))
    defined = top_names(old_tree)
    constants = [n for n in new_tree.body if isinstance(n, ast.Assign | ast.AnnAssign) and not (assigned(n) & defined)]
    imports = [n for n in new_tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    result = hoist(_with_conditional_imports(result, new_tree), imports, constants)
    if not any(is_guard(n) for n in old_tree.body):
        result += "".join("\n\n" + ast.unparse(n) + "\n" for n in new_tree.body if is_guard(n))
    return result


def _is_more_than_parts(tree: ast.Module) -> bool:
    """Whether a module is more than definitions of different names, imports, constants and how it is started."""
    names = Counter(node.name for node in tree.body if isinstance(node, Definition))
    parts = (*Definition.__args__, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    return any(names[name] > 1 for name in names) or any(
        not isinstance(n, parts) and not is_guard(n) for n in tree.body
    )


def _with_definitions(module: str, name: str, wished: list[Definition]) -> str:
    """Return ``module`` with all definitions of ``name`` that are ``wished``. Where it has as many, each is the same as
    the one in its place; else one with a decorator is the one that is decorated and called alike, another the last."""
    there = _named_so(parse_module(module, "module"), name)
    overloads, known = ([_called(node) for node in nodes if is_overload(node)] for nodes in (wished, there))
    if there and overloads and overloads != known:
        return _with_overloads(module, there, wished)
    as_many = len(wished) - len(overloads) == len(there) - len(known)
    for number, node in enumerate(node for node in wished if not there or not is_overload(node)):
        mine = [n for n in _named_so(parse_module(module, "module"), name) if not is_overload(n)] if there else []
        alike = [n for n in mine if not node.decorator_list or _called(n) == _called(node)]
        found = mine[number : number + 1] if as_many else alike[-1:]
        module = _with_definition(module, found[0] if found else None, node)
    return module


def _named_so(tree: ast.Module, name: str) -> list[Definition]:
    return [node for node in tree.body if isinstance(node, Definition) and node.name == name]


def _called(node: Definition) -> str:
    """Return what tells a definition from others of its name: decorators and parameters."""
    arguments = "" if isinstance(node, ast.ClassDef) else ast.unparse(node.args)
    return "\n".join([*map(ast.unparse, node.decorator_list), arguments])


def _with_definition(module: str, old: Definition | None, new: Definition) -> str:
    """Return ``module`` with ``new`` in it, or what it changes of its definition ``old``."""
    if old is None:
        return _append(module, parse_module(module, "module"), ast.unparse(new))
    if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef):
        if _members(new).keys() - _members(old).keys() or (is_stub(new) and changed(old, new)):
            return _with_class(module, old, new)
    elif is_stub(new) and changed(old, new):
        return _spliced(module, [(*span(old), ast.unparse(new))])
    return module


def _with_overloads(module: str, there: list[Definition], wished: list[Definition]) -> str:
    """Return ``module`` with the overloads of ``wished`` in place of those that are ``there``; the code of the function
    stays unless it is to be another one."""
    *others, code = there
    kept = text_of(module, code)
    stays = [not is_overload(node) and not (is_stub(node) and changed(code, node)) for node in wished]
    texts = [kept if keep else ast.unparse(node) for node, keep in zip(wished, stays, strict=True)]
    return _spliced(module, [(*span(code), "\n\n\n".join(texts)), *((*span(node), "") for node in others)])


def _with_conditional_imports(module: str, skeleton: ast.Module) -> str:
    """Return ``module`` with those imports of ``skeleton`` below its own that depend on something, as under
    ``if TYPE_CHECKING``, and bring a name that it lacks."""
    tree = parse_module(module, "module")
    known = top_names(tree).union(*map(_imported, tree.body))
    texts = [ast.unparse(node) for node in skeleton.body if not is_guard(node) and _imported(node) - known]
    if not texts:
        return module
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    head = imports or (tree.body[:1] if ast.get_docstring(tree) is not None else [])
    at = max((n.end_lineno or 0 for n in head), default=0)
    return _spliced(module, [(at, at, "\n".join(texts))])


def _imported(node: ast.stmt) -> set[str]:
    """Return the names that a ``try`` or ``if`` imports."""
    if not isinstance(node, ast.Try | ast.If):
        return set()
    imports = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
    return {(alias.asname or alias.name).partition(".")[0] for n in imports for alias in n.names}


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
    return is_stub(new) and changed(old, new)


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


def wire(files: Mapping[str, str], required: Mapping[str, set[str]]) -> dict[str, str]:
    """Return ``files`` with what no model need be asked for: ``__init__.py`` files, and re-exports of
    ``required`` names that a sibling module defines."""
    wired = dict(files)
    for path in own_code(files):
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
                    if find(parse_module(source, path), name) and not sibling.endswith("__main__"):
                        statement = ast.parse(f"from {sibling} import {name} as {name}").body[0]
                        assert isinstance(statement, ast.ImportFrom)  # noqa: S101  (it was just built so)
                        wired[home] = hoist(wired[home], [statement], [])
                        break
    return wired


def _append(module: str, tree: ast.Module, block: str) -> str:
    """Return ``module`` with ``block`` at its end, but before an ``if __name__ == …`` block."""
    tail = next((n for n in tree.body if is_guard(n)), None)
    lines = module.rstrip("\n").split("\n")
    cut = tail.lineno - 1 if tail is not None else len(lines)
    head, rest = "\n".join(lines[:cut]).rstrip("\n"), "\n".join(lines[cut:])
    return f"{head}\n\n\n{block}\n" + (f"\n\n{rest}\n" if rest else "")
