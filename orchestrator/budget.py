"""The one choke point of all limits: what a call may at most cost must still fit, or it is not made."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from agents.ports import Traits
from schemas.call import CallRecord, ModelRequest, Usage, estimated_usage
from schemas.errors import LimitReached
from schemas.idea import Limits

__all__ = ["RunBudget"]


class RunBudget:
    """Counts what a run has used, over all its sittings, and admits calls while they fit ``limits``."""

    def __init__(
        self,
        limits: Limits,
        *,
        traits: Mapping[str, Traits] = MappingProxyType({}),
        seconds_before: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``traits``: those of each model by its name."""
        self.limits = limits
        self._traits = traits
        self._clock = clock
        self._started = clock() - seconds_before
        self._settled: set[str] = set()
        self._usage = Usage()
        self._spent = 0.0
        self._unpriced = False
        self._reserved: dict[str, tuple[int, float]] = {}

    @property
    def seconds(self) -> float:
        """Seconds that the run has taken, earlier sittings included."""
        return self._clock() - self._started

    @property
    def usage(self) -> Usage:
        """Tokens of all calls of the run."""
        return self._usage

    @property
    def calls(self) -> int:
        """Calls of the run that got a reply."""
        return len(self._settled)

    @property
    def cost_usd(self) -> float | None:
        """US dollars of the run; None where any call's price is unknown."""
        return self._spent if self._usage.total and not self._unpriced else None

    def admit(self, request: ModelRequest, traits: Traits) -> None:
        """Reserve what ``request`` may at most cost.

        Raises:
            LimitReached: it does not fit any more.
        """
        tokens = worst_tokens(request)
        dollars = worst_cost(request, traits)
        limits = self.limits
        if limits.minutes is not None and self.seconds >= limits.minutes * 60:
            raise LimitReached(
                "minutes", f"the limit of {limits.minutes:g} minutes is reached; raise it with --max-minutes"
            )
        calls = self.calls + len(self._reserved)
        if limits.calls is not None and calls + 1 > limits.calls:
            raise LimitReached("calls", f"the limit of {limits.calls} calls is reached; raise it with --max-calls")
        used = self.usage.total + sum(t for t, _ in self._reserved.values())
        if limits.tokens is not None and used + tokens > limits.tokens:
            raise LimitReached(
                "tokens",
                f"the next call ({request.agent}) may take {tokens:,} tokens, but {used:,} of the limit of "
                f"{limits.tokens:,} are used or reserved; raise it with --max-tokens",
            )
        if limits.usd is not None and not traits.local:
            if dollars is None:
                raise LimitReached(
                    "usd", f"limits.usd can't be kept: the price of {request.model} is unknown; set it in [prices]"
                )
            spent = self._spent + sum(d for _, d in self._reserved.values())
            if spent + dollars > limits.usd:
                raise LimitReached(
                    "usd",
                    f"the next call ({request.agent}) may cost ${dollars:.2f}, but ${spent:.2f} of the limit of "
                    f"${limits.usd:.2f} are spent or reserved; raise it with --max-usd",
                )
        self._reserved[request.digest] = (tokens, dollars or 0.0)

    def settle(self, request: ModelRequest, record: CallRecord | None) -> None:
        """Replace the reservation of ``request`` by what was really used."""
        self._reserved.pop(request.digest, None)
        if record is not None and record.digest not in self._settled:
            self._settled.add(record.digest)
            self._usage += record.reply.usage
            self._spent += record.cost_usd or 0.0
            self._unpriced |= record.cost_usd is None

    def lose(self, usage: Usage, cost_usd: float | None) -> None:
        """Count what a call took of which there is no record: it broke off, or could not be kept."""
        if usage.total:
            self._usage += usage
            self._spent += cost_usd or 0.0
            self._unpriced |= cost_usd is None

    def priced(self, model: str, usage: Usage, cost_usd: float | None) -> float | None:
        """Return what ``usage`` cost: ``cost_usd``, or by a price of ``model`` that was set since."""
        traits = self._traits.get(model)
        return cost_usd if cost_usd is not None or traits is None else self.cost(usage, traits)

    def cost(self, usage: Usage, traits: Traits) -> float | None:
        """US dollars of ``usage``; None where the price is unknown (a local model has none)."""
        price = traits.price
        if price is None:
            return None
        dollars = (
            usage.input_tokens * price.input
            + usage.output_tokens * price.output
            + usage.cache_write_tokens * price.cache_write
            + usage.cache_read_tokens * price.cache_read
        )
        return round(dollars / 1e6, 8)


def worst_tokens(request: ModelRequest) -> int:
    """Return how many tokens ``request`` may at most take, in and out."""
    return estimated_usage(request, request.max_tokens * request.choices).total


def worst_cost(request: ModelRequest, traits: Traits) -> float | None:
    """Return how many US dollars ``request`` may at most cost; None where the price is unknown."""
    if traits.price is None:
        return None
    tokens_out = request.max_tokens * request.choices
    tokens_in = worst_tokens(request) - tokens_out
    return (tokens_in * traits.price.cache_write + tokens_out * traits.price.output) / 1e6
