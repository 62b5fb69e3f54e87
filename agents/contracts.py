"""Contracts of a small model, put right from what the user wrote: the features' own words, and how the checks use
what they import. A small model shortens what it repeats, and takes a class for a function and its methods for more."""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Collection, Iterable, Sequence

from agents.context import Context
from agents.parsing import parse_module
from schemas.idea import AcceptanceCheck, Idea
from schemas.specification import Contract

__all__ = [
    "attributes",
    "bullets",
    "called",
    "called_in_checks",
    "called_in_criteria",
    "calls",
    "features_of",
    "in_the_users_words",
    "objects",
    "of_modules",
    "refuses",
    "straightened",
    "used_as_modules",
]

MAX_BEHAVIOUR = 400
"""So long may a contract's behaviour be (`schemas.specification.Contract`)."""


ROOM = 1_200
"""So many characters of the features are told of in a docstring."""


def straightened(contracts: Sequence[Contract], context: Context) -> list[Contract]:
    """Return ``contracts`` as the user means them: a name that is written like a class (PEP 8) is one, what answers
    requests behind an object that the checks import is an endpoint, an error is one that something was said of, and a
    feature that names something says what it does."""
    required = {name for names in context.required.values() for name in names}
    called = called_in_checks(context) | called_in_criteria(context)
    things = objects(context)
    hidden = any(not name.isupper() and not name.startswith("__") for name in things)
    written = {name for feature in context.idea.features for name in calls(feature)} | called | of_modules(context)
    kept = []
    for contract in contracts:
        if contract.kind in ("function", "class") and contract.name in things:
            contract = contract.model_copy(update={"kind": "endpoint"})
        elif contract.kind == "function" and contract.name[:1].isupper() and contract.name in required | called:
            contract = contract.model_copy(update={"kind": "class"})
        elif contract.kind == "function" and hidden and contract.name not in required | written:
            contract = contract.model_copy(update={"kind": "endpoint"})
        if contract.kind != "endpoint" and not refuses(contract.name, context):
            contract = contract.model_copy(update={"errors": []})
        kept.append(in_the_users_words(contract, context.idea))
    return kept


def of_modules(context: Context) -> set[str]:
    """Return what the checks take as an attribute of a module that they import whole."""
    found: set[str] = set()
    for check in context.checks:
        tree = parse_module(check.check or "", check.id)
        modules = _modules(tree)
        found |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) in modules}
    return found


def bullets(features: Iterable[str]) -> str:
    """Return ``features`` as a list for a docstring, as many as there is room for."""
    told, room = [], ROOM
    for feature in features:
        room -= len(feature)
        if room >= 0:
            lines = textwrap.wrap(f"- {feature}", 100, break_on_hyphens=False, break_long_words=False)
            told.append("\n  ".join(lines))
    return "\n".join(told)


def in_the_users_words(contract: Contract, idea: Idea) -> Contract:
    """Return ``contract`` with the features of ``idea`` that name it as its behaviour, as many as there is room for.
    What the model adds of errors is left out then: the features say which there are."""
    behaviour = ""
    for feature in features_of(contract.name, idea):
        longer = f"{behaviour} {feature.rstrip('.')}.".strip()
        behaviour = longer if len(longer) <= MAX_BEHAVIOUR else behaviour
    return contract.model_copy(update={"behaviour": behaviour, "errors": []}) if behaviour else contract


def features_of(name: str, idea: Idea) -> list[str]:
    """Return the features that name ``name``: written as a call or as code, or anyhow where it can be no plain word."""
    plain = name.isalpha() and name.islower()
    pattern = rf"(?<!\w){re.escape(name)}(?=\(|`)" if plain else rf"(?<!\w){re.escape(name)}(?!\w)"
    return [feature for feature in idea.features if re.search(pattern, feature)]


_REFUSAL = re.compile(
    r"\b(rais(e[ds]?|ing)|throw\w*|\w*errors?|\w*exceptions?|refus\w+|reject\w*|den(y|ies|ied)|invalid\w*|illegal|"
    r"malformed|forbid\w*|fail(s|ed|ure|ures)?|(must|may|can|should|shall)( ?not|n't|'t)|never|not allowed|abort\w*|"
    r"(status|code|answers?)( with)? [45]\d\d|[45]\d\d (where|when|if|for))\b",
    re.I,
)
_RAISED = re.compile(r"\b(raise[sd]|assertRaises\w*|except)\b")
"""How a check wants an error."""
_ALL = re.compile(r"\b(all|every|each|any|no) (of the )?(function|method|call)", re.I)


def refuses(name: str, context: Context) -> bool:
    """Whether anything says that ``name`` refuses some input: the idea (but features that speak of other functions),
    the milestone, or a check of it. Small models make up errors that nobody asked for, and tests of them."""
    milestone, idea = context.milestone, context.idea
    own = features_of(name, idea)
    # A class does what the features say of its methods.
    told = [f for f in idea.features if f in own or not calls(f) or _ALL.search(f) or name[:1].isupper()]
    told += [idea.summary, *idea.constraints.non_functional]
    told += [milestone.description, *(criterion.statement for criterion in milestone.acceptance_criteria)]
    raised = any(_RAISED.search(check.check or "") for check in context.checks_of(name))
    return raised or any(_REFUSAL.search(text) for text in told)


def objects(context: Context) -> set[str]:
    """Return the names that the checks import and only hand on, and no feature writes as a call: neither functions nor
    classes, such as the application object of a web service, or a constant."""
    required = {name for names in context.required.values() for name in names}
    trees = [parse_module(check.check, check.id) for check in context.checks if check.check]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    functions = called_in_checks(context) | {name for feature in context.idea.features for name in calls(feature)}
    return {name for name in (required & used) - functions if (name.islower() or name.isupper()) and name != "main"}


def used_as_modules(names: Iterable[str], specified: Collection[str], context: Context) -> set[str]:
    """Return those of ``names`` that the checks use as one uses a module: never by themselves, but to reload or change
    them, and for something that is ``specified``."""
    alone, taken = set[str](), dict[str, set[str]]()
    for check in context.checks:
        tree = parse_module(check.check or "", check.id)
        owners = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        owners |= {n.args[0] for n in ast.walk(tree) if isinstance(n, ast.Call) and n.args and _of_modules(n.func)}
        alone |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in owners}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                taken.setdefault(node.value.id, set()).add(node.attr)
    return {name for name in names if name not in alone and (name not in taken or taken[name] & {*specified})}


def _of_modules(function: ast.expr) -> bool:
    """Whether ``function`` is one that takes a module: ``reload``, ``monkeypatch.setattr``, ``patch.object``."""
    return ast.unparse(function).rpartition(".")[2] in ("reload", "setattr", "delattr", "object")


def calls(text: str) -> set[str]:
    """Return the names that ``text`` writes as calls, as in ``slug(title) gives …``; "task(s)" is none."""
    return set(re.findall(r"(?<![\w.])([A-Za-z_]\w*)\((?!e?s\))", text))


def called_in_checks(context: Context) -> set[str]:
    """Return the names that the checks call, or want to be callable and use in no other way."""
    found = {name for check in context.checks for name in called(check)}
    trees = [parse_module(check.check or "", check.id) for check in context.checks]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    asked = [n.args[0] for n in nodes if isinstance(n, ast.Call) and n.args and ast.unparse(n.func) == "callable"]
    others = {node.id for node in nodes if isinstance(node, ast.Name) and node not in asked}
    return found | {node.id for node in asked if isinstance(node, ast.Name)} - others


def called(check: AcceptanceCheck) -> set[str]:
    """Return the names that ``check`` calls, by themselves or as an attribute of a module."""
    tree = parse_module(check.check or "", check.id)
    functions, modules = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)], _modules(tree)
    found = {function.id for function in functions if isinstance(function, ast.Name)}
    attributes = [function for function in functions if isinstance(function, ast.Attribute)]
    return found | {function.attr for function in attributes if ast.unparse(function.value) in modules}


def _modules(tree: ast.Module) -> set[str]:
    """Return the names by which a check imports modules whole."""
    return {a.asname or a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}


def attributes(context: Context) -> set[str]:
    """Return what the checks take as an attribute or method of something."""
    return {
        node.attr
        for check in context.checks
        if check.check
        for node in ast.walk(parse_module(check.check, check.id))
        if isinstance(node, ast.Attribute)
    }


def called_in_criteria(context: Context) -> set[str]:
    """Return the functions and classes that the milestone's criteria write as calls: ``slug(title) gives …``."""
    text = "\n".join(criterion.statement for criterion in context.milestone.acceptance_criteria)
    return {name for name in calls(text) if not hasattr(builtins, name)}
