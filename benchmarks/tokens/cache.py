"""How much of a run's prompts a cache can serve: what a prompt begins with and an earlier one began with too.

Prompts are messages in the chat template of the embedded model, which adds five tokens to each (two marks, the role,
two line feeds) and three that begin the reply. Nothing expires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.tokens.arms import Prompt
from benchmarks.tokens.tokenizer import Tokens

__all__ = ["MINIMUM", "SLOTS", "Sent", "breakpoints", "prefixes", "size", "slots"]

AROUND, OPENING, ANSWER = 5, 3, 3
"""Tokens of the template around a message, before what it says, and before the reply."""
SLOTS = 4
"""How many prompts the embedded model keeps (``n_parallel`` in `agents.models.embedded`)."""
SIMILAR = 0.1
"""llama.cpp takes the slot that shares most with a prompt if that is more than this part of it (its option
``--slot-prompt-similarity``), else the one that was used longest ago."""
MINIMUM = {"claude-opus-4-8": 1024, "claude-haiku-4-5": 4096}
"""The shortest prefix that Anthropic's cache takes, in tokens. Source: the provider's page on prompt caching, as others
quoted it in November 2026."""


@dataclass(frozen=True)
class Sent:
    """A prompt as it goes to a model."""

    prompt: Prompt
    model: str
    reply: str = ""
    schema: str = ""
    """The form that the reply must have; another one is another prefix to Anthropic's cache."""
    choices: int = 1
    prefill: str = ""


def size(sent: Sent, tokens: Tokens) -> int:
    """Return the tokens of a whole prompt."""
    return _messages(sent.prompt, tokens) + ANSWER + tokens(sent.prefill)


def _messages(prompt: Prompt, tokens: Tokens) -> int:
    return sum(AROUND + tokens(text) for _, text in prompt)


def common(one: Prompt, other: Prompt, tokens: Tokens) -> int:
    """Return the tokens that both begin with."""
    whole = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            if mine[0] != yours[0]:
                return whole + 1
            return whole + OPENING + tokens(mine[1][: _shared(mine[1], yours[1])])
        whole += AROUND + tokens(mine[1])
    return whole


def _shared(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


@dataclass
class _Node:
    below: dict[tuple[str, str], _Node] = field(default_factory=dict)


def prefixes(run: Sequence[Sent], tokens: Tokens) -> int:
    """Return the tokens that an endless cache serves: the longest prefix shared with any earlier prompt of the same
    model and its reply, token by token."""
    served, roots = 0, {sent.model: _Node() for sent in run}
    for sent in run:
        node, known = roots[sent.model], True
        for role, text in sent.prompt:
            if (role, text) in node.below:
                served += AROUND + tokens(text)
            elif known:
                known = False
                alike = [_shared(text, other) for same, other in node.below if same == role]
                served += OPENING + tokens(text[: max(alike)]) if alike else 0
            node = node.below.setdefault((role, text), _Node())
        node.below.setdefault(("assistant", sent.reply), _Node())
    return served


def slots(run: Sequence[Sent], tokens: Tokens, count: int = SLOTS) -> int:
    """Return the tokens that ``count`` slots of llama.cpp for each model serve, each keeping its last prompt and reply.
    More replies to one prompt are written in as many slots."""
    served = 0
    slots_of: dict[str, list[Prompt]] = {}
    for sent in run:
        held = slots_of.get(sent.model, [()] * count)  # the one that was used longest ago first
        shared = [common(sent.prompt, prompt, tokens) for prompt in held]
        best = max(range(count), key=lambda n: shared[n])
        taken = best if shared[best] > SIMILAR * size(sent, tokens) else 0
        served += shared[taken]
        full = (*sent.prompt, ("assistant", sent.reply))
        others = [prompt for n, prompt in enumerate(held) if n != taken]
        more = min(sent.choices, count) - 1
        slots_of[sent.model] = [*others[more:], *[full] * (more + 1)]
    return served


def breakpoints(run: Sequence[Sent], tokens: Tokens, *, last: bool = False) -> tuple[int, int]:
    """Return the tokens that Anthropic's cache reads, and those that are written to it: whole prefixes up to a
    breakpoint, of at least `MINIMUM` tokens, read where an earlier request of the same model and form wrote them.

    The breakpoint is behind the system prompt, where `agents.models.anthropic` sets it; with ``last`` behind the last
    message, as a conversation does, in which no form is asked for.
    """
    served = stored = 0
    written: set[int] = set()
    for sent in run:
        least = MINIMUM.get(sent.model.rpartition("/")[2], min(MINIMUM.values()))
        key, length, read = hash((sent.model, "" if last else sent.schema)), 0, 0
        for message in sent.prompt if last else sent.prompt[:1]:
            key, length = hash((key, message)), length + AROUND + tokens(message[1])
            read = length if key in written else read
        served += read
        if length >= least and key not in written:
            written.add(key)
            stored += length - read
    return served, stored
