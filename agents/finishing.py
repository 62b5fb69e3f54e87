"""Agents that go over accepted work: the Refactorer, and those that other packages bring (docs/adding-an-agent.md)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from importlib.metadata import entry_points

from agents.context import Context
from agents.runner import Runner
from schemas.code_change import CodeChange
from schemas.errors import InputError

__all__ = ["GROUP", "FinishingAgent", "installed_agents"]

GROUP = "milepost.agents"
"""The entry-point group that other packages register agents in."""


@dataclass(frozen=True)
class FinishingAgent:
    """An agent that may change what was accepted. Its change is kept only if nothing that was measured or judged gets
    worse."""

    name: str
    """Of the agent and of its template ``<name>.j2``, e.g. ``docs``."""
    about: str
    """What it does, for the planner-driven router."""
    work: Callable[[Runner, Context], Awaitable[CodeChange]]
    """From what it may see to a change; an empty one where there is nothing to do."""
    package: str = "agents.prompts"
    """The package that its template lies in."""


def installed_agents(taken: Collection[str]) -> dict[str, FinishingAgent]:
    """Return the agents of other packages by name, sorted. ``taken`` are the names of Milepost's own agents.

    Raises:
        InputError: one can't be loaded or has a name that can't be used; the message names its distribution.
    """
    found: dict[str, FinishingAgent] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        where = f"agent {entry.name!r} of {entry.dist.name if entry.dist else entry.value}"
        try:
            loaded = entry.load()
        except (Exception, SystemExit) as error:  # whatever somebody else's module raises
            raise InputError(f"{where}: can't be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(loaded, FinishingAgent):
            raise InputError(f"{where}: is no agents.finishing.FinishingAgent but a {type(loaded).__name__}")
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", loaded.name) or loaded.name in {*taken, *found}:
            raise InputError(f"{where}: its name {loaded.name!r} is taken, or is not made of a-z, 0-9 and _")
        found[loaded.name] = loaded
    return found
