"""Scoped memory: what was done, in namespaces with a rolling window; what falls out of it, a model sums up.

Each entry has a whole and a brief form. A reader is shown the newest entry of a namespace whole, older ones briefly and
the oldest as one summary, together no more than the window: prompts do not grow with the length of a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agents.runner import Runner, Task
from schemas.call import estimated_tokens
from schemas.errors import AgentFailure

__all__ = ["SIGHT", "Entry", "Memory", "namespace"]

SIGHT: Mapping[str, Sequence[str]] = {
    "spec": ("project",),  # contracts reach the tests, so no code may reach the contracts
    "arch": ("project",),
    "impl": ("loop",),
    "critic": ("loop",),
    "evaluator": ("loop",),  # where it is a large model (`agents.evaluator`)
    "router": ("project", "loop", "agent"),
    "scorer": ("loop",),
    "refiner": ("loop",),
    "generator": ("loop",),
}
"""Agent → the namespaces that it is shown, in this order. An agent that is not named here is shown none: the tester
least of all, who must not know the code that its tests will try.

``project`` holds the milestones of the run, ``loop`` the attempts at the milestone, or the rounds of the program, that
is worked on, ``agent`` what the agent itself did.
"""

AT_ONCE = 4
"""So many entries are summed up by one call at most."""

SUMMARY_TOKENS = 200
"""So long may a summary be."""


def namespace(kind: str, loop: str = "", agent: str = "") -> str:
    """Return the name of the namespace ``kind`` of `SIGHT`: each loop and each agent has one of its own."""
    return {"loop": f"loop {loop}".strip(), "agent": f"agent {agent}"}.get(kind, kind)


@dataclass(frozen=True)
class Entry:
    """Something worth remembering."""

    title: str
    whole: str
    brief: str


@dataclass
class _Namespace:
    entries: list[Entry] = field(default_factory=list)
    summary: str = ""


class Memory:
    """The memory of one run. ``window`` bounds what is shown of a namespace, in estimated tokens; 0: nothing is."""

    def __init__(self, runner: Runner, window: int) -> None:
        self._runner = runner
        self._window = window
        self._namespaces: dict[str, _Namespace] = {}

    def remember(self, namespace: str, entry: Entry) -> None:
        """Add ``entry``."""
        self._namespaces.setdefault(namespace, _Namespace()).entries.append(entry)

    async def settle(self, loop: str = "") -> None:
        """Have the older half of a namespace summed up, a few entries a call, while its entries do not fit the window.

        To be called before ``loop`` goes on, and for what is seen there only: a summary that nobody reads is not paid
        for.
        """
        seen = {namespace(kind, loop, agent) for agent, kinds in SIGHT.items() for kind in kinds}
        for name in sorted(seen & self._namespaces.keys()):
            space = self._namespaces[name]
            while self._window and len(space.entries) > 2 and self._needed(space) > self._window - SUMMARY_TOKENS:
                count = min(AT_ONCE, (len(space.entries) + 1) // 2)
                space.summary = await self._summed_up(space.summary, space.entries[:count])
                del space.entries[:count]

    def view(self, agent: str, loop: str = "") -> str:
        """Return what ``agent`` may see while ``loop`` is worked on, as text for a prompt; empty where there is
        nothing."""
        places = (namespace(kind, loop, agent) for kind in SIGHT.get(agent, ()))
        return "\n\n".join(filter(None, map(self._shown, places)))

    def sizes(self) -> dict[str, int]:
        """Return namespace → estimated tokens of what is shown of it."""
        return {name: estimated_tokens(self._shown(name)) for name in self._namespaces}

    def _shown(self, name: str) -> str:
        space = self._namespaces.get(name)
        if space is None or not self._window or not space.entries:
            return ""
        room = self._window
        parts: list[str] = []
        for number, entry in enumerate(reversed(space.entries)):
            text = f"{entry.title}\n{entry.whole if number == 0 else entry.brief}"
            text = _cut(text, room if number else room - min(_older(space), room // 2))
            if not text:
                break
            parts.insert(0, text)
            room -= estimated_tokens(text)
        if space.summary and (summary := _cut(f"Before, in short: {space.summary}", room)):
            parts.insert(0, summary)
        return "\n\n".join(parts)

    def _needed(self, space: _Namespace) -> int:
        """Return the tokens that all of its entries take; the newest may need no more than half of the window."""
        newest = estimated_tokens(f"{space.entries[-1].title}\n{space.entries[-1].whole}")
        return _older(space) + min(newest, self._window // 2)

    async def _summed_up(self, before: str, gone: Sequence[Entry]) -> str:
        texts = [f"{entry.title}\n{entry.brief}" for entry in gone]
        variables = {"before": before, "texts": [_cut(text, self._window) for text in texts]}
        task = Task("memory", "summarise", variables, _summary, max_tokens=SUMMARY_TOKENS, corrections=1)
        try:
            return await self._runner.ask(task)
        except AgentFailure:  # titles say least, but say it surely
            return _cut("; ".join(filter(None, [before, *(entry.title for entry in gone)])), SUMMARY_TOKENS)


def _summary(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise ValueError("the summary is empty")
    return _cut(line, SUMMARY_TOKENS)


def _older(space: _Namespace) -> int:
    """Return the tokens of all but the newest entry."""
    briefs = sum(estimated_tokens(f"{entry.title}\n{entry.brief}") for entry in space.entries[:-1])
    return briefs + estimated_tokens(space.summary)


def _cut(text: str, tokens: int) -> str:
    """Return ``text``, cut so that it takes at most ``tokens``; empty where hardly anything would be left."""
    if estimated_tokens(text) <= tokens:
        return text
    kept = text[: max(0, tokens * 3 - 12)]
    return f"{kept}\n… cut" if len(kept) > 40 else ""
