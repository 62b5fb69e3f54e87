"""Generate → score → refine: one program, until it is good enough or nothing more is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import structlog

from agents.edits import apply
from agents.generator import generate
from agents.memory import Memory
from agents.programs import ProgramTask
from agents.refiner import refine
from agents.scorer import score
from orchestrator.config import ControllerSettings, RefineSettings
from orchestrator.controller import Tried, next_move
from orchestrator.evidence.collect import Subject
from orchestrator.evidence.examples import calls_in, checks_in
from orchestrator.evidence.static import certain_errors, tidy
from orchestrator.memory import round_entry, said
from orchestrator.rubric import program_caps, program_failures, sure
from orchestrator.team import Team
from schemas.code_change import CodeChange
from schemas.errors import AgentFailure
from schemas.evidence import Evidence
from schemas.refinement import PROGRAM, Round, Scoring
from schemas.routing import Move

__all__ = ["Rounds", "refine_program"]

UNTRIED = (
    "the task has no example that could be run, so besides that the program runs only a small model's opinion speaks "
    "for it. Add one: >>> and a call, and what it returns in the next line"
)
DISPUTED = (
    "too few of the model's versions come to the same on further inputs; what speaks for this one is that the task's "
    "examples hold"
)
UNSCORED = "the run was stopped before it was scored"
MAX_REFINEMENTS = 3
MAX_NEW_STARTS = 8
"""So many attempts may follow the first where nothing is set; while examples fail, and a local model begins anew."""
PERFECT = 10.0
FEWEST_VOTERS = 2
"""A version alone has nobody to agree with."""


@dataclass
class Rounds:
    """How far the loop has come."""

    done: list[Round] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    """All rounds, those without a program too."""
    voters: list[tuple[str, Evidence]] = field(default_factory=list)
    """What the generator wrote, a version as often as it was written. What the refiner makes of one is no new vote."""

    accepted: Round | None = None
    """The round that reached the bar."""

    @property
    def best(self) -> Round | None:
        """The round that reached the bar; else that with the best facts, of equals the one most agreed with, then the
        best scored, then the first."""
        return self.accepted or max(self.done, key=_merit, default=None)


async def refine_program(team: Team, prompt: str, settings: RefineSettings, rounds: Rounds) -> bool:
    """Write a program for ``prompt`` and refine it, filling ``rounds``; return whether it reached the bar."""
    memory = Memory(team.runner, settings.window_tokens if settings.history else 0)
    for number in count(1):
        most, rules = _bounds(team, settings, rounds.best)
        if number > most:
            break
        move = next_move(rounds.tried, rules, higher=team.runner.can_escalate("generator", "refiner"))
        if move is None:
            team.watcher.note(f"Stopped: {rules.patience} attempts in a row brought no improvement.")
            break
        if move == "escalate":
            team = replace(team, runner=team.runner.escalated())
        if move == "refine" and rounds.best is not None and _copies(team, rounds.best, settings):
            move = "resample"
        with structlog.contextvars.bound_contextvars(attempt=number):
            try:
                done = await _round(team, prompt, settings, rounds, memory, number, move)
            except AgentFailure as failure:
                team.events.write("round_failed", level="warning", move=move, reason=str(failure)[:500])
                team.watcher.note(f"Attempt {number} ({move}): no program: {str(failure)[:200]}")
                rounds.tried.append(_Failed(move))
                continue
        before = rounds.best
        rounds.done.append(done)
        rounds.tried.append(done)
        team.watcher.note(f"Attempt {number} ({done.move}): {said(done)}")
        if done.score is not None and done.score >= settings.min_score:
            rounds.accepted = done
            return True
        memory.remember("loop", round_entry(done, before))
        team.events.write("memory", tokens=memory.sizes())
    return _last_word(team, settings, rounds)


def _bounds(team: Team, settings: RefineSettings, best: Round | None) -> tuple[int, ControllerSettings]:
    """Return how many attempts there may be as things stand, and the rules for the next one. New starts know nothing of
    each other: if several brought nothing better, that does not speak against one more (decision 0017)."""
    local = all(team.runner.model(agent).traits.local for agent in ("generator", "refiner"))
    failing = best is None or bool(program_failures(best.evidence))
    anew = settings.run and failing and local and _small(team, "generator", "refiner")
    refinements = settings.max_refinements
    if refinements is None:
        refinements = MAX_NEW_STARTS if anew else MAX_REFINEMENTS
    most = refinements + 1
    return most, team.rules.model_copy(update={"patience": most}) if anew else team.rules


def _small(team: Team, *agents: str) -> bool:
    """Whether the models of all ``agents`` go by functions."""
    return all(team.runner.model(agent).traits.step == "function" for agent in agents)


def _last_word(team: Team, settings: RefineSettings, rounds: Rounds) -> bool:
    """Return whether the best program reaches the bar in the end, where its versions did not agree: that its examples
    hold is as good a verdict (docs/humaneval.md), and nothing is left."""
    best = rounds.best
    if best is None or not best.disputed or not best.evidence.acceptance or program_failures(best.evidence):
        return False
    value, caps = _capped(PERFECT, best.evidence, settings)
    last = best.model_copy(update={"score": value, "caps": caps, "flags": [*best.flags, DISPUTED]})
    rounds.done[rounds.done.index(best)] = last
    team.watcher.note(f"Attempt {last.number}, at last: {said(last)}")
    team.events.write("disputed", round=last.number, score=last.score, agreement=last.agreement)
    if value < settings.min_score:
        return False
    rounds.accepted = last
    return True


async def _task(team: Team, agent: str, prompt: str, memory: Memory, number: int) -> ProgramTask:
    # What a small model is shown it copies; and of a prompt that does not change it reads only the end anew.
    anew = agent == "generator" and _small(team, agent)
    if not anew:
        await memory.settle()
    return ProgramTask(prompt, certain_errors, "" if anew else memory.view(agent), sample=100 * (number - 1))


def _copies(team: Team, best: Round, settings: RefineSettings) -> bool:
    """Whether nothing but facts is known of ``best``, and the refiner is a small model: that copies what it is shown,
    faults included, more often than it mends it, and does better with a new start (decision 0017)."""
    return _small(team, "refiner") and settings.run and best.scoring is None


@dataclass(frozen=True)
class _Failed:
    """A round without a program."""

    move: Move
    better: bool = False


async def _round(
    team: Team, prompt: str, settings: RefineSettings, rounds: Rounds, memory: Memory, number: int, move: Move
) -> Round:
    """Write or refine, measure all versions, take the best one, and have it scored."""
    base = rounds.best if move in ("refine", "escalate") else None

    if base is None:
        versions = await generate(team.runner, await _task(team, "generator", prompt, memory, number))
    else:
        versions = await _refined(team, await _task(team, "refiner", prompt, memory, number), base, settings)
    program, evidence, agreement, voters = await _best_of(team, prompt, settings, versions, rounds, vote=base is None)
    scoring, small = None, _small(team, "scorer")
    failing = settings.run and bool(program_failures(evidence))
    split = small and settings.run and not failing and bool(calls_in(prompt)) and (agreement or 0.0) < sure(voters)
    proven = small and settings.run and not failing and not split and evidence.acceptance is not None
    # A small scorer knows less than what was measured, or than versions that contradict each other (decision 0013).
    if not small or not (failing or split or proven):
        try:
            task = await _task(team, "scorer", prompt, memory, number)
            scoring = await score(team.runner, task, program, _facts(evidence, settings))
        except AgentFailure as failure:
            team.events.write("unscored", level="warning", reason=str(failure)[:500])
        except BaseException:  # what ends the run costs the opinion, not the program
            last = _scored(number, move, program, evidence, agreement, None, rounds.done, settings)
            rounds.done.append(last.model_copy(update={"flags": [UNSCORED]}))
            raise
    done = _scored(
        number, move, program, evidence, agreement, scoring, rounds.done, settings, split=split, proven=proven
    )
    if small and settings.run and evidence.acceptance is None:
        done = done.model_copy(update={"flags": [*done.flags, UNTRIED]})
    team.events.write(
        "round_finished",
        move=move,
        score=done.score,
        agreement=agreement,
        said=scoring.said if scoring else None,
        caps=done.caps,
        flags=done.flags,
    )
    return done


async def _refined(team: Team, task: ProgramTask, best: Round, settings: RefineSettings) -> list[str]:
    """Return the refiner's versions, and what the scorer's own edits make of the program."""
    edited = _as_the_scorer_wrote(best)
    try:
        versions = await refine(team.runner, task, best, _facts(best.evidence, settings))
    except AgentFailure:
        if edited is None:
            raise
        versions = []
    return [*versions, *([edited] if edited is not None else [])]


async def _best_of(
    team: Team, prompt: str, settings: RefineSettings, versions: Sequence[str], rounds: Rounds, *, vote: bool
) -> tuple[str, Evidence, float | None, int]:
    """Return the version with the best facts, which share of the generator's versions with such facts agree with it,
    and how many of those there are; of equals the one with the largest share, then the first. ``vote``: whether
    ``versions`` are the generator's."""
    tidied = [tidy(PROGRAM, version) for version in versions]
    measured = {
        version: await team.laboratory.examine(_subject(team, prompt, version, settings))
        for version in dict.fromkeys(tidied)
    }
    if vote:
        rounds.voters += [(version, measured[version]) for version in tidied]
    best = max(evidence.merit for evidence in measured.values())
    equals = [version for version, evidence in measured.items() if evidence.merit == best]
    voters = [version for version, evidence in rounds.voters if evidence.merit[:2] == best[:2]]
    if not settings.run or len(voters) < FEWEST_VOTERS:
        return equals[0], measured[equals[0]], None, len(voters)
    shares = (await team.laboratory.agreement(equals, voters, calls_in(prompt))).shares
    chosen = equals[shares.index(max(shares))]
    return chosen, measured[chosen], max(shares), len(voters)


def _subject(team: Team, prompt: str, program: str, settings: RefineSettings) -> Subject:
    checks = checks_in(prompt, PROGRAM.removesuffix(".py")) if settings.run else []
    return Subject({PROGRAM: program}, team.idea, checks, runs_program=settings.run, silent=True)


def _as_the_scorer_wrote(last: Round) -> str | None:
    """Return the program with the scorer's own edits made, where they fit together."""
    if last.scoring is None or not last.scoring.edits:
        return None
    try:
        change = CodeChange(edits=[one.edit for one in last.scoring.edits])
        return apply(change, {PROGRAM: last.program}).files[PROGRAM]
    except ValueError:
        return None


def _scored(
    number: int,
    move: Move,
    program: str,
    evidence: Evidence,
    agreement: float | None,
    scoring: Scoring | None,
    done: Sequence[Round],
    settings: RefineSettings,
    *,
    split: bool = False,
    proven: bool = False,
) -> Round:
    """``proven``: whether what was measured is its score, without an opinion."""
    value, caps = _capped(scoring.score if scoring else PERFECT, evidence, settings, split=split)
    scored = Round(
        number=number,
        move=move,
        program=program,
        evidence=evidence,
        better=False,
        agreement=agreement,
        scoring=scoring,
        score=value if scoring or proven else None,
        caps=caps,
        disputed=split,
        flags=_flags(scoring, done) if scoring else [],
    )
    return scored.model_copy(update={"better": all(_merit(scored) > _merit(earlier) for earlier in done)})


def _capped(
    value: float, evidence: Evidence, settings: RefineSettings, *, split: bool = False
) -> tuple[float, list[str]]:
    """Return ``value`` as facts cap it, and these caps in words."""
    caps = program_caps(evidence, run=settings.run, split=split)
    return min([value, *(cap for cap, _ in caps)]), [f"at most {cap:g}: {fact}" for cap, fact in caps]


def _flags(scoring: Scoring, done: Sequence[Round]) -> list[str]:
    """Say where a scoring contradicts itself, or asks for the opposite of what was asked for before."""
    flags = []
    if abs(scoring.said - scoring.score) > 0.5:
        flags.append(f"the scorer wrote {scoring.said:g}, but its edits leave {scoring.score:g}")
    wished = {(one.edit.remove.strip(), one.edit.add.strip()) for r in done if r.scoring for one in r.scoring.edits}
    flags += [
        f"the scorer asks to undo what it asked for before: {one.edit.remove.strip().splitlines()[0][:80]}"
        for one in scoring.edits
        if (one.edit.add.strip(), one.edit.remove.strip()) in wished
    ]
    return flags


def _facts(evidence: Evidence, settings: RefineSettings) -> list[str]:
    """Return what was measured, in words; the tools' wishes of style are not the task's."""
    if not settings.run:
        return ["it was not run"]
    failures = program_failures(evidence)
    good = []
    if evidence.acceptance is not None and not failures:
        good.append(f"all {evidence.acceptance.total} examples of the task hold")
    if evidence.program is not None and evidence.program.ok:
        good.append(f"it ends well and prints: {evidence.program.output[:600] or '(nothing)'}")
    return [*failures, *good]


def _merit(done: Round) -> tuple[object, ...]:
    sealed, runs, *_ = done.evidence.merit
    return (sealed, runs, done.score is not None, done.agreement or 0.0, done.score or 0.0)
