"""What was asked and answered while a problem was solved: kept, and given once more instead of asking the model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agents.ports import Model, Progress, Traits
from benchmarks.machine import kept_outcomes
from schemas.base import digest_of
from schemas.call import ModelReply, ModelRequest, StopReason, Usage

__all__ = ["Call", "Recorded", "known_calls"]


@dataclass(frozen=True)
class Call:
    """What was asked and answered, as a line of the transcripts holds it."""

    brief: str
    """The system prompt; all agents of a problem are given the same."""
    agent: str
    prompt: list[str]
    begun: str | None
    """How the reply was made to begin."""
    temperature: float | None
    sample: int
    replies: list[str]
    usage: Usage
    seconds: float
    limits: str | None = None
    """Digest of the request's tokens, stop strings and schema; transcripts of before 2026-11-27 do not hold it."""
    stopped: StopReason = "end"
    """Why the first reply ended; transcripts of before 2026-11-26 do not say it."""
    estimated: bool = False
    """Whether the seconds are: `known_calls`."""

    @classmethod
    def of(cls, request: ModelRequest, reply: ModelReply, seconds: float) -> Call:
        """Return the call of ``request``, which ``reply`` answered."""
        return cls(
            brief=request.system,
            agent=request.agent,
            prompt=[message.content for message in request.messages],
            begun=request.prefill,
            temperature=request.temperature,
            sample=request.sample,
            replies=[reply.text, *reply.alternatives],
            limits=digest_of([request.max_tokens, list(request.stop), request.output_schema]),
            usage=reply.usage,
            seconds=seconds,
            stopped=reply.stop_reason,
        )

    @property
    def asked(self) -> str:
        """Digest of what was asked, but for its `limits`."""
        question = (self.brief, self.agent, self.prompt, self.begun, self.temperature, self.sample, len(self.replies))
        return digest_of(question)


@dataclass
class Recorded:
    """A model, and what was asked of it."""

    model: Model
    known: Mapping[str, Call] = field(default_factory=dict)
    """`Call.asked` → the call: what was asked once is not asked again."""
    calls: list[Call] = field(default_factory=list)
    reused: list[Call] = field(default_factory=list)
    """Those of `calls` that were known."""

    @property
    def name(self) -> str:
        """That of the model."""
        return self.model.name

    @property
    def traits(self) -> Traits:
        """Those of the model."""
        return self.model.traits

    @property
    def spared(self) -> float:
        """Seconds that the replies which were known took when they were asked for."""
        return sum(call.seconds for call in self.reused)

    @property
    def usage(self) -> Usage:
        """What all calls took."""
        return sum((call.usage for call in self.calls), Usage())

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Ask the model.

        Raises:
            ModelError: as the model does.
        """
        blank = ModelReply(text="", stop_reason="end", usage=Usage(), model=self.name)
        blank = blank.model_copy(update={"alternatives": [""] * (request.choices - 1)})
        asked = Call.of(request, blank, 0.0)
        known = self.known.get(asked.asked)
        if known is not None and known.limits in (None, asked.limits):
            self.reused.append(known)
            self.calls.append(known)
            text, *others = known.replies
            said = {"text": text, "alternatives": others, "usage": known.usage, "stop_reason": known.stopped}
            return blank.model_copy(update=said)
        began = time.monotonic()
        reply = await self.model.reply(request, progress)
        self.calls.append(Call.of(request, reply, round(time.monotonic() - began, 2)))
        return reply

    def transcript(self, task: str) -> dict[str, object]:
        """Return what was asked for the problem ``task``. The brief, which all agents are given, stands once."""
        calls = [{key: value for key, value in vars(call).items() if key != "brief"} for call in self.calls]
        noted = [{**call, "usage": call["usage"].model_dump()} for call in calls]
        return {"task": task, "brief": self.calls[0].brief if self.calls else "", "calls": noted}

    async def close(self) -> None:
        """Leave the model open: the next problem needs it."""


def known_calls(sources: Sequence[tuple[Path, str]], model: str) -> dict[str, dict[str, Call]]:
    """Return problem → digest of what was asked → the call, of all calls in the transcripts of ``sources``: folders of
    results, and an arm in each.

    Of a call that was noted without its seconds, its part of the outcome's seconds is taken, by tokens written: rather
    too much, as the sandbox has its part in them.

    Raises:
        SystemExit: there are none, or they are of another model than ``model``.
    """
    known: dict[str, dict[str, Call]] = {}
    for folder, arm in sources:
        outcomes = kept_outcomes(folder / f"{arm}.jsonl", "task", model)
        path = folder / "transcripts" / f"{arm}.jsonl"
        if not path.exists():
            raise SystemExit(
                f"{path} is not there: --reuse takes a folder of results, with transcripts of the arm {arm}"
            )
        for task, row in kept_outcomes(path, "task").items():
            outcome = outcomes.get(task, {})
            a_token = outcome.get("seconds", 0.0) / max(1, outcome.get("output_tokens", 0))
            for noted in row["calls"]:
                usage = Usage.model_validate(noted["usage"])
                if "seconds" not in noted:
                    noted |= {"seconds": round(a_token * usage.output_tokens, 2), "estimated": True}
                call = Call(**{**noted, "brief": row["brief"], "usage": usage})
                known.setdefault(task, {})[call.asked] = call
    return known
