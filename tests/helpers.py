"""Building a run for tests through the product's own composition root."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import Model
from orchestrator.compose import Models, build_team, cache_folder
from orchestrator.config import AGENTS, Settings
from orchestrator.evidence.environment import Environment, ensure_environment
from orchestrator.files import write_text
from orchestrator.idea_file import load_idea
from orchestrator.journal.events import read_events
from orchestrator.run_loop import run, until_stopped
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.sandbox.port import Sandbox
from orchestrator.terminal import QuietView
from orchestrator.workspace.layout import RunFiles, RunInfo
from schemas.errors import ExitCode
from schemas.report import FinalReport
from tests.replies import RETRY, SMALL, SMALL_STEPS

DATA = Path(__file__).parent / "data"
GREETER = DATA / "greeter.yaml"


@dataclass(frozen=True, repr=False)
class Done:
    """A run that has ended."""

    report: FinalReport
    code: ExitCode
    files: RunFiles
    models: Models

    def __repr__(self) -> str:
        """What a test that failed on another machine must tell: pytest cuts anything longer than this off."""
        reports = [a.tests for m in self.report.milestones for a in m.attempts if a.tests]
        ended = reports[-1].ended if reports else None
        return f"Done({self.code.name}, {self.report.stopped_by!r:.100}, {ended!r:.100})"

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The audit lines of agent calls."""
        return [e for e in read_events(self.files.events) if e["event"] == "agent_call"]

    def git(self, *arguments: str) -> str:
        """Ask the generated project's repository."""
        done = subprocess.run(
            ["git", "-C", str(self.files.project), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout


def bare_environment() -> Environment:
    """Return the environment of code without dependencies, made once for all tests of the session."""
    return ensure_environment(Path(os.environ["MILEPOST_CACHE"]), [])


@cache
def measured() -> tuple[Path, ...]:
    """Return the logs of runs that were really measured, made once for all tests of the session."""
    folder = Path(os.environ["MILEPOST_CACHE"], "measured")
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return tuple(
            files.logs
            if (files := RunFiles(folder, name)).info.exists()
            else go(folder, ScriptedModel(list(script), name="other", traits=traits), name=name, reuse=()).files.logs
            for name, script, traits in (("retry", RETRY, None), ("steps", SMALL_STEPS, SMALL))
        )


def pool() -> Path:
    """Return the folder of facts that runs of this session have measured, in any of its processes."""
    folder = Path(os.environ["MILEPOST_CACHE"], "pool")
    (folder / "facts").mkdir(parents=True, exist_ok=True)
    return folder


def share(logs: Path) -> None:
    """Put into the pool what a run has measured, but for what was broken off: that says nothing about the code."""
    for fact in (logs / "facts").glob("*.json"):
        target = pool() / "facts" / fact.name
        if not target.exists() and '"ended": "' not in fact.read_text(encoding="utf-8"):
            write_text(target, fact.read_text(encoding="utf-8"))


def known_run(workspace: Path, name: str = "measured") -> str:
    """Put a run into ``workspace`` that has measured what all runs of this session have, and asked nobody; return its
    name. A program that is given ``--reuse`` with it need not measure the same code again."""
    known = RunFiles(workspace, name)
    known.save(RunFiles(measured()[0].parent.parent, measured()[0].name).load().model_copy(update={"run": name}))
    facts = known.logs / "facts"
    facts.mkdir()
    for fact in (path for logs in (*measured(), pool()) for path in (logs / "facts").glob("*.json")):
        (facts / fact.name).write_bytes(fact.read_bytes())
    return name


def go(
    workspace: Path,
    script: list[ScriptedReply] | Model,
    *,
    idea: Path = GREETER,
    name: str = "test",
    resume: bool = False,
    reuse: tuple[Path, ...] | None = None,
    higher: Mapping[str, Model] | None = None,
    sandbox: Sandbox | None = None,
    **settings: Any,
) -> Done:
    """Run ``idea`` in this process on the scripted model, with the real sandbox and real pytest.

    By default what another run has measured is not measured again: the same code need not go into the sandbox in every
    test. ``reuse=()`` measures everything, as does a ``sandbox`` of the test's own.
    """
    loaded, text = load_idea(idea)
    # Mutants have tests of their own, and no test fails for its time.
    none = {"mutants": 0, "test_seconds": 300.0}
    base = {"cache": os.environ["MILEPOST_CACHE"], "sandbox": none, "review": "off", "refactor": "off"}
    values = Settings.model_validate({**base, **settings})
    model: Model = ScriptedModel(script) if isinstance(script, list) else script
    models = Models(dict.fromkeys(AGENTS, model), "", higher or {})
    files = RunFiles(workspace, name)
    if resume:
        info = files.load().model_copy(update={"models": dict.fromkeys(AGENTS, model.name)})
    else:
        info = RunInfo(
            run=name,
            created="2026-01-01T00:00:00+00:00",
            idea_path=str(idea),
            idea_text=text,
            idea_digest=loaded.digest,
            settings=values.public(),
            models=dict.fromkeys(AGENTS, model.name),
            sandboxes=["bubblewrap"],
        )
        files.save(info)
    environment = ensure_environment(cache_folder(values), list(loaded.constraints.dependencies))
    others = reuse if reuse is not None else measured() if sandbox else (*measured(), pool())
    team = build_team(loaded, files, info, values, models, sandbox or Bubblewrap(), environment, QuietView(), others)
    report, code = asyncio.run(until_stopped(run(team), team, models))
    if reuse is None and sandbox is None:
        share(files.logs)
    return Done(report, code, files, models)
