"""Compiling the final report from the run's records. Every risk, debt and next step names the fact it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from orchestrator.ledger import Ledger
from orchestrator.report.totals import cost_of, totals
from orchestrator.report.trace import trace
from orchestrator.team import Team
from schemas.call import Usage
from schemas.evaluation import Dimension, Evaluation
from schemas.evidence import Evidence
from schemas.milestone import Milestone, Status
from schemas.report import Acceptance, FinalReport, Item, ProjectFile, RoadmapItem
from schemas.test_report import TestReport

__all__ = ["compile_report"]

_UNCHECKED = "the idea file has no check for it"
_DISPUTED = "too few of the model's first versions of it gave the same results on further inputs"


def compile_report(
    team: Team, ledger: Ledger, evidence: Evidence | None, stopped_by: str | None, *, resumable: bool
) -> FinalReport:
    """Return the report; ``evidence`` is that of the final verification, None where there was none."""
    milestones = list(ledger.milestones.values())
    acceptance = _acceptance(team, milestones, evidence)
    risks = _risks(team, milestones, evidence, acceptance)
    files = team.project.files() if team.project.path.is_dir() else {}
    debt = _debt(evidence, milestones, files)
    verdict: Literal["accepted", "not accepted", "stopped"] = "not accepted"
    if stopped_by is not None:
        verdict = "stopped"
    elif _proven(team, milestones, evidence, acceptance):
        verdict = "accepted"
    agents = totals(team)
    again = "Start a new run with another model or settings"
    next_step = f"Continue: milepost resume {team.files.name}" if resumable else again
    planned = [file for m in milestones if m.architecture for file in m.architecture.files]
    purposes = {file.path: file.purpose for file in planned}
    return FinalReport(
        run=team.files.name,
        idea=team.idea.name,
        summary=team.idea.summary,
        verdict=verdict,
        stopped_by=stopped_by,
        resumable=resumable,
        milestones=milestones,
        plan_notes=ledger.notes,
        files=[ProjectFile(path=p, lines=s.count("\n"), purpose=purposes.get(p, "")) for p, s in files.items()],
        project=str(team.files.project.relative_to(team.files.workspace)),
        tests=evidence.generated if evidence else ledger.tests,
        acceptance=acceptance,
        traces=trace(team.idea, milestones, acceptance, files, evidence),
        program=evidence.program if evidence else None,
        findings=evidence.findings if evidence else [],
        rulings=ledger.rulings,
        quarantined=list(ledger.quarantined),
        risks=risks,
        tech_debt=debt,
        roadmap=_roadmap(milestones, acceptance, debt, (next_step, stopped_by) if stopped_by else None),
        agents=agents,
        models=sorted({a.model for a in agents} or set(team.info.models.values())),
        usage=sum((a.usage for a in agents), Usage()),
        cost_usd=cost_of(agents),
        seconds=round(team.budget.seconds, 1),
        sandbox=", then ".join(_sandboxes(team)),
        log=str(team.files.events.relative_to(team.files.workspace)),
    )


def _proven(team: Team, milestones: list[Milestone], evidence: Evidence | None, acceptance: list[Acceptance]) -> bool:
    """Whether everything that can be measured was measured, and holds."""
    checked = {check.id for check in team.idea.acceptance if check.check}
    return (
        bool(milestones)
        and all(m.status is Status.ACCEPTED for m in milestones)
        and evidence is not None
        and not evidence.counting_failures
        and all(a.proof == "passed" for a in acceptance if a.id in checked)
    )


def _acceptance(team: Team, milestones: list[Milestone], evidence: Evidence | None) -> list[Acceptance]:
    reports = _sealed(milestones) if evidence is None else [evidence.acceptance] if evidence.acceptance else []
    results = {r.id: r.outcome for report in reports for r in report.results}
    errors = {f.test: f.error for report in reports for f in report.failures}
    homes = {c.check: m for m in milestones for c in m.acceptance_criteria if c.check}
    found = []
    for check in team.idea.acceptance:
        outcome = results.get(check.id)
        proof: Literal["passed", "failed", "not proven"] = "not proven"
        home = homes.get(check.id)
        detail = _UNCHECKED if check.check is None else _unproven(home, check.id)
        if outcome is not None:
            proof = "passed" if outcome == "passed" else "failed"
            when = (
                ""
                if evidence
                else f"when {home.id if home else 'its milestone'} was accepted; not checked again at the end"
            )
            detail = when if proof == "passed" else (errors.get(check.id) or outcome).split("\n")[0][:200]
        found.append(
            Acceptance(
                id=check.id,
                statement=check.statement,
                milestone=home.id if home else check.milestone,
                proof=proof,
                detail=detail,
                holdout=check.holdout,
            )
        )
    return found


def _sealed(milestones: Iterable[Milestone]) -> list[TestReport]:
    """What the sealed checks came to when each accepted milestone passed: what is known where the run was cut short."""
    accepted = [m.attempts[-1] for m in milestones if m.status is Status.ACCEPTED and m.attempts]
    return [attempt.acceptance for attempt in accepted if attempt.acceptance]


def _unproven(milestone: Milestone | None, check: str) -> str:
    """Say why a check has no proof."""
    if milestone is None or not milestone.attempts or milestone.status is Status.ACCEPTED:
        return "the run ended before it was checked"
    if milestone.status is Status.STOPPED and not any(attempt.acceptance for attempt in milestone.attempts):
        return "the run ended before it was checked"
    last = milestone.attempts[-1]
    if last.evaluation and last.evaluation.judge_alone and last.acceptance and check in last.acceptance.passing:
        return f"it passed at attempt {last.number} (commit {last.commit}), but the judge did not accept {milestone.id}"
    return f"{milestone.id} was not accepted, so its checks do not count"


def _risks(
    team: Team, milestones: list[Milestone], evidence: Evidence | None, acceptance: list[Acceptance]
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
    risks += [
        Item(title=f"{m.id}, perhaps missing or incomplete: {c.statement}", evidence="no sealed check proves it")
        for m in milestones
        if m.status is Status.ACCEPTED
        for c in m.acceptance_criteria
        if c.check is None
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
    for name in _sandboxes(team):
        if name.startswith("none"):
            risks.append(Item(title="The code ran without a sandbox", evidence=name))
    return risks


def _rated(verdict: Evaluation, dimension: Dimension) -> str:
    """Say why ``dimension`` has its number: the fact that capped it last, else the judge's reason."""
    facts = [clamp.fact for clamp in verdict.clamps if clamp.dimension is dimension]
    return facts[-1] if facts else verdict.reasons[dimension]


def _remarks(verdict: Evaluation) -> list[str]:
    """Return what the judge wants changed, without its reasons for numbers that it gave as good ones itself."""
    praise = {f"{d.value}: {verdict.reasons[d]}"[:600] for d, n in verdict.raw.items() if n >= 4}
    return [line[:300] for line in verdict.feedback if line not in praise]


def _sandboxes(team: Team) -> list[str]:
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


def _debt(evidence: Evidence | None, milestones: list[Milestone], files: Mapping[str, str]) -> list[Item]:
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
        if m.status is Status.ACCEPTED and len(m.attempts) > 1:
            moves = ", ".join(attempt.move for attempt in m.attempts)
            debt.append(Item(title=f"{m.id} took {len(m.attempts)} attempts", evidence=f"they began with: {moves}"))
    return debt


def _roadmap(
    milestones: list[Milestone],
    acceptance: list[Acceptance],
    debt: list[Item],
    stopped: tuple[str, str] | None,
) -> list[RoadmapItem]:
    """What to do next: first what ``stopped`` the run (the step, and why), then what is broken, then what is unproven,
    then what is owed."""
    steps: list[tuple[str, str]] = []
    if stopped is not None:
        steps.append((stopped[0], stopped[1].split("\n")[0]))
    steps += [(f"Get {m.id} {m.title} accepted", _why(m)) for m in milestones if m.status is Status.FAILED]
    steps += [(f"Make {a.id} pass: {a.statement}", a.detail) for a in acceptance if a.proof == "failed"]
    steps += [
        (f"Build {m.id} {m.title}", _why(m))
        for m in milestones
        if m.status in (Status.BLOCKED, Status.STOPPED, Status.PENDING)
    ]
    steps += [(f"Write a check for {a.id}: {a.statement}", a.detail) for a in acceptance if a.detail == _UNCHECKED]
    steps += [(f"Follow up: {item.title}", item.evidence) for item in debt[:6]]
    if not steps:
        steps.append(("Try it with real users, and write their wishes as the next idea", "every check passes"))
    return [RoadmapItem(priority=n, step=s, because=b) for n, (s, b) in enumerate(steps, 1)]
