"""The judge's opinion and what the rubric makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import Schema

__all__ = ["Clamp", "Dimension", "Evaluation", "Judgement", "Reasons", "Scores"]


class Dimension(StrEnum):
    """The five dimensions; their weights stand in `orchestrator.rubric`."""

    CORRECTNESS = "correctness"
    CODE_QUALITY = "code_quality"
    SECURITY = "security"
    MAINTAINABILITY = "maintainability"
    SCALABILITY = "scalability"


Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Score = Annotated[int, Field(ge=1, le=5, strict=True)]


class Reasons(Schema):
    """Why each dimension deserves its number."""

    correctness: Sentence
    code_quality: Sentence
    security: Sentence
    maintainability: Sentence
    scalability: Sentence


class Scores(Schema):
    """A number, 1–5, for each dimension."""

    correctness: Score
    code_quality: Score
    security: Score
    maintainability: Score
    scalability: Score


class Judgement(Schema):
    """What the Eval agent answers: the numbers come last, so that they follow from the reasons."""

    reasons: Reasons
    feedback: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]] = Field(
        max_length=6
    )
    scores: Scores

    def reason(self, dimension: Dimension) -> str:
        """Return why ``dimension`` has its number."""
        return str(getattr(self.reasons, dimension.value))

    def score(self, dimension: Dimension) -> int:
        """Return the judge's number for ``dimension``."""
        return int(getattr(self.scores, dimension.value))


class Clamp(Schema):
    """A fact that caps a dimension."""

    dimension: Dimension
    cap: int = Field(ge=1, le=5)
    fact: str


class Evaluation(Schema):
    """The verdict on one attempt; the score and the verdict are computed in code."""

    passed: bool
    score: float = Field(ge=1, le=5)
    """Weighted average of the clamped scores."""
    breakdown: dict[Dimension, int]
    """Clamped scores, 1–5."""
    raw: dict[Dimension, int]
    """The judge's own scores."""
    reasons: dict[Dimension, str]
    clamps: list[Clamp]
    spread: dict[Dimension, int] = Field(default_factory=dict)
    """Highest minus lowest of the judge's repeated scores, where they differ."""
    flags: list[str] = Field(default_factory=list)
    """What makes the judgement itself doubtful."""
    feedback: list[str]
