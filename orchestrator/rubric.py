"""The rubric: weights, bounds, and the table of facts that cap a dimension. The verdict is computed here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from schemas.evaluation import Clamp, Dimension, Evaluation, Judgement
from schemas.evidence import Evidence

__all__ = [
    "CLAMPS",
    "LOWEST",
    "PASS",
    "WEIGHTS",
    "evaluate",
    "forbidding",
    "in_words",
    "program_caps",
    "program_failures",
    "sure",
]

WEIGHTS = {
    Dimension.CORRECTNESS: 0.30,
    Dimension.CODE_QUALITY: 0.20,
    Dimension.SECURITY: 0.20,
    Dimension.MAINTAINABILITY: 0.15,
    Dimension.SCALABILITY: 0.15,
}
PASS = 3.5
"""The weighted average, 1–5, from which on an attempt passes …"""
LOWEST = 2
"""… if no dimension is below this."""
MEANINGFUL = 4
"""Of fewer mutants no share is made: one may do the same as the code. That none at all is noticed counts, however few:
tests that compare only what is the same anyhow show themselves by that alone."""


def in_words() -> str:
    """Return what a pass takes, for whoever reads a score."""
    weights = ", ".join(f"{d.value.replace('_', ' ')} {weight:.0%}" for d, weight in WEIGHTS.items())
    return f"A pass takes a weighted score of at least {PASS} ({weights}) and no dimension under {LOWEST}."


@dataclass(frozen=True)
class ClampRule:
    """If ``fact`` finds something (it returns what), ``dimension`` is at most ``cap``."""

    dimension: Dimension
    cap: int
    fact: Callable[[Evidence], str | None]


def _failing(evidence: Evidence) -> str | None:
    failures = evidence.counting_failures
    return failures[0] if failures else None


def _uncovered(evidence: Evidence) -> str | None:
    coverage = evidence.generated.coverage
    if coverage is None:
        return "line coverage was not measured"
    return f"line coverage is {coverage:.0f} %, under 80 %" if coverage < 80 else None


def _gap(evidence: Evidence) -> str | None:
    return evidence.contract_gaps[0] if evidence.contract_gaps else None


def _long_file(evidence: Evidence) -> str | None:
    lines = evidence.largest_file_lines
    return f"a file has {lines} lines, over 300" if lines > 300 else None


def _blind(evidence: Evidence) -> str | None:
    strength = evidence.strength
    if strength is None or not strength.mutants or strength.killed:
        return None
    return f"the tests notice none of {strength.mutants} planted defects"


def _weak(evidence: Evidence) -> str | None:
    strength = evidence.strength
    if strength is not None and not strength.mutants:
        return "the tests could not be tried on planted defects"
    if strength is None or strength.mutants < MEANINGFUL or strength.percent >= 50:
        return None
    return f"the tests notice {strength.killed} of {strength.mutants} planted defects, under 50 %"


def _finding(kind: str, severity: str | None = None) -> Callable[[Evidence], str | None]:
    def fact(evidence: Evidence) -> str | None:
        fitting = (f for f in evidence.findings if f.tool == kind and severity in (None, f.severity))
        return next((str(f) for f in fitting), None)

    return fact


CLAMPS = (
    ClampRule(Dimension.CORRECTNESS, 1, _failing),
    ClampRule(Dimension.CORRECTNESS, 1, _blind),
    ClampRule(Dimension.CORRECTNESS, 1, _gap),
    ClampRule(Dimension.CORRECTNESS, 4, _uncovered),
    ClampRule(Dimension.CORRECTNESS, 4, _weak),
    ClampRule(Dimension.SECURITY, 1, _finding("bandit", "high")),
    ClampRule(Dimension.SECURITY, 1, _finding("secrets", "high")),
    ClampRule(Dimension.SECURITY, 3, _finding("bandit", "medium")),
    ClampRule(Dimension.SECURITY, 3, _finding("unread")),
    ClampRule(Dimension.CODE_QUALITY, 3, _finding("lint")),
    ClampRule(Dimension.CODE_QUALITY, 3, _finding("mypy")),
    ClampRule(Dimension.CODE_QUALITY, 3, _finding("dependency")),
    ClampRule(Dimension.MAINTAINABILITY, 3, _long_file),
    ClampRule(Dimension.MAINTAINABILITY, 3, _finding("complexity")),
)


def forbidding(evidence: Evidence) -> str | None:
    """Return a fact that forbids a pass, whatever the judge says; None where there is none."""
    return next((fact for rule in CLAMPS if rule.cap < LOWEST and (fact := rule.fact(evidence)) is not None), None)


def evaluate(
    judgements: Sequence[Judgement], evidence: Evidence, before: tuple[Evaluation, Evidence] | None = None
) -> Evaluation:
    """Return the verdict: the judge's scores, capped by the facts, weighted, and compared with the bounds.

    Of several judgements each dimension's (lower) median counts. ``before`` is the last verdict and what it rested on.
    """
    spoken = {d: sorted(judgements, key=lambda j: j.score(d))[(len(judgements) - 1) // 2] for d in Dimension}
    raw = {d: spoken[d].score(d) for d in Dimension}
    scores = {d: [j.score(d) for j in judgements] for d in Dimension}
    facts = [Clamp(dimension=r.dimension, cap=r.cap, fact=f) for r in CLAMPS if (f := r.fact(evidence)) is not None]
    clamped, clamps = dict(raw), []
    for clamp in facts:
        if clamped[clamp.dimension] > clamp.cap:
            clamped[clamp.dimension] = clamp.cap
            clamps.append(clamp)
    passed = _passes(clamped)
    certain = min(facts, key=lambda fact: fact.cap, default=None)
    judge_alone = not (_passes(raw) or (certain and certain.cap < LOWEST))
    low = [f"{d.value}: {spoken[d].reason(d)}" for d in Dimension if clamped[d] < 4]
    feedback = [
        *evidence.counting_failures,
        *evidence.contract_gaps,
        *(line for j in judgements for line in j.feedback),
        *low,
    ]
    return Evaluation(
        passed=passed,
        score=_weighted(clamped),
        breakdown=clamped,
        raw=raw,
        reasons={d: spoken[d].reason(d) for d in Dimension},
        clamps=clamps,
        spread={d: max(s) - min(s) for d, s in scores.items() if max(s) > min(s)},
        flags=[*_contradictions(spoken), *_regressions(raw, evidence, before)],
        refusal="" if passed else _refusal(spoken, clamped, None if judge_alone else certain),
        judge_alone=judge_alone,
        feedback=[line[:600] for line in dict.fromkeys(feedback)][:12],
    )


def _weighted(scores: Mapping[Dimension, int]) -> float:
    return round(sum(WEIGHTS[d] * scores[d] for d in Dimension), 4)


def _passes(scores: Mapping[Dimension, int]) -> bool:
    return _weighted(scores) >= PASS and min(scores.values()) >= LOWEST


def _refusal(spoken: Mapping[Dimension, Judgement], clamped: Mapping[Dimension, int], fact: Clamp | None) -> str:
    """Say in one line what forbids a pass: ``fact``, or what the judge says of the dimension that it rates lowest."""
    if fact is not None and fact.cap < LOWEST:
        said = fact.fact
    elif fact is not None:
        said = f"what was measured lowers the score to {_weighted(clamped):.2f}, under {PASS}: {fact.fact}"
    else:
        raw = {d: judgement.score(d) for d, judgement in spoken.items()}
        low = min(raw, key=lambda d: raw[d])
        said = (
            f"nothing that was measured forbids a pass; the judge's numbers come to {_weighted(raw):.2f}, and it "
            f"says of {low.value.replace('_', ' ')}, {raw[low]} of 5: {spoken[low].reason(low)}"
        )
    return " ".join(said.split("\n")[0].split())[:400]


_BLAME = re.compile(
    r"\b(does not work|is broken|crash\w*|(is|are) (incorrect|wrong|vulnerable|insecure|unsafe|missing)|"
    r"wrong (result|value|output)s?|has a bug|fails (on|for|when|to)|not implemented|does not handle|"
    r"vulnerabilit\w+|injection)\b",
    re.I,
)
_DENIED = re.compile(
    r"\b(no|not|never|nothing|none|without|any|if|where|when|unless|against|prevents?|avoids?|excludes?)\b[^.;,]{0,40}$",
    re.I,
)
_PRAISE = re.compile(
    r"\b(excellent|flawless|perfect\w*|"
    r"no (\w+ ){0,2}(flaws?|issues?|problems?|risks?|concerns?|vulnerabilit(y|ies))\b(?! (for|check|test|handl)))",
    re.I,
)


def _blames(reason: str) -> bool:
    """Whether a sentence finds fault: what it denies, or makes a condition of, is no fault."""
    return any(not _DENIED.search(reason[: match.start()]) for match in _BLAME.finditer(reason))


def _contradictions(spoken: Mapping[Dimension, Judgement]) -> list[str]:
    """Say where a number does not fit its own reason: blame with a high one, praise with a low one."""
    found = []
    for dimension, judgement in spoken.items():
        number, reason = judgement.score(dimension), judgement.reason(dimension)
        if (number >= 4 and _blames(reason)) or (number <= 2 and _PRAISE.search(reason)):
            name = dimension.value.replace("_", " ")
            found.append(f"the judge contradicts itself: {name} is {number}, but “{reason[:160]}”")
    return found


def _regressions(
    raw: Mapping[Dimension, int], evidence: Evidence, before: tuple[Evaluation, Evidence] | None
) -> list[str]:
    """Say which numbers of the judge fell although nothing that was measured got worse or better."""
    if before is None or evidence.merit != before[1].merit or evidence.findings != before[1].findings:
        return []
    return [
        f"{d.value.replace('_', ' ')} fell from {before[0].raw[d]} to {raw[d]} but what was measured did not change"
        for d in Dimension
        if raw[d] < before[0].raw[d]
    ]


FAILING_PROGRAM = 4.0
"""What a single program (`orchestrator.refine_loop`, 0–10) gets at most while anything that was run fails."""
UNSURE_PROGRAM = 6.0
"""… while it uses names that are not there."""
SPLIT_PROGRAM = 9.0
"""… while what else the model wrote for the task comes to other results on further inputs."""
SURE, SURE_OF_TWO = 0.7, 0.95
"""Such a share of a small model's versions must agree with a program, and where there are only two, such a share of
what they come to must be the same (docs/humaneval.md, "Whom to believe")."""
_CERTAIN = ("F821", "F823", "E9", "syntax")


def sure(voters: int) -> float:
    """Return which agreement (0–1) makes sure of a program, where so many versions have a say."""
    return SURE if voters > 2 else SURE_OF_TWO


def program_failures(evidence: Evidence) -> list[str]:
    """Return what fails of a single program, which has no tests but the examples of its task."""
    failures = []
    if evidence.acceptance is not None:
        failures += [f"example {f.test} fails: {f.error}" for f in evidence.acceptance.failures]
        if not failures and not evidence.holds:
            failures.append(f"the examples did not run to their end: {evidence.acceptance.ended}")
    if evidence.program is not None and not evidence.program.ok:
        failures.append(str(evidence.program))
    return [failure[:800] for failure in failures]


def program_caps(evidence: Evidence, *, run: bool, split: bool = False) -> list[tuple[float, str]]:
    """Return each cap of a program's score, with the fact that it rests on. ``run``: whether it was run at all,
    ``split``: whether other versions of it come to other results."""
    caps = [(FAILING_PROGRAM, failure.split("\n")[0][:200]) for failure in program_failures(evidence)[:3] if run]
    if split:
        caps.append((SPLIT_PROGRAM, "too few of the model's versions come to the same on further inputs"))
    wrong = next((f for f in evidence.findings if f.rule.startswith(_CERTAIN)), None)
    return [*caps, (UNSURE_PROGRAM, str(wrong))] if wrong else caps
