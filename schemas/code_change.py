"""What the Impl and Test agents produce: whole files, exact edits, deletions."""

from __future__ import annotations

from pydantic import Field

from schemas.architecture import ProjectPath
from schemas.base import Schema
from schemas.evidence import Evidence

__all__ = ["MAX_FILE_CHARS", "CodeChange", "Edit", "FileWrite", "Implementation", "Move", "Version", "WrittenTests"]

MAX_FILE_CHARS = 200_000
"""No file of a prototype may be larger, in characters."""


class FileWrite(Schema):
    """A file with its whole new content."""

    path: ProjectPath
    content: str = Field(max_length=MAX_FILE_CHARS)


class Edit(Schema):
    """Replace ``remove``, which must stand in the file exactly once, by ``add``. How: `agents.edits.apply`."""

    path: ProjectPath
    remove: str = Field(min_length=1, max_length=MAX_FILE_CHARS)
    add: str = Field(max_length=MAX_FILE_CHARS)


class Move(Schema):
    """Give the file at ``path`` the path ``to``."""

    path: ProjectPath
    to: ProjectPath


class Version(Schema):
    """One version of a function that was written and measured."""

    function: str
    replies: int = Field(ge=1)
    """How many replies, sampled independently of each other, came to this code."""
    evidence: Evidence
    """Measured with this version in the project."""


class CodeChange(Schema):
    """A change to the project; all of it applies or none."""

    writes: list[FileWrite] = Field(default_factory=list, max_length=60)
    edits: list[Edit] = Field(default_factory=list, max_length=200)
    moves: list[Move] = Field(default_factory=list, max_length=60)
    deletes: list[ProjectPath] = Field(default_factory=list, max_length=60)

    @property
    def paths(self) -> list[str]:
        """Every path that the change touches, sorted."""
        moved = (path for move in self.moves for path in (move.path, move.to))
        return sorted({*(w.path for w in self.writes), *(e.path for e in self.edits), *moved, *self.deletes})


class WrittenTests(Schema):
    """What the Test agent hands on."""

    change: CodeChange
    untested: list[str] = Field(default_factory=list)
    """Interfaces that it gave no usable test for, each with why."""


class Implementation(Schema):
    """What the Impl agent hands on."""

    change: CodeChange
    versions: list[Version] = Field(default_factory=list)
    """The versions that were tried, the chosen ones among them."""
    tolerated: list[str] = Field(default_factory=list)
    """Edits that were found only when white space did not count."""
    disputed: list[str] | None = None
    """Functions of which too few versions came to the same on further inputs; None where no comparison was tried, so
    that what was found before stands."""
