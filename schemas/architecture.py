"""What the Arch agent produces for a milestone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from schemas.base import Line, Schema

__all__ = [
    "Architecture",
    "Blueprint",
    "Dependency",
    "PlannedFile",
    "ProjectPath",
    "SchemaDefinition",
    "Technology",
    "own_code",
    "safe_path",
]

Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

_RESERVED = (
    ".git",
    "acceptance",
    "conftest.py",
    "sitecustomize.py",
    "usercustomize.py",
    "pytest.ini",
    "tox.ini",
    "setup.cfg",
)

_TOOLS = ("coverage", "pytest", "_pytest", "pluggy")
"""What runs the tests, and must not find something else under its name."""


def safe_path(value: str) -> str:
    """Return ``value`` as a normal relative POSIX path inside the project.

    Raises:
        ValueError: absolute, climbing (``..``), hidden, reserved, over-long or oddly spelt paths.
    """
    text = value.strip().removeprefix("./")
    path = PurePosixPath(text)
    if not path.parts or len(text) > 120 or path.is_absolute() or str(path) != text:
        raise ValueError(f"{value!r} is not a plain relative path")
    if path.parts[0].removesuffix(".py") in _TOOLS:
        raise ValueError(f"{value!r} has the name of a tool that runs the tests: choose another one")
    for part in path.parts:
        if part in _RESERVED:
            raise ValueError(f"{value!r}: {part} is reserved and can't be written by an agent")
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", part) or ".." in part:
            raise ValueError(f"{value!r} is not a plain relative path: {part!r}")
    return text


def own_code(files: Mapping[str, str]) -> dict[str, str]:
    """Return the project's own Python files among ``files`` (path → content): no tests, no sealed checks, and no
    ``conftest.py``, which Milepost writes."""
    others = ("tests/", "acceptance/", "conftest.py")
    return {p: s for p, s in files.items() if p.endswith(".py") and not p.startswith(others)}


ProjectPath = Annotated[str, AfterValidator(safe_path)]
"""A path inside the generated project; hidden, reserved and outside paths are refused."""


class PlannedFile(Schema):
    """A file of the folder structure."""

    path: ProjectPath
    purpose: Line


class SchemaDefinition(Schema):
    """A data schema that crosses a boundary, in words or code of one line."""

    name: Short
    definition: Short


class Dependency(Schema):
    """``source`` imports or calls ``target``."""

    source: Short
    target: Short


class Technology(Schema):
    """A technology choice."""

    choice: Short
    rationale: Short


class Architecture(Schema):
    """The architecture of one milestone, apart from its interfaces (see `Blueprint`)."""

    files: list[PlannedFile] = Field(min_length=1, max_length=20)
    """New or changed files of this milestone."""
    schemas: list[SchemaDefinition] = Field(max_length=8)
    boundaries: list[Short] = Field(max_length=6)
    internal_dependencies: list[Dependency] = Field(max_length=12)
    external_dependencies: list[Short] = Field(max_length=8)
    technology: list[Technology] = Field(min_length=1, max_length=5)


class Blueprint(Schema):
    """An architecture and its interfaces: per Python file a skeleton, signatures with docstrings and no bodies."""

    architecture: Architecture
    skeletons: dict[str, str]
