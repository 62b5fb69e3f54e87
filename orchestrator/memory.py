"""What is remembered of a round, an attempt and a milestone. Who is shown it: `agents.memory.SIGHT`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from agents.memory import Entry, namespace
from orchestrator.attempt import Attempt, Work
from orchestrator.team import Team
from schemas.milestone import AttemptRecord, Milestone, Status
from schemas.refinement import Round

__all__ = ["remember_attempt", "remember_milestone", "round_entry", "said"]

BRIEF_LINES = 30
"""So many lines of a change are remembered once a newer one is there."""


def attempt_entry(attempt: Attempt, record: AttemptRecord, began: Mapping[str, str]) -> Entry:
    """Return what is remembered of an attempt that began with the files ``began``: score, facts, feedback, change.

    The code itself stands in the prompts as it is now; what an attempt made of it is its difference.
    """
    title = f"Attempt {record.number} ({record.move})"
    if record.evaluation is None:
        reason = (record.failure or "no verdict")[:300]
        return Entry(f"{title}: came to nothing: {reason}", "", "")
    verdict = record.evaluation
    kept = "the best so far" if record.better else "no better than before"
    numbers = ", ".join(f"{d.value.replace('_', ' ')} {n}" for d, n in verdict.raw.items())
    facts = [f"- {line[:300]}" for line in (attempt.facts.counting_failures if attempt.facts else [])]
    change = _change(began, {p: s for p, s in attempt.files.items() if not p.startswith("tests/")})
    reasons = [f"- {d.value.replace('_', ' ')}: {reason}" for d, reason in verdict.reasons.items()]
    wishes = [f"- {line[:300]}" for line in verdict.feedback if f"- {line[:300]}" not in facts]
    whole = ["Measured:" if facts else "All that was measured holds.", *facts[:6], "The judge said:", *reasons]
    whole += ["It was told:" if wishes else "", *wishes[:6], "It changed:", *change]
    brief = [*facts[:2], "It changed:", *change[:BRIEF_LINES], *(["…"] if len(change) > BRIEF_LINES else [])]
    return Entry(
        title=f"{title}: score {verdict.score:.2f}, {kept}; the judge gave {numbers}",
        whole="\n".join(filter(None, whole)),
        brief="\n".join(brief),
    )


def milestone_entry(milestone: Milestone, work: Work) -> Entry:
    """Return what is remembered of a milestone that is over: what it added, what was decided, what is left open."""
    last = milestone.attempts[-1].evaluation if milestone.attempts else None
    score = f", score {last.score:.2f}" if last else ""
    title = f"{milestone.id} {milestone.title}: {milestone.status.value}{score}, {len(milestone.attempts)} attempts"
    files = f"Files: {', '.join(work.blueprint.skeletons)}" if work.blueprint else ""
    plan = work.blueprint.architecture if work.blueprint else None
    decided = [f"Decided: {t.choice}: {t.rationale}" for t in plan.technology[:2]] if plan else []
    open_ends = [f"Left open: {line[:200]}" for line in (last.feedback[:2] if last else [])]
    return Entry(title, "\n".join(filter(None, [files, *decided, *open_ends])), files)


def remember_attempt(attempt: Attempt, record: AttemptRecord, began: Mapping[str, str]) -> None:
    """Remember an attempt that was not good enough."""
    team, loop = attempt.team, attempt.milestone.id
    team.memory.remember(namespace("loop", loop), attempt_entry(attempt, record, began))
    _remember_route(team, loop, record)


def remember_milestone(team: Team, milestone: Milestone, work: Work) -> None:
    """Remember a milestone that is over, and the route that led to it."""
    team.memory.remember(namespace("project"), milestone_entry(milestone, work))
    if milestone.status is Status.ACCEPTED:
        _remember_route(team, milestone.id, milestone.attempts[-1])
    else:
        team.events.write("memory", tokens=team.memory.sizes())


def _remember_route(team: Team, milestone: str, record: AttemptRecord) -> None:
    if team.routing == "planner":
        team.memory.remember(namespace("agent", agent="router"), route_entry(milestone, record))
    team.events.write("memory", tokens=team.memory.sizes())


def route_entry(milestone: str, record: AttemptRecord) -> Entry:
    """Return what the router remembers of a route that it led an attempt on."""
    verdict = record.evaluation
    came = f"score {verdict.score:.2f}, {'passed' if verdict.passed else 'not passed'}" if verdict else "no verdict"
    way = " → ".join(hop.agent for hop in record.route)
    turns = [f"{hop.agent}: {hop.result[:150]}" for hop in record.route]
    return Entry(f"{milestone}, attempt {record.number}: {way}: {came}", "\n".join(turns), "")


def round_entry(done: Round, before: Round | None) -> Entry:
    """Return what is remembered of a round: its program whole, or as what it changed; score, wishes, facts."""
    rose = ""
    if before is not None and before.score is not None and done.score is not None:
        rose = f", {done.score - before.score:+.1f} to the best before"
    wishes = [
        f"asked for ({one.points:+g}):\n- {one.edit.remove.strip()}\n+ {one.edit.add.strip()}"
        for one in (done.scoring.edits if done.scoring else [])
    ]
    words = [f"said: {done.scoring.reason}"] if done.scoring else []
    tail = "\n".join([*words, *wishes, *done.caps])
    change = "\n".join(_change({"": before.program}, {"": done.program})) if before else ""
    return Entry(
        title=f"Attempt {done.number} ({done.move}): {said(done)}{rose}",
        # Words first: where there is no room for all of it, the end is cut off.
        whole=f"{tail}\nwrote:\n{_quoted(done.program)}",
        brief=f"{tail}\nchanged:\n{change}" if before else tail,
    )


def _quoted(program: str) -> str:
    """Return a program with a mark before each line, so that no text of it, even cut off, passes for one of ours."""
    return "\n".join(f"| {line}" for line in program.rstrip().splitlines())


def said(done: Round) -> str:
    """Return the score of a round in words."""
    return "unscored" if done.score is None else f"score {done.score:.1f}"


def _change(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the lines of a difference between two states, without lines around it."""
    lines: list[str] = []
    for path in sorted({*after, *(p for p in before if not p.startswith("tests/"))}):
        old, new = before.get(path, ""), after.get(path, "")
        if old != new:
            hunks = difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm="")
            lines += [path] if path else []
            lines += [line for line in hunks if not line.startswith(("---", "+++"))]
    return lines
