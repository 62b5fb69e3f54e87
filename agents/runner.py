"""The one way an agent asks a model: render → look up → admit → call → record → validate → log.

An invalid reply goes back with the validation error, at most `CORRECTIONS` times; then the attempt fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from agents.parsing import answer_of
from agents.ports import Budget, Journal, Model, ModelError, Observer, PromptTooLong, Traits
from agents.prompts.render import render
from schemas.call import CallRecord, Message, ModelReply, ModelRequest, Outcome, Usage, estimated_usage
from schemas.errors import (
    AgentFailure,
    DoesNotFit,
    InvalidOutput,
    LimitReached,
    MilepostError,
    Refused,
    Truncated,
    Unavailable,
)

__all__ = ["CORRECTIONS", "Runner", "Task"]

CORRECTIONS = 2
"""How often an invalid reply is sent back with its error."""

RESAMPLE = 0.7
"""Temperature of every sample but a first that stands alone, where the backend takes one."""

PAUSE = 0.5
"""Seconds before a reply that broke off is asked for again; each further pause is twice as long, up to 8 s."""

T = TypeVar("T")


@dataclass(frozen=True)
class Task(Generic[T]):
    """One question to one agent."""

    agent: str
    """Names the role and the template, e.g. ``spec``."""
    step: str
    """The block of the template that asks."""
    variables: Mapping[str, object]
    parse: Callable[[str], T]
    """Reply text → value; raises ValueError, in words that the agent can act on."""
    max_tokens: int
    schema: dict[str, Any] | None = None
    stop: list[str] = field(default_factory=list)
    prefill: str | None = None
    sample: int = 0
    choices: int = 1
    """How many answers are wanted, to choose from."""
    corrections: int = CORRECTIONS
    """How often an invalid reply is sent back with its error."""


class Runner:
    """Runs tasks of one run. `models` maps each agent to its model, `higher` those that have one to that of the next
    tier, `packages` those from elsewhere to the package that their template lies in."""

    def __init__(
        self,
        models: Mapping[str, Model],
        journal: Journal,
        budget: Budget,
        observer: Observer,
        brief: str,
        higher: Mapping[str, Model] = MappingProxyType({}),
        packages: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._models = models
        self._higher = higher
        self._journal = journal
        self._budget = budget
        self._observer = observer
        self._begun: set[str] = set()
        self._brief = brief
        self._packages = packages
        self._advice = ""
        self._unadvised: Collection[str] = ()

    def model(self, agent: str) -> Model:
        """Return the model that plays ``agent``."""
        return self._models[agent]

    def can_escalate(self, *agents: str) -> bool:
        """Whether there is a next tier for one of ``agents``."""
        return any(agent in self._higher for agent in agents)

    def escalated(self) -> Runner:
        """Return a runner whose agents have models of the next tier, where there is one."""
        runner = copy(self)
        runner._models = {**self._models, **self._higher}
        return runner

    def advised(self, message: str, without: Collection[str]) -> Runner:
        """Return a runner that adds ``message`` to the prompts of all agents but those ``without``."""
        runner = copy(self)
        runner._advice = render("router", "note", {"message": message})
        runner._unadvised = without
        return runner

    async def ask(self, task: Task[T]) -> T:
        """Return the validated answer to ``task``: of several, the first.

        Raises:
            AgentFailure: no usable answer, after the corrections.
            LimitReached: the call would exceed a limit.
            Unavailable: the backend gave up.
        """
        return (await self._answers(task))[0]

    async def _answers(self, task: Task[T]) -> list[T]:
        """Return the usable answers to one call, at least one."""
        model = self.model(task.agent)
        package = self._packages.get(task.agent, "agents.prompts")
        prompt = render(task.agent, task.step, task.variables, package)
        if self._advice and task.agent not in self._unadvised:
            prompt = f"{prompt}\n\n{self._advice}"
        messages = [Message(role="user", content=prompt)]
        for correction in range(task.corrections + 1):
            request = self._request(task, model, messages)
            record = await self._reply(request, model)
            if record.reply.stop_reason == "refusal":  # whatever came before it is no answer
                refused = Refused(f"the {task.agent} agent's model refused to answer")
                self._log(request, record, refused)
                raise refused
            values: list[T] = []
            errors: list[str] = []
            # What is left of several files may well make sense, and lack the rest.
            cut = record.reply.stop_reason in ("max_tokens", "context_exceeded")
            cut = cut and model.traits.step == "project" and task.schema is None
            for text in (record.reply.text, *record.reply.alternatives):
                try:
                    if cut:
                        raise ValueError("it was cut off: write less")
                    values.append(task.parse(answer_of(text)))
                except ValueError as error:
                    errors.append(str(error))
            if values:
                self._log(request, record, None)
                return values
            failure = _failure(task, record.reply, errors[0])
            self._log(request, record, failure)
            if correction == task.corrections:
                raise failure
            messages += [
                Message(role="assistant", content=_quoted(record.reply.text, model.traits)),
                Message(role="user", content=render("corrections", "invalid", {"error": errors[0][:1500]})),
            ]
        raise AssertionError("unreachable")

    async def _several(self, task: Task[T]) -> list[T]:
        """Return the usable answers to as many calls as it takes to ask for ``task.choices`` of them."""
        step = min(task.choices, self.model(task.agent).traits.choices)
        calls = [replace(task, sample=task.sample + n, choices=step) for n in range(0, task.choices, step)]
        results = await asyncio.gather(*(self._answers(call) for call in calls), return_exceptions=True)
        answers: list[T] = []
        for result in results:
            if isinstance(result, BaseException):
                if not isinstance(result, AgentFailure):
                    raise result
            else:
                answers += result
        if not answers:
            raise next(r for r in results if isinstance(r, AgentFailure))
        return answers

    async def ask_all(self, tasks: Iterable[Task[T]]) -> list[list[T] | AgentFailure]:
        """Return the usable answers to each task, all asked at once; where none came, why.

        Raises:
            LimitReached, Unavailable: as `ask`, once all are through: no call is left running.
        """
        results = await asyncio.gather(*(self._several(task) for task in tasks), return_exceptions=True)
        answers: list[list[T] | AgentFailure] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, AgentFailure):
                raise result
            answers.append(result)
        return answers

    def _request(self, task: Task[T], model: Model, messages: list[Message]) -> ModelRequest:
        traits = model.traits
        temperature = None
        if traits.temperature is not None:
            # The likeliest reply first; asking for more is of use only if others can come.
            alone = task.sample == 0 and task.choices == 1
            temperature = traits.temperature if alone else max(traits.temperature, RESAMPLE)
        return ModelRequest(
            agent=task.agent,
            model=model.name,
            system=self._brief,
            messages=list(messages),
            output_schema=task.schema,
            max_tokens=min(task.max_tokens, traits.max_output_tokens) if traits.local else traits.max_output_tokens,
            temperature=temperature,
            stop=task.stop if traits.prefill else [],
            prefill=task.prefill if traits.prefill else None,
            sample=task.sample,
            choices=min(task.choices, traits.choices),
        )

    async def _reply(self, request: ModelRequest, model: Model) -> CallRecord:
        found = self._journal.find(request)
        if found is not None:
            self._budget.settle(request, found if self._journal.paid(found.digest) else None)
            return found
        for number in range(model.traits.again):
            try:
                return await self._called(request, model)
            except Unavailable as lost:
                if not isinstance(lost.__cause__, ModelError) or not lost.__cause__.broke_off:
                    raise
            await asyncio.sleep(min(8.0, PAUSE * 2**number))
        return await self._called(request, model)

    async def _called(self, request: ModelRequest, model: Model) -> CallRecord:
        """Ask the model once, if the limits admit it; what a reply takes that breaks off is counted and logged."""
        try:
            self._budget.admit(request, model.traits)
        except LimitReached as limit:
            self._journal.log_call(request, Outcome.BUDGET, record=None, duration_ms=0, error=str(limit))
            raise
        self._observer.call_started(request.agent, request.model)
        self._begun.add(request.digest)
        started, came = time.monotonic(), 0
        record: CallRecord | None = None

        def progress(tokens: int) -> None:
            nonlocal came
            came = tokens
            self._observer.call_progress(request.agent, tokens)

        try:
            reply = await model.reply(request, progress)
            record = CallRecord(
                digest=request.digest,
                request=request,
                reply=reply,
                timestamp=datetime.now(UTC).isoformat(timespec="milliseconds"),
                duration_ms=_since(started),
                cost_usd=self._budget.cost(reply.usage, model.traits),
            )
            self._journal.record(record)  # before the reply is used: what was paid for is never lost
            return record
        except BaseException as error:  # an interrupt and a defect leave a line too
            known, too_long = isinstance(error, ModelError), isinstance(error, PromptTooLong)
            outcome = Outcome.TRANSPORT_ERROR if isinstance(error, Exception) else Outcome.INTERRUPTED
            outcome = Outcome.TRUNCATED if too_long else outcome
            said = str(error) if known else f"{type(error).__name__}: {error}"
            lost = record.reply.usage if record is not None else _lost(error, request, model.traits, came)
            cost = self._budget.cost(lost, model.traits) if lost.total else None
            if record is None:
                self._budget.lose(lost, cost)
            took = _since(started)
            self._journal.log_call(
                request, outcome, record=None, duration_ms=took, error=said, lost=lost, cost_usd=cost
            )
            self._finished(request, outcome, lost.output_tokens, took)
            said = self._journal.masked(said)
            if too_long:
                raise DoesNotFit(f"the {request.agent} agent's prompt does not fit the model: {said}") from error
            if known:
                raise Unavailable(f"{request.model}: {said}") from error
            raise
        finally:
            self._budget.settle(request, record)

    def _log(self, request: ModelRequest, record: CallRecord, failure: MilepostError | None) -> None:
        outcome = {
            type(None): Outcome.OK,
            Refused: Outcome.REFUSED,
            Truncated: Outcome.TRUNCATED,
        }.get(type(failure), Outcome.INVALID_OUTPUT)
        error = None if failure is None else str(failure)
        self._journal.log_call(request, outcome, record=record, duration_ms=record.duration_ms, error=error)
        tokens = record.reply.usage.output_tokens
        self._finished(request, outcome, tokens, record.duration_ms)

    def _finished(self, request: ModelRequest, outcome: Outcome, tokens: int, duration_ms: int) -> None:
        """Tell the observer, unless the call is one of an earlier sitting."""
        if request.digest in self._begun:
            self._begun.remove(request.digest)
            self._observer.call_finished(request.agent, outcome, tokens, duration_ms)


def _lost(error: BaseException, request: ModelRequest, traits: Traits, came: int) -> Usage:
    """Return what a call without a reply took: as the backend says, else an estimate where it was interrupted or
    ``came`` tokens of it had come. A local model's tokens are no loss."""
    if traits.local:
        return Usage()
    if isinstance(error, ModelError) and error.usage.total:
        return error.usage
    interrupted = not isinstance(error, Exception)  # the prompt was sent, whether anything had come or not
    return estimated_usage(request, came) if came or interrupted else Usage()


def _failure(task: Task[T], reply: ModelReply, error: str) -> InvalidOutput | Truncated:
    """Say why ``reply`` is not usable."""
    if reply.stop_reason in ("max_tokens", "context_exceeded"):
        return Truncated(f"the {task.agent} agent's reply was cut off ({reply.stop_reason}): {error}")
    return InvalidOutput(f"the {task.agent} agent's reply is invalid: {error}")


def _quoted(reply: str, traits: Traits) -> str:
    """Return ``reply`` as the model is shown what it must correct: whole, unless that took a sixth of its context."""
    most = max(6_000, traits.context_tokens // 2)  # a token has three characters or more
    text = reply.strip() or "(empty)"
    return text if len(text) <= most else f"{text[:most].strip()}\n… cut"


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
