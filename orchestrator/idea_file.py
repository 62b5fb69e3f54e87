"""Reading an idea file: every mistake at once, each with its line, what was found and what is expected."""

from __future__ import annotations

import ast
import difflib
import importlib
import platform
import re
import sys
import types
import typing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ValidationError

from orchestrator.planning import pinned_problems
from schemas.errors import InputError
from schemas.idea import PATTERNS, RECORDED, Idea

__all__ = ["MAX_BYTES", "MAX_DEPTH", "load_idea", "parse_idea"]

MAX_BYTES = 256_000
MAX_DEPTH = 12


def load_idea(path: Path) -> tuple[Idea, str]:
    """Return the idea in ``path`` and the file's text.

    Raises:
        InputError: with one message per problem.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        raise InputError(f"{path!a}: the path is not UTF-8; rename the file or its folder") from None
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give an idea file (YAML). `milepost init` writes one.")
        if size > MAX_BYTES:
            raise InputError(f"{path}: is {size:,} bytes large; an idea file may have at most {MAX_BYTES:,}")
        with path.open("rb") as stream:  # a pipe has no size, so it is bounded here
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{path}: is larger than the {MAX_BYTES:,} bytes that an idea file may have")
        text = content.decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. `milepost init {path}` writes a commented one.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from None
    return parse_idea(text, str(path)), text


def parse_idea(text: str, name: str, *, recorded: bool = False) -> Idea:
    """Return the idea in YAML ``text``; ``name`` begins every message. ``recorded``: a run has begun with it, so newer
    rules on what a check may be do not hold.

    Raises:
        InputError: with one message per problem.
    """
    try:
        _bounded(text, name)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        said = error.problem or error.context or ""
        hint = next((hint for words, hint in _HINTS.items() if words in said), "")
        raise InputError(f"{name}:{line}: is not valid YAML: {said}{hint}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{name}:1: is not valid YAML: {error}") from None
    if not isinstance(node, yaml.MappingNode):
        found = (
            "nothing" if node is None else {"seq": "a list", "str": "text"}.get(node.tag.rpartition(":")[2], "a value")
        )
        raise InputError(f"{name}:1: expected a mapping with the keys name, summary and features; found {found}")
    problems: list[tuple[int, str]] = [(line, message) for line, message in _duplicates(node)]
    try:
        value = _Loader(text).construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise InputError(f"{name}:{mark.line + 1 if mark else 1}: {error.problem}") from None
    idea: Idea | None = None
    try:
        idea = Idea.model_validate(value, context=RECORDED if recorded else None)
    except ValidationError as error:
        problems += [_problem(node, dict(e)) for e in error.errors()]
    if idea is not None and not SpecifierSet(idea.constraints.python).contains(platform.python_version()):
        message = f"constraints.python: {idea.constraints.python} leaves out Python {platform.python_version()}, which"
        problems.append((_line(node, ("constraints", "python")), f"{message} Milepost itself runs on"))
    for number, check in enumerate(idea.acceptance if idea and not recorded else []):
        place = _line(node, ("acceptance", number, "check"))
        problems += [
            (place, f"acceptance.{number + 1}.check: {message}") for message in _not_python_s(check.check or "")
        ]
    problems += [(_line(node, path), message) for path, message in pinned_problems(*_references(value))]
    if problems or idea is None:
        raise InputError(*(f"{name}:{line}: {message}" for line, message in sorted(set(problems))))
    return idea


_HINTS = {
    r"found character '\t'": "; indent with spaces, YAML takes no tabs there",
    "mapping values are not allowed": "; put a text that holds ': ' into quotes",
    "that cannot start any token": "; put a text that begins with it into quotes",
    "expected alphabetic or numeric character": "; put a text that begins with it into quotes",
    "but found '<scalar>'": "; put a text that holds quotes into quotes of the other kind as a whole",
}
"""What YAML's parser says of the usual mistakes → what to do; the first that fits counts."""


class _Loader(yaml.SafeLoader):
    """Says where a value stands that is not of the kind it looks like, or that its !!tag names."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of ``node``.

        Raises:
            yaml.MarkedYAMLError: it has none.
        """
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError, TypeError):
            text, kind = str(node.value), node.tag.rpartition(":")[2]
            shown = repr(text) if len(text) <= 40 else f"{text[:20]!r}… ({len(text):,} characters)"
            said = f"{shown} can't be read as a value of the kind {kind!r}; if it is a text, put it into quotes"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from None


def _bounded(text: str, name: str) -> None:
    """Refuse aliases (a few bytes of them can stand for gigabytes) and deep nesting before anything is built."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"{name}:{line}: the alias *{event.anchor} is not allowed here; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise InputError(f"{name}:{line}: is nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InputError(f"{name}:{line}: a second document starts here; an idea file holds one")


def _not_python_s(check: str) -> list[str]:
    """Say what ``check`` imports from a module of Python's own that is not there: the project's must have another name.

    Python has many of its own modules loaded before it looks into the project. What is tried (``try``), or done under a
    condition, is the user's own affair.
    """
    tree = ast.parse(check)
    tried = {part for node in ast.walk(tree) if isinstance(node, ast.Try | ast.If) for part in ast.walk(node)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node not in tried]
    return [
        f"imports {alias.name} from {node.module}, Python's own module, which has none: give yours another name"
        for node in imports
        for alias in node.names
        if not node.level
        and node.module in sys.stdlib_module_names - _ACTING
        and not _offers(str(node.module), alias.name)
    ]


_ACTING = {"antigravity", "this"}
"""Modules that do something when they are imported."""


def _offers(module: str, name: str) -> bool:
    """Whether ``from module import name`` works, or can't be tried here."""
    try:
        own = importlib.import_module(module)
    except ImportError:
        return True
    return hasattr(own, name) or (hasattr(own, "__path__") and find_spec(f"{module}.{name}") is not None)


def _duplicates(node: yaml.Node) -> list[tuple[int, str]]:
    found = []
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in seen:
                    found.append((line, f"the key {key.value!r} was already given in line {seen[key.value]}"))
                seen[key.value] = line
            found += _duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            found += _duplicates(item)
    return found


def _line(root: yaml.Node, path: tuple[Any, ...]) -> int:
    """Return the line (from 1) of the value at ``path``, or of the nearest thing around it that exists."""
    return _found(root, path)[0]


def _found(root: yaml.Node, path: tuple[Any, ...]) -> tuple[int, yaml.Node]:
    """Return what is at ``path``, or the nearest thing around it that exists, and its line (from 1)."""
    node, line = root, 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if getattr(k, "value", None) == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line, node


def _unquoted(node: yaml.Node) -> str:
    """Say how a value would have been a text, where it looks like one that lacks quotes."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style:
        return ", because of the ': ' in it; put the whole text into quotes"
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
        return ""
    if isinstance(node, yaml.ScalarNode):
        return f'; put it into quotes: "{node.value[:60]}"'
    return "; if it is meant as a text, put it into quotes"


def _references(value: Any) -> tuple[list[tuple[str, list[str]]], list[str | None]]:
    """Return id and dependencies of each milestone, and the milestone of each acceptance statement, as far as
    they are texts: what else is wrong with them is said elsewhere."""

    def entries(key: str) -> list[dict[Any, Any]]:
        found = value.get(key)
        return [entry if isinstance(entry, dict) else {} for entry in found] if isinstance(found, list) else []

    def texts(found: Any) -> list[str]:
        return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []

    milestones = [(str(entry.get("id")), texts(entry.get("dependencies"))) for entry in entries("milestones")]
    return milestones, [next(iter(texts([entry.get("milestone")])), None) for entry in entries("acceptance")]


def _problem(root: yaml.Node, error: dict[str, Any]) -> tuple[int, str]:
    path = tuple(error["loc"])
    where = ".".join(str(p + 1 if isinstance(p, int) else p) for p in path)
    line = _line(root, path)
    found = error.get("input")
    shown = f"; found {_shown(found)}" if error["type"] != "missing" else ""
    match error["type"]:
        case "invalid_key":
            return _line(root, path[:-1]), f"the key {found!r} must be a text; put it into quotes"
        case "missing":
            return line, f"{where}: is required and missing"
        case "extra_forbidden":
            key, known = str(path[-1]), _known_keys(path[:-1])
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            return line, f"{where}: unknown key; {hint}"
        case "list_type":
            return line, f"{where}: expected a list, each entry on a line of its own behind '- '{shown}"
        case "string_type":
            return line, f"{where}: expected a text{shown}{_unquoted(_found(root, path)[1])}"
        case "twice":
            path = (*path, error["ctx"]["number"], "id")
            return _line(root, path), f"{where}.{path[-2] + 1}.id: {error['msg']}"
        case "model_type":
            return line, f"{where}: expected a mapping with the keys {', '.join(_known_keys(path))}{shown}"
        case "too_short" if isinstance(found, list):
            return line, f"{where}: needs at least one entry; found none"
        case "value_error":
            return line, f"{where or 'idea'}: {error['ctx']['error']}" if path else f"{error['ctx']['error']}"
    if error["type"] == "string_pattern_mismatch":
        return line, f"{where}: expected {PATTERNS.get(error['ctx']['pattern'], error['msg'])}{shown}"
    message = re.sub(r"^(Input should be|(String|List) should have|Value error,) ", "", error["msg"])
    return line, f"{where}: expected {message}{shown}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '…'}"


def _known_keys(path: tuple[Any, ...]) -> list[str]:
    """Return the field names of the model that stands at ``path`` of an idea."""
    model: type[BaseModel] = Idea
    for part in path:
        if isinstance(part, int):
            continue
        inner = _model_in(model.model_fields[part].annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        for inner in typing.get_args(annotation):
            found = _model_in(inner)
            if found is not None:
                return found
    return None
