"""The run itself, and what the same calls would have been told by those who select nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import agents.runner
from agents.context import Context
from agents.models.embedded import EmbeddedModel
from agents.ports import Traits
from agents.prompts.render import render
from benchmarks.tokens.project import Asked, Call, Played, Player, View, idea
from orchestrator.compose import Models, build_models, build_team, cache_folder
from orchestrator.config import AGENTS, Settings
from orchestrator.evidence.environment import ensure_environment
from orchestrator.run_loop import run, until_stopped
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.workspace.layout import RunFiles, RunInfo
from schemas.errors import ExitCode
from schemas.specification import Specification

__all__ = ["ARMS", "CONVERSATION", "Kind", "Prompt", "play"]

Kind = Literal["project", "function"]
"""How much code a model is asked for at once (`agents.ports.Traits.step`)."""
Prompt = tuple[tuple[str, str], ...]
"""Messages, each a role and what it says; the first is the system's."""

CONVERSATION = "one conversation"
"""The arm in which each prompt begins with the whole one before."""
_NOTES = ("spec", "critic", "evaluator")
"""Agents whose replies are no files of the project."""


def play(kind: Kind, milestones: int, workspace: Path) -> tuple[list[Call], Traits]:
    """Run a project through the product's own loop; return every call, and what the model that codes is good for.
    Nothing is run in the sandbox.

    Raises:
        AssertionError: a milestone was not accepted, or a reply was not taken at once.
    """
    project, view = idea(milestones), View()
    settings = Settings.model_validate(
        {
            "backend": "anthropic",
            "anthropic": {"api_key": "none"},
            "cache": os.environ.get("MILEPOST_CACHE"),
            "extensions": False,
        }
    )
    real = build_models(settings, lambda *_: None).by_agent  # none of them is asked: their names and traits are wanted
    if kind == "function":
        real = dict.fromkeys(AGENTS, EmbeddedModel(Path("embedded.gguf"), threads=1))
    calls: list[Call] = []
    prompts: dict[str, Asked] = {}
    players = {m.name: Player(m.name, m.traits, lambda: view.at, prompts, calls) for m in real.values()}
    models = Models({agent: players[model.name] for agent, model in real.items()}, "")
    files = RunFiles(workspace, f"{kind}-{milestones}")
    environment = ensure_environment(cache_folder(settings), [])
    info = RunInfo(
        run=files.name,
        created="2026-01-01T00:00:00+00:00",
        idea_path="chain.yaml",
        idea_text="",
        idea_digest=project.digest,
        settings=settings.public(),
        models={agent: model.name for agent, model in models.by_agent.items()},
        sandboxes=["none"],
    )
    files.save(info)
    team = build_team(project, files, info, settings, models, Bubblewrap(), environment, view)
    team = replace(team, laboratory=Played(Bubblewrap(), environment, team.laboratory.store))
    with _noted(prompts):
        report, code = asyncio.run(until_stopped(run(team), team, models))
    assert code is ExitCode.OK, report.stopped_by
    assert all(len(call.request.messages) == 1 for call in calls)
    return calls, real["impl"].traits


@contextmanager
def _noted(prompts: dict[str, Asked]) -> Iterator[None]:
    """Note what each prompt is made from, and the whole project beside it."""
    variables = Context.variables

    def known(self: Context, agent: str) -> dict[str, object]:
        return {**variables(self, agent), "the whole project": dict(self.files)}

    def rendered(agent: str, step: str, values: Mapping[str, Any], package: str = "agents.prompts") -> str:
        text = render(agent, step, values, package)
        prompts[text] = Asked(agent, step, values, values.get("the whole project", {}))
        return text

    with patch.object(Context, "variables", known), patch.object(agents.runner, "render", rendered):
        yield


def _milepost(calls: Sequence[Call]) -> list[Prompt]:
    """Return the prompts as they were."""
    return [_prompt(call, call.request.messages[0].content) for call in calls]


def _project(calls: Sequence[Call]) -> list[Prompt]:
    """Return prompts with all the project's code in each."""
    return [
        _prompt(call, f"{_shown(_code(call.asked.files))}\n\n{_instruction(call.asked, memory=True)}") for call in calls
    ]


def _everything(calls: Sequence[Call]) -> list[Prompt]:
    """Return prompts with all milestones, all files, tests too, and all that was said of them in each."""
    prompts, said = [], ""
    for call in calls:
        plan = "\n".join(f"{m.id}: {m.title}. {m.description}" for m in _milestones(calls))
        text = f"Milestones:\n{plan}\n\n{_shown(call.asked.files)}\n\nSaid so far:\n{said}\n\n"
        prompts.append(_prompt(call, text + _instruction(call.asked)))
        if call.request.agent in _NOTES or call.asked.step == "structure":
            said += f"{call.request.agent}: {call.reply}\n"
    return prompts


def _conversation(calls: Sequence[Call]) -> list[Prompt]:
    """Return prompts of which each holds all before it, and their replies."""
    prompts: list[Prompt] = []
    for number, call in enumerate(calls):
        before = (
            (*prompts[-1], ("assistant", calls[number - 1].reply)) if prompts else (("system", call.request.system),)
        )
        prompts.append((*before, ("user", _instruction(call.asked))))
    return prompts


ARMS: Mapping[str, Callable[[Sequence[Call]], list[Prompt]]] = {
    "Milepost": _milepost,
    "whole project": _project,
    "everything": _everything,
    CONVERSATION: _conversation,
}
"""Name → what the calls of a run would have been told."""


def _prompt(call: Call, text: str) -> Prompt:
    return (("system", call.request.system), ("user", text.strip()))


def _instruction(asked: Asked, *, memory: bool = False) -> str:
    """Return a prompt less what of the project was selected for it and, without ``memory``, less what was said before:
    the history and the contracts."""
    nothing: dict[str, object] = {name: {} for name in ("files", "code", "interfaces", "skeletons")}
    nothing |= {"elsewhere": [], "module": ""}
    if not memory:
        nothing |= {"history": "", "contracts": []}
        specification = asked.variables.get("specification")
        if isinstance(specification, Specification):
            nothing["specification"] = specification.model_copy(update={"contracts": []})
    return render(asked.agent, asked.step, {**asked.variables, **nothing})


def _milestones(calls: Sequence[Call]) -> Sequence[Any]:
    found = next(call.asked.variables["idea"] for call in calls if "idea" in call.asked.variables)
    return list(getattr(found, "milestones", []) or [])


def _code(files: Mapping[str, str]) -> dict[str, str]:
    return {path: source for path, source in files.items() if not path.startswith("tests/")}


def _shown(files: Mapping[str, str]) -> str:
    return "The project as it stands:\n" + "\n".join(f"# {path}\n{source}" for path, source in files.items())
