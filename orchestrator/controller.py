"""What to try next, from what was tried: refine the best → resample → escalate, and stop where nothing helps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Protocol

from orchestrator.config import ControllerSettings
from schemas.routing import Move

__all__ = ["Tried", "next_move"]


class Tried(Protocol):
    """An attempt that is over."""

    @property
    def move(self) -> Move:
        """How it began."""

    @property
    def better(self) -> bool:
        """Whether it came to something better than all before it."""


def next_move(tried: Sequence[Tried], rules: ControllerSettings, *, higher: bool) -> Move | None:
    """Return how the next attempt begins; None: stop, the last ``rules.patience`` attempts brought nothing better.

    ``higher``: whether there is a model tier to escalate to. A run escalates once and stays there.
    """
    if not tried:
        return "generate"
    stale = len(list(takewhile(lambda attempt: not attempt.better, reversed(tried))))
    if stale >= rules.patience:
        return None
    something = stale < len(tried)
    if stale == 0:
        return "refine"
    last = tried[-1].move
    if something and last in ("refine", "escalate") and rules.resample:
        return "resample"
    if higher and rules.escalate and all(attempt.move != "escalate" for attempt in tried):
        return "escalate"
    return "refine" if something else "generate"
