"""What a run works with, put together by `orchestrator.compose`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agents.finishing import FinishingAgent
from agents.memory import Memory
from agents.ports import Observer
from agents.runner import Runner
from orchestrator.budget import RunBudget
from orchestrator.config import ControllerSettings
from orchestrator.evidence.collect import Laboratory
from orchestrator.journal.events import EventLog
from orchestrator.workspace.layout import RunFiles, RunInfo
from orchestrator.workspace.project import Project
from schemas.idea import Idea
from schemas.milestone import Milestone

__all__ = ["Team", "Watcher"]


class Watcher(Observer, Protocol):
    """Who watches a run: calls as they happen, and milestones as they change."""

    def milestone_changed(self, milestone: Milestone) -> None:
        """A milestone has another status or another attempt."""

    def note(self, text: str) -> None:
        """Something worth a line."""


@dataclass(frozen=True)
class Team:
    """Everything concrete that the loops use."""

    idea: Idea
    files: RunFiles
    info: RunInfo
    runner: Runner
    budget: RunBudget
    events: EventLog
    project: Project
    laboratory: Laboratory
    watcher: Watcher
    attempts: int
    routing: Literal["fixed", "planner"]
    rules: ControllerSettings
    memory: Memory
    finishing: Sequence[FinishingAgent] = ()
    """Who goes over accepted work."""
    review: bool = False
    """Whether the Critic reviews the code of each attempt."""
    judge_repeats: int = 1
