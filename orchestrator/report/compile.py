"""Compiling the final report from the run's records. Every risk, debt and next step names the fact it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from typing import Literal

from orchestrator.ledger import Ledger
from orchestrator.report import outlook
from orchestrator.report.totals import cost_of, totals
from orchestrator.report.trace import trace, unchecked
from orchestrator.team import Team
from orchestrator.workspace.deliver import PURPOSES
from schemas.call import Usage
from schemas.evidence import Evidence
from schemas.milestone import Milestone, Status
from schemas.report import Acceptance, FinalReport, ProjectFile
from schemas.test_report import TestReport

__all__ = ["compile_report"]


def compile_report(
    team: Team, ledger: Ledger, evidence: Evidence | None, stopped_by: str | None, *, resumable: bool
) -> FinalReport:
    """Return the report; ``evidence`` is that of the final verification, None where there was none."""
    milestones = list(ledger.milestones.values())
    acceptance = _acceptance(team, milestones, evidence, stopped=stopped_by is not None)
    unproven = unchecked(team.idea, milestones)
    files = team.project.files() if team.project.path.is_dir() else {}
    debt = outlook.debt(evidence, milestones, files)
    verdict: Literal["accepted", "not accepted", "stopped"] = "not accepted"
    if stopped_by is not None:
        verdict = "stopped"
    elif _proven(team, milestones, evidence, acceptance):
        verdict = "accepted"
    agents = totals(team)
    again = "Start a new run with another model or settings"
    next_step = f"Continue: milepost resume {team.files.name}" if resumable else again
    planned = [file for m in milestones if m.architecture for file in m.architecture.files]
    purposes = {**PURPOSES, **{file.path: file.purpose for file in planned}}
    return FinalReport(
        run=team.files.name,
        idea=team.idea.name,
        summary=team.idea.summary,
        verdict=verdict,
        stopped_by=stopped_by,
        resumable=resumable,
        began=team.info.created,
        version=version("milepost"),
        idea_file=team.info.idea_path,
        limits=team.budget.limits.model_copy(update={"attempts": team.attempts}),
        milestones=milestones,
        plan_notes=ledger.notes,
        files=[
            ProjectFile(
                path=p,
                lines=s.count("\n"),
                purpose=purposes.get(p, "generated tests" if p.startswith("tests/") else ""),
            )
            for p, s in files.items()
        ],
        project=str(team.files.project.relative_to(team.files.workspace)),
        holds="" if any(m.status is Status.ACCEPTED for m in milestones) else _holds(ledger),
        tests=evidence.generated if evidence else ledger.tests,
        acceptance=acceptance,
        traces=trace(team.idea, milestones, acceptance, files, evidence),
        program=evidence.program if evidence else None,
        findings=evidence.findings if evidence else [],
        rulings=ledger.rulings,
        quarantined=list(ledger.quarantined),
        risks=outlook.risks(team, milestones, evidence, acceptance, unproven),
        tech_debt=debt,
        roadmap=outlook.roadmap(
            milestones, evidence, acceptance, unproven, debt, (next_step, stopped_by) if stopped_by else None
        ),
        agents=agents,
        models=sorted({a.model for a in agents} or set(team.info.models.values())),
        usage=sum((a.usage for a in agents), Usage()),
        cost_usd=cost_of(agents),
        seconds=round(team.budget.seconds, 1),
        sandbox=", then ".join(outlook.sandboxes(team)),
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


def _holds(ledger: Ledger) -> str:
    """Say what the project holds where nothing was accepted."""
    if not ledger.best_at:
        return "Nothing was accepted, and nothing was measured"
    return f"Nothing was accepted: it holds the best that was measured, {ledger.best_at}"


def _acceptance(
    team: Team, milestones: list[Milestone], evidence: Evidence | None, *, stopped: bool
) -> list[Acceptance]:
    reports = _sealed(milestones) if evidence is None else [evidence.acceptance] if evidence.acceptance else []
    results = {r.id: r.outcome for report in reports for r in report.results}
    errors = {f.test: f.error for report in reports for f in report.failures}
    homes = {c.check: m for m in milestones for c in m.acceptance_criteria if c.check}
    found = []
    for check in team.idea.acceptance:
        outcome = results.get(check.id)
        proof: Literal["passed", "failed", "not proven"] = "not proven"
        home = homes.get(check.id)
        detail = outlook.UNCHECKED if check.check is None else _unproven(home, check.id, evidence, stopped=stopped)
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


def _unproven(milestone: Milestone | None, check: str, evidence: Evidence | None, *, stopped: bool) -> str:
    """Say why a check has no proof, and what it came to when it was run last on what is there to show."""
    if evidence is not None:
        return "it came to no result when all was verified at the end"
    attempts = milestone.attempts if milestone else []
    tried = [a for a in attempts if a.acceptance and any(r.id == check for r in a.acceptance.results)]
    if milestone is None or milestone.status is Status.ACCEPTED or not tried:
        return "the run ended before it was checked" if stopped else "there was nothing accepted to check"
    last = next((a for a in reversed(tried) if a.better), tried[-1])
    passed = last.acceptance is not None and check in last.acceptance.passing
    came = f"it {'passed' if passed else 'failed'} at attempt {last.number} (commit {last.commit})"
    if passed and last.evaluation and last.evaluation.judge_alone:
        return f"{came}, but the judge did not accept {milestone.id}"
    return f"{came}; {milestone.id} was not accepted"
