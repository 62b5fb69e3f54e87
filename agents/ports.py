"""The seams between the agents and the rest: what they need, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.call import CallRecord, ModelReply, ModelRequest, Outcome, Usage
from schemas.evidence import Evidence

__all__ = [
    "MASK",
    "SHORTEST_KEY",
    "Agreement",
    "Budget",
    "Comparison",
    "Examine",
    "Journal",
    "Lint",
    "Misuses",
    "Model",
    "ModelError",
    "Observer",
    "Price",
    "Progress",
    "PromptTooLong",
    "Traits",
]

MASK = "[secret]"
"""What stands for a key in what is kept."""
SHORTEST_KEY = 16
"""Shorter ones are what servers that need none are given, and may be words that stand in a prompt or a program."""

Progress = Callable[[int], None]
"""Called with the number of tokens that have arrived so far, rather too many where the backend has to estimate."""

Examine = Callable[[Mapping[str, str]], Awaitable[Evidence]]
"""The whole project, path → content → what was measured on it in the sandbox."""


@dataclass(frozen=True)
class Agreement:
    """How far several versions of a function come to the same."""

    shares: Sequence[float]
    """For each version, which share of the others comes to the same (0–1), on average over the calls that tell
    something, and no more than on those that most refuse, where refusals count."""
    enough: float
    """Such a share makes sure of a version, where so many have a say."""


class Comparison(Protocol):
    """Tries versions of one function on the same further inputs."""

    def possible(self, function: str) -> bool:
        """Whether a call of ``function`` is known that inputs can be varied from."""

    async def agreement(self, function: str, versions: Sequence[str], voters: Sequence[str]) -> Agreement | None:
        """Compare each of ``versions`` with the ``voters``: modules that need no other module of the project. None
        where too few of the inputs are good ones to tell by.

        Raises:
            Unavailable: the sandbox could not be made.
        """


Lint = Callable[[str, str], list[str]]
"""Path and source → what is certainly wrong in it (undefined names), one line each."""

Misuses = Callable[[Mapping[str, str], str, str], list[tuple[int, str]]]
"""Files, path and source of a test → line and message where it uses the files as their types forbid."""


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cache_write: float
    cache_read: float


@dataclass(frozen=True)
class Traits:
    """What a model is good for; the agents shape their steps by it."""

    step: Literal["function", "project"]
    """How much code is asked for at once: one function or class, or all files of a milestone."""
    context_tokens: int
    max_output_tokens: int
    """What a reply may at most take. A local model, whose tokens cost time, gets no more than the agent asks for."""
    temperature: float | None = None
    """None where the backend takes none."""
    prefill: bool = False
    """Whether a reply can be made to begin with given text."""
    choices: int = 1
    """How many replies one call can bring."""
    again: int = 0
    """How often a reply that broke off in its middle may be asked for again."""
    local: bool = False
    """True where calls cost time, not money: no limit in US dollars counts them."""
    price: Price | None = None


class ModelError(Exception):
    """A backend could not deliver a reply, after its own retries.

    Attributes:
        permanent: True where trying again can't help (a wrong key, an unknown model).
        broke_off: True where a reply had begun: it is paid for, so whoever keeps the limits decides on another try.
        usage: What that reply took.
    """

    def __init__(
        self, message: str, *, permanent: bool = False, broke_off: bool = False, usage: Usage | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.broke_off = broke_off
        self.usage = usage or Usage()


class PromptTooLong(ModelError):
    """A request does not fit into the model's context. Another prompt may; this one, once the context is larger."""


class Model(Protocol):
    """A model backend: one request, one reply."""

    @property
    def name(self) -> str:
        """Backend and model, e.g. ``anthropic/claude-opus-4-8``."""

    @property
    def traits(self) -> Traits:
        """What it is good for."""

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        """Answer ``request``.

        Raises:
            PromptTooLong: the request does not fit into the model's context.
            ModelError: no reply, after the backend's own retries.
        """

    async def close(self) -> None:
        """Give back what it holds."""


class Journal(Protocol):
    """Where calls are recorded, and found again."""

    def find(self, request: ModelRequest) -> CallRecord | None:
        """Return the record of ``request``, if its reply was ever received; or of one that differs in nothing but how
        long the reply might have become, if it came to its end."""

    def paid(self, digest: str) -> bool:
        """Whether it was this run that had the call with ``digest`` answered."""

    def record(self, record: CallRecord) -> None:
        """Keep ``record`` so that a crash right after can't lose it."""

    def masked(self, text: str) -> str:
        """Return ``text`` without the keys that must be kept nowhere."""

    def log_call(
        self,
        request: ModelRequest,
        outcome: Outcome,
        *,
        record: CallRecord | None,
        duration_ms: int,
        error: str | None = None,
        lost: Usage | None = None,
        cost_usd: float | None = None,
    ) -> None:
        """Write the audit line of one call; a call that this run has logged before is not logged again.

        ``lost`` and ``cost_usd``: what a call took of which there is no record.
        """


class Budget(Protocol):
    """The one choke point of all limits."""

    def admit(self, request: ModelRequest, traits: Traits) -> None:
        """Reserve what ``request`` may at most cost.

        Raises:
            LimitReached: it does not fit any more.
        """

    def settle(self, request: ModelRequest, record: CallRecord | None) -> None:
        """Replace the reservation by what was really used (None: nothing)."""

    def lose(self, usage: Usage, cost_usd: float | None) -> None:
        """Count what a call took of which there is no record; ``cost_usd``: None where the price is unknown."""

    def cost(self, usage: Usage, traits: Traits) -> float | None:
        """US dollars of ``usage``; None where the price is unknown."""


class Observer(Protocol):
    """Who watches calls as they happen: the terminal."""

    def call_started(self, agent: str, model: str) -> None:
        """A call is about to be sent."""

    def call_progress(self, agent: str, tokens: int) -> None:
        """``tokens`` have arrived so far."""

    def call_finished(self, agent: str, outcome: Outcome, tokens: int, duration_ms: int) -> None:
        """The call is over."""
