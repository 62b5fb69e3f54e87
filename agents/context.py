"""What an agent may see of the milestone that it works on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agents.names import imported_names, names_used
from schemas.architecture import own_code
from schemas.evidence import Evidence
from schemas.idea import AcceptanceCheck, Idea
from schemas.milestone import Milestone
from schemas.review import ReviewFinding

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """One milestone, as an agent finds it."""

    idea: Idea
    milestone: Milestone
    turn: int
    """The how-manieth time it is the agent's turn at this milestone, from 1."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path → content of the project as it stands, tests included."""
    focus: Collection[str] = ()
    """Paths that the milestone adds or changes, or that the facts point at."""
    nearby: Collection[str] = ()
    """Paths of the milestones that this one builds on."""
    evidence: Evidence | None = None
    """What was measured on `files`, if that was done."""
    feedback: Sequence[str] = ()
    """The evaluation's feedback on `files`; where there was none, why the last attempt came to nothing."""
    findings: Sequence[ReviewFinding] = ()
    """What the Critic found in `files`, or in those of the attempt before."""
    third_party: frozenset[str] = frozenset()
    """Import names of the packages that are installed for the idea; they may differ from the packages' own."""

    history: Mapping[str, str] = field(default_factory=dict)
    """Agent → what it is shown of earlier attempts and milestones."""

    @property
    def sample(self) -> int:
        """Which sample of a question this turn asks for: where one is put again, another reply is wanted."""
        return self.turn - 1

    @property
    def checks(self) -> list[AcceptanceCheck]:
        """The sealed checks of this milestone that agents may see."""
        mine = {criterion.check for criterion in self.milestone.acceptance_criteria}
        return [check for check in self.idea.acceptance if check.id in mine and not check.holdout]

    @property
    def required(self) -> dict[str, set[str]]:
        """Module → names of the project that the visible checks import."""
        required: dict[str, set[str]] = {}
        for check in self.checks:
            if check.check:
                for module, names in imported_names(check.check, self.third_party).items():
                    required.setdefault(module, set()).update(names)
        return required

    @property
    def code(self) -> dict[str, str]:
        """The project's own Python files, without tests."""
        return own_code(self.files)

    @property
    def checks_run(self) -> list[AcceptanceCheck]:
        """The sealed checks that agents may see and that were run on `files`: those of earlier milestones, too."""
        report = self.evidence.acceptance if self.evidence else None
        run = {result.id for result in report.results} if report else set()
        return [check for check in self.idea.acceptance if check.id in run and not check.holdout]

    def checks_of(self, name: str, among: Sequence[AcceptanceCheck] | None = None) -> list[AcceptanceCheck]:
        """The visible checks of the milestone, or those ``among`` others, that use ``name``, a function or class of the
        project; ``main`` is used by all that start the program."""
        used = {name, "subprocess", "runpy"} if name == "main" else {name}
        return [c for c in (self.checks if among is None else among) if c.check and used & names_used(c.check)]

    def variables(self, agent: str) -> dict[str, object]:
        """Return what every template of ``agent`` may use."""
        return {
            "history": self.history.get(agent, ""),
            "idea": self.idea,
            "milestone": self.milestone,
            "criteria": [criterion.statement for criterion in self.milestone.acceptance_criteria],
            "checks": self.checks,
            "feedback": self.feedback,
            "run": self.idea.run if self.milestone.runs_program else None,
        }
