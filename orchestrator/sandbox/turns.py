"""No more commands run at once than there are processors: their limits are of wall-clock time, and each has memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from orchestrator.sandbox.port import Command, Result

__all__ = ["in_turn"]

Run = TypeVar("Run", bound=Callable[..., Coroutine[Any, Any, Result]])

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def in_turn(run: Run) -> Run:
    """Make a sandbox's ``run`` wait for its turn; its time begins only then."""

    @wraps(run)
    async def waiting(sandbox: object, command: Command) -> Result:
        at_once = max(2, len(os.sched_getaffinity(0)))
        async with _waiting.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(at_once)):
            return await run(sandbox, command)

    return cast(Run, waiting)
