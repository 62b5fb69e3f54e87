"""One call of a model: request, reply, and the record that is log and journal at once."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from schemas.base import Schema, digest_of

__all__ = [
    "CallRecord",
    "Message",
    "ModelReply",
    "ModelRequest",
    "Outcome",
    "StopReason",
    "Usage",
    "estimated_tokens",
    "estimated_usage",
]

StopReason = Literal["end", "stop_sequence", "max_tokens", "refusal", "context_exceeded"]


CHARACTERS_PER_TOKEN = 3.0
"""A cautious estimate for English and Python text; tokenizers give 3 to 4.5. Other writings take more: up to one token
for a letter, and two for an emoji."""


def estimated_tokens(text: str) -> int:
    """Return how many tokens ``text`` takes, rather too many than too few."""
    beyond = len(text.encode("utf-8", "replace")) - len(text)  # 1 for each Greek letter, 2 for a Chinese one, 3 for 😀
    return math.ceil((len(text) + 2 * beyond) / CHARACTERS_PER_TOKEN)


class Outcome(StrEnum):
    """How an agent call ended."""

    OK = "ok"
    INVALID_OUTPUT = "invalid_output"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    TRANSPORT_ERROR = "transport_error"
    BUDGET = "budget"
    INTERRUPTED = "interrupted"


class Message(Schema):
    """A turn of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class ModelRequest(Schema):
    """Everything that decides a reply."""

    agent: str
    model: str
    """Backend and model, e.g. ``anthropic/claude-opus-4-8``."""
    system: str
    messages: list[Message]
    output_schema: dict[str, Any] | None = None
    """JSON schema that the reply must satisfy; None for free text."""
    max_tokens: int = Field(gt=0)
    temperature: float | None = None
    """None where the backend takes none."""
    stop: list[str] = Field(default_factory=list)
    prefill: str | None = None
    """How the reply begins, where the backend can be made to begin so."""
    sample: int = 0
    """Which sample of the same question this is; another number is another reply."""
    choices: int = Field(default=1, ge=1)
    """How many replies are asked for at once; a backend that can do that reads the prompt only once."""

    @property
    def digest(self) -> str:
        """SHA-256 of all of the above: not of the run or the time, so that another run can reuse the reply."""
        return digest_of(self.model_dump(mode="json"))


class Usage(Schema):
    """Tokens of one call, as the backend counted them."""

    input_tokens: int = Field(default=0, ge=0)
    """Prompt tokens that were neither read from nor written to a cache."""
    output_tokens: int = Field(default=0, ge=0)
    cache_read_tokens: int = Field(default=0, ge=0)
    cache_write_tokens: int = Field(default=0, ge=0)

    @property
    def total(self) -> int:
        """All tokens in and out."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


def estimated_usage(request: ModelRequest, output_tokens: int) -> Usage:
    """Return what a reply took of which the backend does not say so, rather too much than too little: nothing is for
    free."""
    schema = [json.dumps(request.output_schema)] if request.output_schema is not None else []
    asked = [request.system, *schema, *(message.content for message in request.messages)]
    return Usage(input_tokens=sum(map(estimated_tokens, asked)), output_tokens=output_tokens)


def _encodable(text: str) -> str:
    """Replace what UTF-8 can't hold (halves of surrogate pairs): a reply that can't be kept is lost."""
    return text.encode("utf-8", "replace").decode("utf-8")


Encodable = Annotated[str, AfterValidator(_encodable)]


class ModelReply(Schema):
    """What came back."""

    text: Encodable
    stop_reason: StopReason
    usage: Usage
    model: str
    """The model that the backend says answered."""
    alternatives: list[Encodable] = Field(default_factory=list)
    """The other replies, where more than one was asked for; `usage` counts them all."""


class CallRecord(Schema):
    """The full record of one call, ``logs/<run>/calls/<digest>.json``."""

    digest: str
    request: ModelRequest
    reply: ModelReply
    timestamp: str
    """When the reply was complete, ISO-8601, UTC."""
    duration_ms: int
    cost_usd: float | None
    """None where the price is unknown, never 0."""
