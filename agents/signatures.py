"""The interface of one function or class, as a small model is asked for it: of a function the first line, of a class
its methods. What they do is told in the user's words."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from agents.context import Context
from agents.contracts import attributes, bullets, features_of
from agents.names import Definition, assigned, with_imports
from agents.parsing import cut_off, fences, parse_module, python_from
from agents.runner import Task
from agents.selection import interfaces
from agents.skeleton import interface
from schemas.specification import Contract

__all__ = ["CHOICES", "methods", "signature", "without_hints"]

CHOICES = 4
"""How many more versions of a signature are asked for at once, where the likeliest one does not fit."""

CLASS_TOKENS = 700
"""So long may the reply with a class be."""
SHORTEST = 2
"""So many characters a token of code has at least, on average: a shorter reply was not cut off by the limit."""

_METHOD = re.compile(r"^    (?:async )?def (\w+)", re.M)


def methods(source: str) -> set[str]:
    """Return the names of the methods of all classes of ``source``."""
    classes = [node for node in parse_module(source, "module").body if isinstance(node, ast.ClassDef)]
    return {m.name for node in classes for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)}


def without_hints(source: str) -> str:
    """Return ``source`` without type hints; attributes, which need one, may be anything."""
    tree = parse_module(source, "signature")
    tree.body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]  # hints needed most
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Name("Any")
    return with_imports(ast.unparse(ast.fix_missing_locations(tree)) + "\n")


def signature(context: Context, contract: Contract, specified: Collection[str]) -> Task[str]:
    """Ask for a class's interface, or for a function's first line: its docstring follows from the contract."""
    is_class = contract.kind == "class"

    def parse(text: str) -> str:
        text = text if is_class else f"{text.rstrip().removesuffix('```').rstrip()}\n    ...\n```"
        source = python_from(text, members=is_class)
        tree = parse_module(source, "reply")
        found = next((n for n in tree.body if isinstance(n, Definition) and n.name == contract.name), None)
        if found is None:
            raise ValueError(f"the reply does not define {contract.name}")
        if isinstance(found, ast.ClassDef):
            block = blocks[0].content if (blocks := fences(text)) else text
            last = [n for n in tree.body if isinstance(n, ast.ClassDef)][-1]
            if last is found and block[len(source) :].lstrip("\n").startswith(" "):
                lost = set(_METHOD.findall(block)) - methods(source)
                if len(lost) > 1 or not cut_off(block) or len(block) < SHORTEST * CLASS_TOKENS:  # wrong in between
                    raise ValueError(f"the class does not parse: {', '.join(sorted(lost))} can't be read")
                found.body = [n for n in found.body if _asked_for(n, context, specified)]
                if not any(isinstance(n, Definition | ast.AnnAssign | ast.Assign) for n in found.body):
                    raise ValueError(f"{contract.name} was cut off before it had a method")
            # How a class helps itself is its own affair.
            used = attributes(context)
            found.body = [n for n in found.body if not _private(n) or getattr(n, "name", "") in used]
            found.body = found.body or [ast.Pass()]
            return interface(ast.unparse(_told(_with_attributes(found, used), contract, context)))
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
        max_tokens=CLASS_TOKENS if is_class else 80,
        stop=["\n```"] if is_class else ["\n"],
        prefill=f"```python\n{'class' if is_class else 'def'} {contract.name}",
        sample=context.sample * (CHOICES + 1),
    )


def _private(node: ast.stmt) -> bool:
    return isinstance(node, Definition) and re.match("_(?!_)|__(?!.*__$)", node.name) is not None


def _asked_for(node: ast.stmt, context: Context, specified: Collection[str]) -> bool:
    """Whether a check, feature or contract names a member of a class, or Python itself calls it, or it is none of the
    methods: of an interface that was cut off nothing else is kept, since a small model that comes to no end invents one
    method after the other."""
    name = node.name if isinstance(node, Definition) else "__init__"
    named = name in attributes(context) or name in specified or bool(features_of(name, context.idea))
    return named or re.fullmatch("__.+__", name) is not None


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
