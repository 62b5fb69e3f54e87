"""What the Critic finds in code, and what became of a pass over accepted work."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.architecture import ProjectPath
from schemas.base import Schema
from schemas.code_change import Edit

__all__ = ["FinishingPass", "ReviewFinding"]


class ReviewFinding(Schema):
    """A flaw that the Critic can point at, and mend."""

    path: ProjectPath
    line: int = Field(ge=1)
    """Where the edit applies: computed, not what a model counted."""
    criterion: str
    """What it breaks: an acceptance criterion, the contracts or the rules for code."""
    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
    edit: Edit

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message} ({self.criterion})"


class FinishingPass(Schema):
    """A pass over work that was accepted, e.g. the Refactorer's."""

    agent: str
    kept: bool
    reason: str
    """What it changed, or why that was not kept."""
