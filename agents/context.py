"""What the agents of one attempt may see, built once and shared by all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agents.skeleton import imported_names, names_used
from schemas.idea import AcceptanceCheck, Idea
from schemas.milestone import Milestone
from schemas.test_report import Failure

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """One milestone at one attempt."""

    idea: Idea
    milestone: Milestone
    attempt: int
    files: Mapping[str, str] = field(default_factory=dict)
    """Path → content of the project as it stands, tests included."""
    failures: tuple[Failure, ...] = ()
    """What failed in the last attempt, with traces."""
    gaps: tuple[str, ...] = ()
    """Other facts against the last attempt: findings, missing interfaces, a program that does not start."""
    sample: int = 0

    @property
    def feedback(self) -> list[str]:
        """The last evaluation's feedback; empty on the first attempt."""
        return self.milestone.feedback or []

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
    def third_party(self) -> list[str]:
        """Import names of the allowed third-party packages, as far as they equal the package's own."""
        return [d.split("[")[0].rstrip("<>=!~. 0123456789") for d in self.idea.constraints.dependencies]

    @property
    def code(self) -> dict[str, str]:
        """The project's own Python files, without tests."""
        return {p: s for p, s in self.files.items() if p.endswith(".py") and not p.startswith("tests/")}

    def checks_of(self, name: str) -> list[AcceptanceCheck]:
        """The visible checks that use ``name``, a function or class of the project."""
        return [c for c in self.checks if c.check and name in names_used(c.check)]

    def variables(self) -> dict[str, object]:
        """Return what every template may use."""
        return {
            "idea": self.idea,
            "milestone": self.milestone,
            "criteria": [criterion.statement for criterion in self.milestone.acceptance_criteria],
            "checks": self.checks,
            "required": {module: sorted(names) for module, names in sorted(self.required.items())},
            "feedback": self.feedback,
            "run": self.idea.run if self.milestone.runs_program else None,
        }
