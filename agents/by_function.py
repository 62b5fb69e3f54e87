"""Impl in small steps, for small models: one function at a time, the likeliest version first, a second one where the
two can be compared, four more where facts speak against them or the two differ: what follows a draft is begun with a
comment on what it will do. Facts choose, then agreement.

To sample several programs and let tests choose is how AlphaCode (Li et al. 2022) and CodeT (Chen et al. 2022) work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agents.choice import Candidates, Choice, choose, comparable
from agents.context import Context
from agents.names import Definition
from agents.parsing import parse_module
from agents.pieces import CHOICES, definition, filled, mend, write, write_text
from agents.ports import Comparison, Examine, Lint
from agents.runner import Runner
from agents.skeleton import Symbol, stubs, unwritten
from schemas.architecture import Blueprint
from schemas.code_change import CodeChange, FileWrite, Implementation
from schemas.errors import AgentFailure
from schemas.evidence import Evidence
from schemas.test_report import Failure

__all__ = ["by_function"]

ROUNDS = 2
"""How often, within one attempt, what still fails is begun afresh, once told what failed and once not. A small model
that is shown its own code gives it back as it was; only where nothing fails, and the judge wants more, is it shown."""

BLAMED = 2
"""How many functions are written again in a round: those that most facts point at."""

SAMPLES = 100
"""Room for the samples of one attempt: each sample of a milestone has a number of its own."""


_Place = tuple[str, str]
"""Path and name of a function."""


@dataclass(frozen=True)
class _Blame:
    symbol: Symbol
    facts: list[str]


async def by_function(
    runner: Runner, context: Context, blueprint: Blueprint, lint: Lint, examine: Examine, comparison: Comparison
) -> Implementation:
    """Return the milestone's code: every stub written, then what fails written again while that helps.

    On the first turn a generated test that fails is a reason for further versions once, which know nothing of it; the
    rounds after that look at sealed checks and the program: whether test or code is wrong is the Critic's to say.
    """
    sample = SAMPLES * context.sample
    state, drafts = await _draft(runner, context, blueprint, lint, examine, sample)
    begins = sample == 0 and runner.model("impl").traits.prefill  # else the second would be the first once more
    second = await _second(runner, state, drafts, lint, examine, comparison) if begins else Choice(state)
    settled = await _settle(runner, second, drafts, blueprint, lint, examine, comparison, sample + 1)
    state, versions = settled.context, [*settled.versions]
    for number in range(ROUNDS):
        evidence = _evidence(state)
        runs = evidence.program is None or evidence.program.ok
        proven = evidence.holds and runs
        blamed = [] if proven and (context.turn == 1 or number) else _blamed(state, blueprint.skeletons)[:BLAMED]
        if not blamed:
            break
        first = sample + 1 + CHOICES * (number + 1)  # behind the draft and its other versions
        # Once with the facts, once without; never with a generated test, which versions that know it say nothing on.
        told = not proven and bool(number) == (context.turn == 1)
        if evidence.counting_failures:
            tasks = [write(state, b.symbol, lint, first, b.facts if told else (), thinking=True) for b in blamed]
        else:
            tasks = [mend(state, b.symbol, b.facts, lint, first) for b in blamed if not b.symbol.whole]
            blamed = [b for b in blamed if not b.symbol.whole]
        replies = await runner.ask_all([replace(task, corrections=0) for task in tasks])
        choice = await choose(state, _found([b.symbol for b in blamed], replies), examine)
        state, versions = choice.context, [*versions, *choice.versions]
    changed = {path: source for path, source in state.files.items() if source != context.files.get(path)}
    writes = [FileWrite(path=path, content=source) for path, source in changed.items()]
    disputed = [symbol.name for symbol in settled.disputed] if begins else None
    return Implementation(change=CodeChange(writes=writes), versions=versions, disputed=disputed)


async def _draft(
    runner: Runner,
    context: Context,
    blueprint: Blueprint,
    lint: Lint,
    examine: Examine,
    sample: int,
) -> tuple[Context, dict[_Place, Candidates]]:
    """Return the project with every stub written and measured, and for each function's place its stub and versions."""
    files = dict(context.files)
    left = unwritten(context.code)
    todo = [
        symbol
        for path, source in context.code.items()
        for symbol in stubs(path, source)
        if any(f"{name}.".startswith(f"{path}: {symbol.name}.") for name in left)
    ]
    others = [f for f in blueprint.architecture.files if not f.path.endswith(".py") and f.path not in files]
    blamed = _blamed(context, blueprint.skeletons) if context.evidence else []
    known = {blame.symbol.name: blame.facts for blame in blamed}
    tasks = [write(context, symbol, lint, sample, known.get(symbol.name, ())) for symbol in todo]
    tasks += [write_text(context, file.path, file.purpose, sample) for file in others]
    likeliest = [replace(task, choices=1, corrections=0) for task in tasks] if context.sample == 0 else tasks
    first = await runner.ask_all(likeliest)
    again = iter(await runner.ask_all(t for t, r in zip(tasks, first, strict=True) if isinstance(r, AgentFailure)))
    replies = [_usable(next(again) if isinstance(reply, AgentFailure) else reply) for reply in first]
    for symbol, codes in zip(todo, replies, strict=False):
        files[symbol.path] = filled(files, symbol, codes[0])
    files.update({file.path: texts[0] for file, texts in zip(others, replies[len(todo) :], strict=True)})
    drafts = {_place(symbol): Candidates(symbol, codes) for symbol, codes in zip(todo, replies, strict=False)}
    return replace(context, files=files, evidence=await examine(files)), drafts


async def _second(
    runner: Runner,
    context: Context,
    drafts: dict[_Place, Candidates],
    lint: Lint,
    examine: Examine,
    comparison: Comparison,
) -> Choice:
    """Have a second version written of each function whose versions can be compared, and choose; note it in ``drafts``.

    It is the likeliest one, begun otherwise: two that were come to by different ways and agree are nearly always right
    (docs/humaneval.md), and two that meet their sealed checks outvote a generated test.
    """
    places = [place for place, one in drafts.items() if comparable(context, one.symbol, comparison)]
    tasks = [write(context, drafts[place].symbol, lint, 0, thinking=True) for place in places]
    tasks = [replace(task, choices=1, corrections=0) for task in tasks]
    replies = await runner.ask_all(tasks)
    for place, more in zip(places, _found([drafts[place].symbol for place in places], replies), strict=True):
        drafts[place] = Candidates(more.symbol, [*drafts[place].codes, *more.codes])
    return await choose(context, [drafts[place] for place in places], examine, comparison)


async def _settle(
    runner: Runner,
    second: Choice,
    drafts: dict[_Place, Candidates],
    blueprint: Blueprint,
    lint: Lint,
    examine: Examine,
    comparison: Comparison,
    sample: int,
) -> Choice:
    """Have more versions written, once, of each of the ``drafts`` that fails or is doubted, and choose."""
    state, versions, disputed = second.context, second.versions, second.disputed
    # While a sealed check fails, only that is looked at; when it holds, the generated tests come into sight.
    while wanting := {p: facts for p, facts in _wanting(state, blueprint, second).items() if p in drafts}:
        begun = [drafts.pop(place) for place in wanting]
        asked = zip(begun, wanting.values(), strict=True)
        tasks = [write(state, one.symbol, lint, sample, facts, thinking=True) for one, facts in asked]
        tasks = [replace(task, corrections=0) for task in tasks]
        found = _found([one.symbol for one in begun], await runner.ask_all(tasks))
        for one, more in zip(begun, found, strict=True):
            both = Candidates(one.symbol, [*one.codes, *more.codes])
            choice = await choose(state, [both], examine, comparison if one.symbol in second.doubted else None)
            state = choice.context
            versions = [*(v for v in versions if v.function != one.symbol.name), *choice.versions]
            disputed = [*(symbol for symbol in disputed if symbol != one.symbol), *choice.disputed]
    return Choice(state, versions, disputed=disputed)


def _wanting(context: Context, blueprint: Blueprint, second: Choice) -> dict[_Place, list[str]]:
    """Return the places of the functions that more versions are wanted of, with what these are told: what forbids a
    pass points at them, or two versions of them do not agree. Of those that agree none are while only generated tests
    fail, which they outvote; and of generated tests nobody is told, so that versions can speak for or against them."""
    evidence, blamed = _evidence(context), _blamed(context, blueprint.skeletons, wishes=False)
    wanting = {_place(blame.symbol): [] if evidence.holds else blame.facts for blame in blamed}
    wanting |= {_place(symbol): [] for symbol in second.doubted if _place(symbol) not in wanting}
    runs = evidence.program is None or evidence.program.ok
    only_generated = evidence.holds and runs and not evidence.contract_gaps
    sure = {_place(symbol) for symbol in second.sure} if only_generated else set()
    return {place: facts for place, facts in wanting.items() if place not in sure}


def _place(symbol: Symbol) -> _Place:
    return symbol.path, symbol.name


def _found(symbols: Sequence[Symbol], replies: Sequence[list[str] | AgentFailure]) -> list[Candidates]:
    """Return each symbol with the versions of it that came; none is no failure."""
    return [Candidates(s, [] if isinstance(r, AgentFailure) else r) for s, r in zip(symbols, replies, strict=True)]


def _usable(reply: list[str] | AgentFailure) -> list[str]:
    if isinstance(reply, AgentFailure):
        raise reply
    return reply


def _evidence(context: Context) -> Evidence:
    assert context.evidence is not None  # noqa: S101  (`_draft` measured)
    return context.evidence


def _blamed(context: Context, designed: Mapping[str, str], *, wishes: bool = True) -> list[_Blame]:
    """Return the functions that the facts point at, most facts first, each with its facts.

    A failing test points at the functions that its trace or its source names, a gap at those in its text.
    Where nothing failed, the judge's feedback points at what it names. Facts that name nothing are laid to ``main``.
    Without ``wishes`` neither feedback nor what the linter says counts: more versions would be chosen by their looks.
    Each is as ``designed`` (path → skeleton), where that has it: what the last version made up is not asked for again.
    A module that was designed to be written as a whole is to blame as a whole.
    """
    evidence = _evidence(context)
    whole = {p: s for p, source in designed.items() if p.endswith(".py") for s in stubs(p, source) if s.whole}
    symbols = [
        Symbol(
            path,
            node.name,
            definition(designed.get(path, ""), node.name) or definition(source, node.name),
            home=designed.get(path, ""),
        )
        for path, source in context.code.items()
        for node in parse_module(source, path).body
        if isinstance(node, Definition) and path not in whole
    ]
    symbols += whole.values()
    texts = [(f"{f.source}\n{f.error}\n{f.location}", _fact(f)) for f in evidence.failures]
    looks = set() if wishes else {str(finding) for finding in evidence.findings}
    texts += [(gap, gap) for gap in evidence.gaps if gap not in looks]
    texts = texts or [(line, line) for line in context.feedback if wishes]
    facts: dict[Symbol, list[str]] = {}
    for where, fact in texts:
        for symbol in symbols:
            if re.search(rf"\b{re.escape(symbol.name)}\b", where) or (symbol.whole and symbol.path in where):
                facts.setdefault(symbol, []).append(fact)
    if not facts and texts and symbols:
        symbol = next((s for s in symbols if s.name == "main"), symbols[-1])
        facts[symbol] = [fact for _, fact in texts]
    return [_Blame(symbol, facts[symbol][:3]) for symbol in sorted(facts, key=lambda s: -len(facts[s]))]


def _fact(failure: Failure) -> str:
    """Return the test and what it said, without the listing of its source that pytest repeats."""
    said, _, trace = failure.error.partition("\n\n")
    inner = [line for line in trace.splitlines() if line.startswith("E ")]
    return f"{failure.source}\n{said}" if failure.source else f"{said}\n" + "\n".join(inner[:8])
