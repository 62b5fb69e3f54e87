"""The state of a milestone's work: what its attempts hand on to each other, and where one of them stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from agents.context import Context
from agents.memory import SIGHT
from agents.merging import merge
from agents.names import imported_names, names_used
from agents.runner import Runner
from agents.skeleton import interface, module_path
from orchestrator.evidence.collect import Subject
from orchestrator.evidence.static import tidy
from orchestrator.rubric import forbidding
from orchestrator.team import Team
from schemas.architecture import Blueprint, own_code
from schemas.code_change import Version
from schemas.errors import MilepostError
from schemas.evaluation import Evaluation
from schemas.evidence import Evidence, Ruling
from schemas.idea import AcceptanceCheck
from schemas.milestone import Milestone
from schemas.review import FinishingPass, ReviewFinding
from schemas.routing import Hop, Move
from schemas.specification import Specification
from schemas.test_report import Failure

__all__ = ["Attempt", "Work"]


UNADVISED = frozenset({"tester", "evaluator"})
"""Who is told nothing by the router: tests must come from the specification, and verdicts from the facts."""

BLAMING = 8
"""So many failing tests are looked at to see which files they point at …"""
MAX_BLAMED = 6
"""… and so many files are taken from them."""


@dataclass
class Work:
    """What the attempts of one milestone hand on to each other."""

    files: dict[str, str]
    """The project as the best attempt so far left it; as it was before the milestone, while there is none."""
    checks: Sequence[AcceptanceCheck]
    """Sealed checks that must hold when the milestone is done, those of earlier milestones included."""
    quarantined: tuple[str, ...] = ()
    collected: set[str] = field(default_factory=set)
    """Every test that was collected so far, by node id: none may vanish."""
    specification: Specification | None = None
    blueprint: Blueprint | None = None
    skeletons: dict[str, str] = field(default_factory=dict)
    """The interfaces of all its blueprints."""
    kept: dict[str, str] = field(default_factory=dict)
    """Those of them that `files` was written for."""
    tests: dict[str, str] = field(default_factory=dict)
    """Its test files."""
    designed: Specification | None = None
    """The specification that `blueprint` was made from."""
    prepared: bool = False
    """Whether interfaces and tests are ready for code."""
    tested: bool = False
    """Whether the interfaces of `blueprint` have tests."""
    untested: list[str] = field(default_factory=list)
    """Those that the Test agent gave no usable test for."""
    disputed: list[str] = field(default_factory=list)
    """Functions of which too few versions came to the same when they were last compared."""
    evidence: Evidence | None = None
    """What was measured on `files`."""
    best: Evaluation | None = None
    """The verdict on it; None where there is none."""
    best_at: str = ""
    """Where `files` come from, in words."""
    rulings: list[Ruling] = field(default_factory=list)
    base: Mapping[str, str] = field(default_factory=dict)
    """The project as it was before the milestone."""
    findings: Sequence[ReviewFinding] = ()
    """What the Critic found in `files`."""
    stopped: MilepostError | None = None
    """What ends the run once the milestone is recorded."""
    nearby: frozenset[str] = frozenset()
    """Paths of the milestones that this one depends on."""
    turns: Counter[str] = field(default_factory=Counter)
    """Role → how often it has worked on this milestone."""

    def begin(self, *, afresh: bool) -> dict[str, str]:
        """Return the project to start an attempt from: the best one so far or, ``afresh``, that before the milestone;
        with the interfaces and the tests that it has now. Code whose interface has not changed is kept."""
        start = dict(self.base if afresh else self.files)
        for path, source in self.skeletons.items():
            if not afresh and self.kept.get(path) == source:
                continue
            try:
                start[path] = merge(start.get(path, ""), interface(source)) if path.endswith(".py") else source
            except ValueError:  # what can't be read is begun anew
                start[path] = source
        return {**start, **self.tests}

    @property
    def lacks_verdict(self) -> bool:
        """Whether `files` have no verdict, and nothing that was measured forbids a pass."""
        return self.evidence is not None and self.best is None and forbidding(self.evidence) is None

    def keep_best(
        self,
        files: dict[str, str],
        evidence: Evidence,
        evaluation: Evaluation | None,
        findings: Sequence[ReviewFinding] = (),
    ) -> bool:
        """Let the next attempt start from the better of this and the best so far, of equals from this; return whether
        this is really better. ``evaluation``: None where it was measured, and nothing usable was said of it."""
        before = _merit(self.evidence, self.best) if self.evidence else ()
        merit = _merit(evidence, evaluation)
        if merit < before:
            return False
        self.files, self.evidence, self.best, self.findings = dict(files), evidence, evaluation, findings
        self.kept = dict(self.skeletons)
        code = own_code(files)
        collected = {test.partition("::")[0] for test in self.collected}
        broken = {  # a file of tests that were collected before is not: what they need is gone from the code
            f.test
            for f in evidence.generated.failures
            if "::" not in f.test
            and f.test not in collected
            and not any(f"{p}:" in f.error or f'{p}"' in f.error for p in code)
        }
        if broken or not evidence.generated.total:  # what can't even be collected, or counts for nothing
            self.files = {p: s for p, s in files.items() if p not in broken}
            self.tests = {p: s for p, s in self.tests.items() if p not in broken}
            self.tested = self.prepared = False
        return merit > before


@dataclass
class Attempt:
    """One attempt at a milestone, as far as it has come. The stages (`orchestrator.stages`) take it further."""

    team: Team
    milestone: Milestone
    work: Work
    number: int
    move: Move
    runner: Runner
    files: dict[str, str]
    """The project as it stands."""
    facts: Evidence | None = None
    """What was measured last; on `files` only where `measured`."""
    written: bool = False
    """Whether this attempt has written code."""
    altered: bool = False
    """Whether this attempt has changed anything."""
    measured: bool = False
    versions: Sequence[Version] = ()
    """The versions of functions that were tried."""
    better: bool = False
    """Whether it came to something better than all attempts before it."""
    evaluation: Evaluation | None = None
    """The verdict on `facts`; None where there is none yet."""
    findings: Sequence[ReviewFinding] = ()
    """What the Critic found last."""
    passes: list[FinishingPass] = field(default_factory=list)
    route: list[Hop] = field(default_factory=list)
    """Whose turns were taken."""
    merits: list[tuple[int, ...]] = field(default_factory=list)
    """That of the facts at the beginning, and after each measurement."""
    failure: Exception | None = None
    """Why the last turn that failed did."""
    commit: str | None = None
    """That of `files`."""

    def changed(self, files: Mapping[str, str]) -> None:
        """Go on with ``files``. What was measured and judged was another state, unless they are the same."""
        if files != self.files:
            self.files, self.altered = dict(files), True
            self.written = self.measured = False
            self.evaluation = self.commit = None

    def keep_best(self, facts: Evidence, evaluation: Evaluation | None) -> None:
        """Keep `files`, of which these are the facts and the verdict, if they are the best so far."""
        before = self.work.evidence
        self.better |= self.work.keep_best(self.files, facts, evaluation, self.findings)
        if self.work.evidence is not before:
            self.work.best_at = f"{self.milestone.id}, attempt {self.number} (commit {self.commit})"

    def __post_init__(self) -> None:
        if self.facts is not None:
            self.merits.append(self.facts.merit)

    @contextmanager
    def advised(self, message: str) -> Iterator[None]:
        """Let the makers that are asked meanwhile see ``message``."""
        plain = self.runner
        self.runner = plain.advised(message, UNADVISED) if message else plain
        try:
            yield
        finally:
            self.runner = plain

    def context(self, role: str) -> Context:
        """Return what an agent of ``role`` may see."""
        return Context(
            idea=self.team.idea,
            milestone=self.milestone,
            turn=self.work.turns[role],
            files=dict(self.files),
            focus=self._focus(),
            nearby=self.work.nearby,
            evidence=self.facts,
            feedback=self._feedback(),
            findings=self.findings,
            history={agent: self.team.memory.view(agent, self.milestone.id) for agent in SIGHT},
            third_party=self.team.laboratory.environment.modules(),
        )

    def _feedback(self) -> list[str]:
        """Return what is said against `files`, and why the last attempt came to nothing, if it did."""
        verdict, attempts = self.evaluation or self.work.best, self.milestone.attempts
        failed = self.evaluation is None and bool(attempts) and attempts[-1].evaluation is None
        return [*(verdict.feedback if verdict else []), *((self.milestone.feedback or []) if failed else [])]

    def _blueprint(self) -> Blueprint | None:
        """Return the blueprint with the interfaces of all of the milestone's designs."""
        blueprint = self.work.blueprint
        return blueprint.model_copy(update={"skeletons": self.work.skeletons}) if blueprint else None

    def _focus(self) -> set[str]:
        """Return the paths that the milestone adds or changes, and those that the facts point at."""
        changed = {path for path, source in self.files.items() if self.work.base.get(path) != source}
        blueprint = self.work.blueprint
        planned = [*self.work.skeletons, *(f.path for f in blueprint.architecture.files)] if blueprint else []
        failures = self.facts.failures[:BLAMING] if self.facts else []
        blamed = dict.fromkeys(path for failure in failures for path in self._blamed(failure))
        return {*changed, *planned, *list(blamed)[:MAX_BLAMED]}

    def _blamed(self, failure: Failure) -> list[str]:
        """Return the files that a failing test points at: those in its trace, and those that it imports and uses."""
        told = f"{failure.location}\n{failure.error}"
        python = [path for path in self.files if path.endswith(".py")]
        found = [path for path in python if re.search(rf"(?<![\w/.-]){re.escape(path)}\b", told)]
        try:
            home = self.files.get(failure.test.partition("::")[0], failure.source)
            used, imports = names_used(failure.source), imported_names(home).items()
            modules = [m for m, names in imports if not (names and failure.source) or names & used]
        except ValueError:
            return found
        return [*found, *(path for module in modules if (path := module_path(module, self.files)))]

    def tidied(self, files: Mapping[str, str]) -> dict[str, str]:
        """Return ``files`` tidied. A small model's imports are there for what it uses, and for nothing else."""
        large = self.runner.model("impl").traits.step == "project"
        own = frozenset(part for path in files if large for part in path.removesuffix(".py").split("/"))
        return {path: tidy(path, source, own) for path, source in files.items()}

    def subject(self, files: dict[str, str]) -> Subject:
        """Return ``files`` as what the milestone would come to."""
        return Subject(
            files=self.tidied(files),
            idea=self.team.idea,
            checks=self.work.checks,
            runs_program=self.milestone.runs_program,
            blueprint=self._blueprint(),
            quarantined=self.work.quarantined,
        )


def _merit(evidence: Evidence, evaluation: Evaluation | None) -> tuple[float, ...]:
    passed, score = (evaluation.passed, evaluation.score) if evaluation else (False, 0.0)
    return (passed, *evidence.merit[:5], score)
