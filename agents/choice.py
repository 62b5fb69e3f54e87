"""Which of several versions of a function is taken: the one with the best facts; of equals, where they can be compared
on further inputs, the one that most others come to the same as."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.context import Context
from agents.contracts import called
from agents.names import imported_names
from agents.parsing import parse_module
from agents.pieces import filled
from agents.ports import Comparison, Examine
from agents.skeleton import Symbol
from schemas.code_change import Version
from schemas.evidence import Evidence

__all__ = ["Candidates", "Choice", "choose", "comparable"]


@dataclass(frozen=True)
class Candidates:
    """A function and the versions of it that came, the same one as often as it came."""

    symbol: Symbol
    codes: Sequence[str]


@dataclass(frozen=True)
class Choice:
    """What came of a choice."""

    context: Context
    """The project with the versions in it that were taken, and what was measured on it."""
    versions: Sequence[Version] = ()
    """All of them, for the Critic to rule by; none where nothing is left to rule on."""
    sure: list[Symbol] = field(default_factory=list)
    """Functions that enough versions agree on, and that meet their sealed checks, of which one at least calls them."""
    doubted: list[Symbol] = field(default_factory=list)
    """Those that more versions are wanted of: too few agree, fewer than two are sound, or a sealed check fails."""
    disputed: list[Symbol] = field(default_factory=list)
    """Those of `doubted` that were compared and that too few versions agree on."""


def comparable(context: Context, symbol: Symbol, comparison: Comparison) -> bool:
    """Whether versions of ``symbol`` can be compared on further inputs: a function that is called with literals, in a
    module that needs no other one of the project. What ``main`` returns says little of what it does."""
    function = isinstance(parse_module(symbol.source, symbol.name).body[-1], ast.FunctionDef)
    if symbol.whole or symbol.name == "main" or not function or not comparison.possible(symbol.name):
        return False
    module = context.code[symbol.path]
    relative = any(isinstance(n, ast.ImportFrom) and n.level for n in ast.walk(parse_module(module, symbol.path)))
    return not relative and not imported_names(module, context.third_party)


async def choose(
    context: Context, found: Sequence[Candidates], examine: Examine, comparison: Comparison | None = None
) -> Choice:
    """Put the best version of each function of ``found`` into the project. The same code is measured once.

    Without ``comparison`` the first one that nothing speaks against ends the search.
    """
    chosen = Choice(context)
    for candidates in found:
        trials = _Trials(context, candidates.symbol)
        for code in candidates.codes:
            await trials.add(code, examine)
            if comparison is None and not trials.best.counting_failures:
                return Choice(trials.taken(trials.first))
        shape = trials.first
        if comparison is not None and len(candidates.codes) > 1:
            shape = await _most_agreed(trials, comparison, chosen)
        context = trials.taken(shape)
        chosen = replace(chosen, context=context, versions=[*chosen.versions, *trials.versions()])
    return chosen


class _Trials:
    """The versions of one function, as they were measured, each in the place of the one that the project has."""

    def __init__(self, context: Context, symbol: Symbol) -> None:
        self.context, self.symbol = context, symbol
        there = context.code[symbol.path]
        assert context.evidence is not None  # noqa: S101  (`agents.by_function` measured the draft)
        self.measured: dict[str, Evidence] = {_shape(there): context.evidence}
        self.modules = {_shape(there): there}
        self.replies: Counter[str] = Counter()

    async def add(self, code: str, examine: Examine) -> None:
        module = filled(self.context.files, self.symbol, code)
        shape = _shape(module)
        self.replies[shape] += 1
        if shape not in self.measured:
            self.measured[shape] = await examine({**self.context.files, self.symbol.path: module})
            self.modules[shape] = module

    @property
    def best(self) -> Evidence:
        """The best facts."""
        return max(self.measured.values(), key=lambda evidence: evidence.merit)

    @property
    def first(self) -> str:
        """The first with the best facts; what the project has comes before all others."""
        return next(shape for shape, evidence in self.measured.items() if evidence.merit == self.best.merit)

    def taken(self, shape: str) -> Context:
        """Return the project with the version ``shape`` in it."""
        files = {**self.context.files, self.symbol.path: self.modules[shape]}
        return replace(self.context, files=files, evidence=self.measured[shape])

    def versions(self) -> list[Version]:
        """Return what the replies came to."""
        name = self.symbol.name
        return [Version(function=name, replies=n, evidence=self.measured[s]) for s, n in self.replies.items()]


def _shape(module: str) -> str:
    return ast.dump(ast.parse(module))


async def _most_agreed(trials: _Trials, comparison: Comparison, chosen: Choice) -> str:
    """Return the version that most come to the same as, of those with the best facts; note in ``chosen`` whether these
    are enough. Who may vote need not be as good as the best in generated tests, which may be wrong themselves."""
    best, symbol = trials.best, trials.symbol
    equals = [shape for shape, evidence in trials.measured.items() if evidence.merit == best.merit]
    voters = [
        trials.modules[shape]
        for shape, replies in trials.replies.items()
        for _ in range(replies)
        if trials.measured[shape].merit[:2] == best.merit[:2]
    ]
    proofs = trials.context.checks_of(symbol.name)
    if len(voters) < 2 or not {check.id for check in proofs} <= best.met:
        chosen.doubted.append(symbol)
        return trials.first
    found = await comparison.agreement(symbol.name, [trials.modules[shape] for shape in equals], voters)
    if found is None:
        return trials.first
    most = max(found.shares)
    if most < found.enough:
        chosen.doubted.append(symbol)
        chosen.disputed.append(symbol)
    elif any(symbol.name in called(check) for check in proofs):
        chosen.sure.append(symbol)
    return equals[found.shares.index(most)]
