"""The judge's opinion and what the rubric makes of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.base import Schema

__all__ = ["Clamp", "Dimension", "Evaluation", "Judgement", "Opinion"]


class Dimension(StrEnum):
    """The five dimensions; their weights stand in `orchestrator.rubric`."""

    CORRECTNESS = "correctness"
    CODE_QUALITY = "code_quality"
    SECURITY = "security"
    MAINTAINABILITY = "maintainability"
    SCALABILITY = "scalability"


class Opinion(Schema):
    """The judge on one dimension. The reason comes before the number, so that the number follows from it."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
    score: int = Field(ge=1, le=5, strict=True)


class Judgement(Schema):
    """What the Eval agent answers."""

    feedback: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]] = Field(
        max_length=6
    )
    correctness: Opinion
    code_quality: Opinion
    security: Opinion
    maintainability: Opinion
    scalability: Opinion

    def opinion(self, dimension: Dimension) -> Opinion:
        """Return the judge's opinion on ``dimension``."""
        opinion = getattr(self, dimension.value)
        assert isinstance(opinion, Opinion)  # noqa: S101  (the field list above and Dimension are one)
        return opinion


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
    feedback: list[str]
