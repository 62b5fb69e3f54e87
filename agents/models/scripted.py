"""A model that plays a script: for tests, and for trying Milepost without any model.

A script is YAML: a list of ``{agent, match, reply}``. A request takes the first unused entry of its
agent whose ``match`` (if any) stands in the last message; an entry with ``repeat: true`` is never used up.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from agents.ports import ModelError, Price, Progress, Traits
from schemas.base import Schema
from schemas.call import ModelReply, ModelRequest, StopReason, Usage

__all__ = ["ScriptedModel", "ScriptedReply"]


class ScriptedReply(Schema):
    """One line of the script."""

    agent: str
    reply: str = Field(max_length=4_000_000)
    match: str = ""
    repeat: bool = False
    stop_reason: StopReason = "end"
    alternatives: list[str] = Field(default_factory=list)
    """The other replies, where a request asks for several at once."""


class ScriptedModel:
    """Plays ``script`` and keeps every request in `requests`."""

    def __init__(self, script: Sequence[ScriptedReply], *, name: str = "script", traits: Traits | None = None) -> None:
        self._left = list(script)
        self._name = name
        self._traits = traits or Traits(
            step="project",
            context_tokens=200_000,
            max_output_tokens=16_000,
            price=Price(input=1.0, output=1.0, cache_write=1.0, cache_read=1.0),
        )
        self.requests: list[ModelRequest] = []

    @property
    def name(self) -> str:
        """``scripted/<name>``"""
        return f"scripted/{self._name}"

    @property
    def traits(self) -> Traits:
        """Whatever the test asked for."""
        return self._traits

    async def close(self) -> None:
        """Nothing to give back."""

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Return the next fitting line.

        Raises:
            ModelError: the script has no line for the request; the message says which agent asked what.
        """
        self.requests.append(request)
        last = request.messages[-1].content
        for index, line in enumerate(self._left):
            if line.agent == request.agent and line.match in last:
                if not line.repeat:
                    del self._left[index]
                progress(1)
                usage = Usage(input_tokens=len(last) // 4, output_tokens=len(line.reply) // 4)
                return ModelReply(
                    text=line.reply,
                    stop_reason=line.stop_reason,
                    usage=usage,
                    model=self.name,
                    alternatives=line.alternatives[: request.choices - 1],
                )
        raise ModelError(
            f"the script has run dry: no reply left for the agent {request.agent!r}, which asked: {last[:200]!r}",
            permanent=True,
        )
