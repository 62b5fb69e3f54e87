"""The product idea, as a user feeds it (``examples/*.yaml``)."""

from __future__ import annotations

import ast
import posixpath
import re
import shlex
from collections.abc import Sequence
from inspect import CO_GENERATOR
from types import CodeType
from typing import Annotated, Literal, TypeVar

from packaging import requirements
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from schemas.base import Line, Schema, Text, digest_of

__all__ = [
    "MAX_MILESTONES",
    "PATTERNS",
    "RECORDED",
    "AcceptanceCheck",
    "Constraints",
    "Idea",
    "Limits",
    "PinnedMilestone",
    "started",
]

_IDENTIFIER = r"^[A-Za-z][A-Za-z0-9_-]{0,39}$"
PATTERNS = {_IDENTIFIER: "a letter, then at most 39 letters, digits, '_' or '-'"}
"""What each pattern wants, in words."""

Identifier = Annotated[str, StringConstraints(pattern=_IDENTIFIER)]


def _is_requirement(value: str) -> str:
    expected = "expected a package's name, with a version if need be, such as httpx>=0.27"
    try:
        requirement = requirements.Requirement(value)
    except requirements.InvalidRequirement:
        raise ValueError(f"{value!r} is none that pip could read; {expected}") from None
    if requirement.url:
        raise ValueError(f"{value!r} names an address: packages come from the index alone; {expected}")
    return value


Requirement = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_is_requirement)]


MAX_MILESTONES = 40
"""So many may a plan have."""

RECORDED = "recorded"
"""The context of validation in which an idea is read that a run began with: rules on checks that came since are none of
its own."""

MAX_DEPTH = 100
"""How deep the syntax tree of a check may be: what walks it must not run out of stack."""


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level:
        level, depth = [child for node in level for child in ast.iter_child_nodes(node)], depth + 1
    return depth


_NO_ARGUMENTS = ast.parse("def check(): pass").body[0].args  # type: ignore[attr-defined]


def started(run: str) -> tuple[Literal["module", "script", "code"], str]:
    """Return what the start command ``run`` starts: a module by its dotted name, a script by its path in the project,
    or code given with ``-c``.

    Raises:
        ValueError: it does not start anything of a project.
    """
    if any(ord(character) < 32 for character in run):
        raise ValueError("must be one line without control characters")
    first, *words = shlex.split(run)  # an open quotation is a ValueError
    if first not in ("python", "python3"):
        raise ValueError("must start with 'python ', e.g. python -m my_package")
    while words:
        word = words.pop(0)
        if word.startswith("-m"):
            module = word[2:] or (words.pop(0) if words else "")
            if not all(part.isidentifier() for part in module.split(".")):
                raise ValueError(f"{module!r} is no name of a module: letters, digits and '_' only")
            return "module", module
        if word.startswith("-c"):
            return "code", word[2:] or (words.pop(0) if words else "")
        if word in ("-X", "-W"):
            words = words[1:]
        elif not word.startswith("-"):
            path = posixpath.normpath(word)
            if path.startswith(("/", "..")) or not path.endswith(".py"):
                raise ValueError(f"{word!r} must be a Python file inside the project, e.g. python app.py")
            return "script", path
    raise ValueError("starts nothing: name a module (-m) or a file")


def _is_specifier(value: str) -> str:
    try:
        SpecifierSet(value)
    except InvalidSpecifier:
        raise ValueError("is no version specifier; write e.g. >=3.11") from None
    return value


class Constraints(Schema):
    """What the prototype must keep to."""

    python: Annotated[str, AfterValidator(_is_specifier)] = ">=3.11"
    """E.g. ``>=3.11,<3.14``."""
    dependencies: list[Requirement] = Field(default_factory=list, max_length=30)
    """Third-party packages that the prototype may import; none by default."""
    non_functional: list[Line] = Field(default_factory=list, max_length=20)


class AcceptanceCheck(Schema):
    """A sealed check: hashed before the first call; no agent can change it."""

    id: Identifier
    statement: Line
    milestone: Identifier | None = None
    """The milestone that must meet it; otherwise the planner assigns it."""
    check: Annotated[str, StringConstraints(max_length=8000)] | None = None
    """Python that is run as a test; without it, the statement can't be proven."""
    holdout: bool = False
    """True: agents never see it; used for the final verdict only."""

    @field_validator("check")
    @classmethod
    def _is_python(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if info.context == RECORDED:
            return value
        try:
            tree = ast.parse(value)
            stars = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]
            # It becomes the body of a test function; what can't be compiled there would take all checks with it.
            function = ast.FunctionDef("check", _NO_ARGUMENTS, tree.body or [ast.Pass()], [])
            if _depth(tree) > MAX_DEPTH:
                raise ValueError(f"its expressions are nested more than {MAX_DEPTH} deep")
            if not stars:
                code = compile(ast.fix_missing_locations(ast.Module([function], [])), "check", "exec")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            said = f"{error.msg} (line {error.lineno} of it)" if isinstance(error, SyntaxError) else error
            raise ValueError(f"is not valid Python: {said}") from None
        if stars:
            raise ValueError("'from … import *' can't be used in a check; name what it imports")
        if any(isinstance(made, CodeType) and made.co_flags & CO_GENERATOR for made in code.co_consts):
            raise ValueError("uses yield, and pytest takes no test that does; put it into a function of the check")
        if not _asserts(tree):
            raise ValueError("asserts nothing, so it could never fail; add an assert")
        if _returns_early(tree.body):
            raise ValueError("asserts behind a return, where nothing is run; take the return away")
        if idle := _never_called(tree):
            raise ValueError(f"never calls {idle}, so what that asserts is not run: write its lines without the def")
        return value


def _asserts(tree: ast.AST) -> bool:
    """Whether ``tree`` asks for something: it asserts or raises, calls what does so by its name, or enters a context
    that is there for more than a file or a folder."""
    nodes = list(ast.walk(tree))
    later = {part for node in nodes if isinstance(node, ast.Lambda) for part in ast.walk(node.body)}
    return any(
        isinstance(node, ast.Assert | ast.Raise)
        or _expects(node)
        or (isinstance(node, ast.withitem) and not _HOLDING.fullmatch(_called(node.context_expr)))
        for node in nodes
        if node not in later
    )


def _expects(node: ast.AST) -> bool:
    """Whether ``node`` calls what by its name, or as it is told, fails where something is not as it should be."""
    if not isinstance(node, ast.Call):
        return False
    told = any(keyword.arg == "check" and ast.unparse(keyword.value) == "True" for keyword in node.keywords)
    return told or bool(_EXPECTING.search(_called(node)))


def _called(node: ast.expr) -> str:
    """Return the last name of what ``node`` calls, or is."""
    function = node.func if isinstance(node, ast.Call) else node
    return str(getattr(function, "attr", getattr(function, "id", "")))


_EXPECTING = re.compile(r"assert|raise|warns|^fail$|^deprecated_call$|^check_(call|output)$", re.IGNORECASE)
_HOLDING = re.compile(r"open|TemporaryDirectory|NamedTemporaryFile|suppress|closing|redirect_std(out|err)|chdir")
"""Contexts that only hold something; what is done in them counts by itself."""


def _returns_early(body: Sequence[ast.stmt]) -> bool:
    """Whether something asserts behind a ``return`` that is always come to; one under a condition is the user's own
    affair."""
    number = next((number for number, statement in enumerate(body) if _returns(statement)), len(body))
    return any(_asserts(statement) for statement in body[number + 1 :])


def _returns(statement: ast.stmt) -> bool:
    within = statement.body if isinstance(statement, ast.With) else []
    if isinstance(statement, ast.With) and any(
        _called(item.context_expr) == "suppress" or _expects(item.context_expr) for item in statement.items
    ):
        within = []  # what is raised in it ends it, and the check goes on behind it
    return isinstance(statement, ast.Return) or any(map(_returns, within))


def _never_called(tree: ast.Module) -> str | None:
    """Return the name of a function or class that asserts something, and that the check never comes to.

    What is decorated, and classes that inherit from others than unittest's, may well be called by somebody else.
    """
    nodes = list(ast.walk(tree))
    methods = {inner for node in nodes if isinstance(node, ast.ClassDef) for inner in node.body}
    idle = [
        node
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node not in methods
        and all(_IDLE.match(ast.unparse(decorator)) for decorator in node.decorator_list)
        and not (
            isinstance(node, ast.ClassDef)
            and any(not re.search(r"(^|\.)(object|\w*TestCase)$", ast.unparse(base)) for base in node.bases)
        )
    ]
    while named := [node for node in idle if node.name in _names(tree, idle)]:
        idle = [node for node in idle if node not in named]
    return next((node.name for node in idle if _claims(node)), None)


_IDLE = re.compile(r"(pytest\.)?(mark|fixture)\b|(unittest\.)?(mock\.)?patch\b")
"""Decorators of tests and helpers; none of them calls what it decorates."""


def _names(node: ast.AST, without: Sequence[ast.AST]) -> set[str]:
    """Return the names that ``node`` uses, but for those in its parts ``without``."""
    own = {node.id} if isinstance(node, ast.Name) else set[str]()
    parts = [part for part in ast.iter_child_nodes(node) if part not in without]
    return own.union(*(_names(part, without) for part in parts))


def _claims(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.Assert)
        or (isinstance(part, ast.withitem) and "raises" in ast.unparse(part.context_expr))
        or _expects(part)
        or (isinstance(part, ast.Raise) and "AssertionError" in ast.unparse(part))
        for part in ast.walk(node)
    )


class PinnedMilestone(Schema):
    """A milestone that the user fixed instead of asking the planner."""

    id: Identifier
    title: Line
    description: Text
    acceptance_criteria: list[Line] = Field(default_factory=list, max_length=20)
    dependencies: list[Identifier] = Field(default_factory=list)


Identified = TypeVar("Identified", PinnedMilestone, AcceptanceCheck)


class Limits(Schema):
    """Bounds of a run; ``None`` is no bound. Checked before every agent call."""

    usd: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    calls: int | None = Field(default=None, gt=0)
    attempts: int | None = Field(default=None, ge=1, le=20)


class Idea(Schema):
    """A product idea. ``milepost init`` writes a file that explains each field."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    summary: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    features: list[Line] = Field(min_length=1, max_length=40)
    audience: Line | None = None
    constraints: Constraints = Constraints()
    run: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)] | None = None
    """How the accepted prototype is started and shown, e.g. ``python -m text_stats sample.txt``."""
    milestones: list[PinnedMilestone] = Field(default_factory=list, max_length=MAX_MILESTONES)
    acceptance: list[AcceptanceCheck] = Field(default_factory=list, max_length=100)
    limits: Limits = Limits()

    @field_validator("name")
    @classmethod
    def _name_has_a_letter(cls, value: str) -> str:
        if not re.search(r"[A-Za-z0-9]", value):
            raise ValueError("needs at least one letter or digit (a-z, 0-9): folders are named after it")
        return value

    @field_validator("run")
    @classmethod
    def _run_is_python(cls, value: str | None) -> str | None:
        if value is not None:
            started(value)
        return value

    @field_validator("milestones", "acceptance")
    @classmethod
    def _ids_are_unique(cls, entries: list[Identified]) -> list[Identified]:
        seen = set[str]()
        for number, entry in enumerate(entries):
            # A check becomes a test function, in whose name "-" is "_".
            one = entry.id.replace("-", "_") if isinstance(entry, AcceptanceCheck) else entry.id
            if one in seen:
                raise PydanticCustomError(
                    "twice", "the id '{id}' is used more than once", {"id": one, "number": number}
                )
            seen.add(one)
        return entries

    @property
    def slug(self) -> str:
        """The name in lower case, words joined by '-'; at most 40 characters."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:40].strip("-")

    @property
    def digest(self) -> str:
        """SHA-256 over the whole idea, sealed checks included."""
        return digest_of(self.model_dump(mode="json"))
