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


Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Score = Annotated[int, Field(ge=1, le=5, strict=True)]


class Opinion(Schema):
    """What the judge says of one dimension."""

    # A number that stands right behind its reason follows from it (docs/decisions/0004-reasons-first.md).
    reason: Sentence
    score: Score


class Judgement(Schema):
    """What the Eval agent answers."""

    correctness: Opinion
    code_quality: Opinion
    security: Opinion
    maintainability: Opinion
    scalability: Opinion
    # Last: asked for changes first, a small model makes up flaws for them.
    feedback: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]] = Field(
        max_length=6
    )

    def reason(self, dimension: Dimension) -> str:
        """Return why ``dimension`` has its number."""
        return self._opinion(dimension).reason

    def score(self, dimension: Dimension) -> int:
        """Return the judge's number for ``dimension``."""
        return self._opinion(dimension).score

    def _opinion(self, dimension: Dimension) -> Opinion:
        opinion: Opinion = getattr(self, dimension.value)
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
    spread: dict[Dimension, int] = Field(default_factory=dict)
    """Highest minus lowest of the judge's repeated scores, where they differ."""
    flags: list[str] = Field(default_factory=list)
    """What makes the judgement itself doubtful."""
    refusal: str = ""
    """Why it does not pass, in one line."""
    judge_alone: bool = False
    """Whether nothing that was measured forbids a pass, and only the judge's own numbers do."""
    feedback: list[str]
