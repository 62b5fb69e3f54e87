"""What the report says of what may go wrong, of what is owed, and of what to do next: each with the fact behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.team import Team
from schemas.evaluation import Dimension, Evaluation
from schemas.evidence import Evidence
from schemas.milestone import Criterion, Milestone, Status
from schemas.report import Acceptance, Item, RoadmapItem

__all__ = ["UNCHECKED", "debt", "risks", "roadmap", "sandboxes"]

UNCHECKED = "the idea file has no check for it"
UNVERIFIED = "The delivered project did not pass its final verification"
MOST = 6
"""So many steps of a kind are proposed."""
_DISPUTED = "too few of the model's first versions of it gave the same results on further inputs"


Unchecked = Sequence[tuple[Milestone, Criterion]]
"""The criteria that no sealed check is about."""


def risks(
    team: Team,
    milestones: list[Milestone],
    evidence: Evidence | None,
    acceptance: list[Acceptance],
    unchecked: Unchecked,
) -> list[Item]:
    """Known limitations and failure modes."""
    risks = [
        Item(title=f"{m.id} {m.title} was not accepted", evidence=_why(m))
        for m in milestones
        if m.status is not Status.ACCEPTED
    ]
    risks += [
        Item(title=f"{a.id} is {a.proof}: {a.statement}", evidence=a.detail or a.proof)
        for a in acceptance
        if a.proof != "passed"
    ]
    risks += [Item(title=UNVERIFIED, evidence=line) for line in _unverified(evidence, acceptance)]
    risks += [
        Item(title=f"{m.id}, perhaps missing or incomplete: {c.statement}", evidence="no sealed check proves it")
        for m, c in unchecked
        if m.status is Status.ACCEPTED
    ]
    risks += [
        Item(title=f"{m.id}: no test was written for {name}", evidence=why)
        for m in milestones
        if m.status is Status.ACCEPTED
        for name, _, why in (line.partition(": ") for line in m.attempts[-1].untested)
    ]
    risks += [
        Item(title=f"{m.id}: {name} may be wrong where no check tries it", evidence=_DISPUTED)
        for m in milestones
        if m.status is Status.ACCEPTED
        for name in m.attempts[-1].disputed
    ]
    for m in milestones:
        last = m.attempts[-1].evaluation if m.attempts else None
        if last is not None and m.status is Status.ACCEPTED:
            risks += [
                Item(title=f"{m.id}: {d.value.replace('_', ' ')} is rated {n} of 5", evidence=_rated(last, d))
                for d, n in last.breakdown.items()
                if n <= 3
            ]
    if evidence is not None:
        weak = {p: c for p, c in evidence.generated.coverage_by_file.items() if c < 80}
        risks += [
            Item(title=f"{p} is not fully tested", evidence=f"line coverage {c:g} %, under 80 %")
            for p, c in weak.items()
        ]
    if not any(c.check for c in team.idea.acceptance):
        risks.append(
            Item(
                title="Only the agents have said what is right",
                evidence="the idea has no acceptance checks, so every test was written by the Test agent",
            )
        )
    for name in sandboxes(team):
        if name.startswith("none"):
            risks.append(Item(title="The code ran without a sandbox", evidence=name))
    return risks


def _unverified(evidence: Evidence | None, acceptance: Sequence[Acceptance]) -> list[str]:
    """Return what the final verification found against the whole, apart from checks that failed: they are told."""
    told = tuple(f"acceptance check {a.id} fails" for a in acceptance)
    lines = evidence.counting_failures if evidence else []
    return [line.split("\n")[0][:300] for line in lines if not line.startswith(told)]


def _rated(verdict: Evaluation, dimension: Dimension) -> str:
    """Say why ``dimension`` has its number: the fact that capped it last, else the judge's reason."""
    facts = [clamp.fact for clamp in verdict.clamps if clamp.dimension is dimension]
    return facts[-1] if facts else verdict.reasons[dimension]


def _remarks(verdict: Evaluation) -> list[str]:
    """Return what the judge wants changed, without its reasons for numbers that it gave as good ones itself."""
    praise = {f"{d.value}: {verdict.reasons[d]}"[:600] for d, n in verdict.raw.items() if n >= 4}
    return [line[:300] for line in verdict.feedback if line not in praise]


def sandboxes(team: Team) -> list[str]:
    """What confined the code in this run's sittings."""
    return list(dict.fromkeys([*team.info.sandboxes, team.laboratory.sandbox.name]))


def _why(milestone: Milestone) -> str:
    if milestone.blocked_by:
        return f"blocked: it depends on {milestone.blocked_by}, which was not accepted"
    if not milestone.attempts:
        return "it was not begun"
    last = milestone.attempts[-1]
    if last.failure:
        return last.failure.split("\n")[0][:300]
    refusal = last.evaluation.refusal if last.evaluation else ""
    return refusal or f"status: {milestone.status.value}"


def debt(evidence: Evidence | None, milestones: list[Milestone], files: Mapping[str, str]) -> list[Item]:
    """Shortcuts taken, future improvements."""
    debt = []
    if evidence is not None:
        debt += [
            Item(title="Test set aside", evidence=f"{t} was ruled wrong, so it does not count")
            for t in evidence.quarantined
        ]
        debt += [Item(title=f"{f.tool}: {f.rule}", evidence=str(f)) for f in evidence.findings]
    for m in milestones:
        last = m.attempts[-1].evaluation if m.attempts else None
        if last is not None and m.status is Status.ACCEPTED:
            debt += [Item(title=f"{m.id}: the judge's remark", evidence=line) for line in _remarks(last)[:4]]
        if m.status is Status.ACCEPTED:
            debt += [
                Item(title=f"{m.id}: the Critic's finding", evidence=str(finding))
                for finding in m.attempts[-1].findings
                if finding.edit.remove in files.get(finding.path, "")
            ]
    return debt


def roadmap(
    milestones: list[Milestone],
    evidence: Evidence | None,
    acceptance: list[Acceptance],
    unchecked: Unchecked,
    debt: list[Item],
    stopped: tuple[str, str] | None,
) -> list[RoadmapItem]:
    """What to do next: first what ``stopped`` the run (the step, and why), then what is broken, then what is unproven,
    then what is owed, `MOST` steps of each at most."""
    steps: list[tuple[str, str]] = []
    if stopped is not None:
        steps.append((stopped[0], stopped[1].split("\n")[0]))
    steps += [(f"Get {m.id} {m.title} accepted", _why(m)) for m in milestones if m.status is Status.FAILED]
    steps += [(f"Make {a.id} pass: {a.statement}", a.detail) for a in acceptance if a.proof == "failed"]
    steps += [("Find out why the whole does not hold", line) for line in _unverified(evidence, acceptance)[:MOST]]
    steps += [
        (f"Build {m.id} {m.title}", _why(m))
        for m in milestones
        if m.status in (Status.BLOCKED, Status.STOPPED, Status.PENDING)
    ]
    steps += [(f"Write a check for {a.id}: {a.statement}", a.detail) for a in acceptance if a.detail == UNCHECKED]
    steps += [
        (f"Write a check for: {c.statement} ({m.id})", "only tests of the Test agent's own making try it")
        for m, c in unchecked[:MOST]
    ]
    owed = dict(reversed([(item.title, item.evidence) for item in debt]))  # of each kind the first
    first = list(dict.fromkeys(item.title for item in debt))[:MOST]
    steps += [(f"Follow up: {title}", owed[title]) for title in first]
    if not steps:
        steps.append(("Try it with real users, and write their wishes as the next idea", "every check passes"))
    return [RoadmapItem(priority=n, step=s, because=b) for n, (s, b) in enumerate(steps, 1)]
