"""The rules of a planned route: who may be next, and the state that the router decides by."""

from __future__ import annotations

from agents.skeleton import unwritten
from orchestrator.attempt import Attempt
from orchestrator.rubric import forbidding
from schemas.architecture import own_code
from schemas.evaluation import Evaluation
from schemas.evidence import Evidence

__all__ = ["FINISH", "MAX_HOPS", "possible", "result_of", "state_of"]

FINISH = "finish"
"""Ends the attempt with the verdict that it has."""

MAX_HOPS = 12
"""So many turns may an attempt take before what is left of the fixed order ends it."""

STALE = 2
"""After so many measured turns of the engineer that bettered nothing, it must be somebody else's."""

MAX_ARCHITECT = 2
MAX_FAILURES = 2
"""So often may a role fail in an attempt, or the architect begin anew."""


def possible(attempt: Attempt) -> dict[str, str | None]:
    """Return for everybody why he can't be next, None where he can."""
    facts, verdict = attempt.facts, attempt.evaluation
    rules = {
        "architect": _architect(attempt),
        "engineer": _engineer(attempt),
        "test_runner": _test_runner(attempt),
        "critic": "the code was not run yet"
        if not attempt.measured or facts is None
        else "it has judged this code already"
        if verdict
        else None,
        **{agent.name: _finishing(attempt, agent.name) for agent in attempt.team.finishing},
        FINISH: None if verdict else "nothing was judged yet",
    }
    for role in rules:
        if sum(hop.agent == role and hop.result.startswith("failed") for hop in attempt.route) >= MAX_FAILURES:
            rules[role] = f"it failed {MAX_FAILURES} times"
    return rules


def _architect(attempt: Attempt) -> str | None:
    turns = [hop.agent for hop in attempt.route]
    if not attempt.work.prepared:
        return None
    if attempt.facts is None or (attempt.written and not attempt.measured):
        return "nothing was measured that it could learn from"
    if satisfied := _satisfied(attempt):
        return satisfied
    if turns.count("architect") >= MAX_ARCHITECT:
        return f"it has begun anew {MAX_ARCHITECT} times in this attempt"
    if "architect" in turns and "test_runner" not in turns[_last(turns, "architect") :]:
        return "it has had these facts already"
    return None


def _engineer(attempt: Attempt) -> str | None:
    if not attempt.work.prepared:
        return "interfaces or tests are missing; the architect sees to them"
    if attempt.written and not attempt.measured:
        return "what it wrote last was not run yet"
    if satisfied := _satisfied(attempt):
        return satisfied
    if len(attempt.merits) > STALE and max(attempt.merits[-STALE:]) <= max(attempt.merits[:-STALE]):
        return f"its last {STALE} turns bettered nothing that was measured"
    return None


def _test_runner(attempt: Attempt) -> str | None:
    if attempt.measured:
        return "this code was run already"
    if not (attempt.written or attempt.altered):
        return "nothing was changed in this attempt"
    code = own_code(attempt.files)
    if not attempt.work.prepared or not code or unwritten(code):
        return "there is no code yet"
    return None


def _satisfied(attempt: Attempt) -> str | None:
    """Say why there is nothing to mend, where there is not."""
    facts, verdict = attempt.facts, attempt.evaluation
    if verdict is not None:
        return "it passed" if verdict.passed else None
    if attempt.measured and facts is not None and forbidding(facts) is None:
        return "nothing that was measured forbids a pass; the critic has not judged it yet"
    return None


def _finishing(attempt: Attempt, name: str) -> str | None:
    if attempt.evaluation is None or not attempt.evaluation.passed:
        return "only what passed is gone over"
    return "it has been over this already" if any(p.agent == name for p in attempt.passes) else None


def _last(turns: list[str], role: str) -> int:
    return len(turns) - 1 - turns[::-1].index(role)


def state_of(attempt: Attempt, about: dict[str, str], rules: dict[str, str | None]) -> dict[str, object]:
    """Return the whole state of an attempt for the router: JSON, bounded in every part."""
    milestone, verdict = attempt.milestone, attempt.evaluation
    contracts = attempt.work.specification.contracts if attempt.work.specification else []
    return {
        "milestone": {
            "id": milestone.id,
            "title": milestone.title,
            "description": milestone.description[:300],
            "criteria": [c.statement[:200] for c in milestone.acceptance_criteria[:8]],
        },
        # Not of how many: a run that is resumed with more of them would ask everything anew.
        "attempt": {"number": attempt.number, "begun_by": attempt.move},
        "contracts": [f"{c.kind} {c.name}: {c.behaviour}"[:200] for c in contracts[:12]],
        "files": sorted(path for path in attempt.files if path in attempt.context("router").focus)[:20],
        "measured": _measured(attempt.facts, current=attempt.measured) if attempt.facts else None,
        "verdict": _verdict(verdict) if verdict else None,
        "findings": [str(finding)[:200] for finding in attempt.findings[:4]],
        "memory": attempt.team.memory.view("router", milestone.id),
        "turns": [f"{hop.agent}: {hop.result}" for hop in attempt.route],
        "turns_left": MAX_HOPS - len(attempt.route),
        "possible": {role: about[role] for role, why in rules.items() if why is None},
        "impossible": {role: why for role, why in rules.items() if why is not None},
    }


def _verdict(verdict: Evaluation) -> dict[str, object]:
    feedback = [line[:200] for line in verdict.feedback[:4]]
    return {"passed": verdict.passed, "score": verdict.score, "feedback": feedback}


def _measured(facts: Evidence, *, current: bool) -> dict[str, object]:
    return {
        "of": "the code as it is" if current else "the code before",
        "tests": f"{facts.generated.passed} of {facts.generated.total} pass",
        "checks": f"{facts.acceptance.passed} of {facts.acceptance.total} pass" if facts.acceptance else "none yet",
        "failing": [line[:200] for line in facts.counting_failures[:5]],
        "other_facts": [line[:120] for line in facts.gaps[:3]],
    }


def result_of(attempt: Attempt, role: str) -> str:
    """Return in a few words what came of the turn of ``role``."""
    facts, verdict = attempt.facts, attempt.evaluation
    if role == "architect":
        return "interfaces and tests are ready"
    if role == "engineer":
        return "code was written"
    if role == "test_runner" and facts is not None:
        failing = len(facts.counting_failures)
        return f"{facts.generated.passed} of {facts.generated.total} tests pass, {failing} facts forbid a pass"
    if role == "critic" and verdict is not None:
        return f"{'passed' if verdict.passed else 'not passed'}, score {verdict.score:.2f}"
    done = next((p for p in reversed(attempt.passes) if p.agent == role), None)
    return f"{'kept' if done.kept else 'not kept'}: {done.reason[:120]}" if done else ""
