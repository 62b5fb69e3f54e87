"""``milepost doctor`` and ``milepost fetch``: is what a run needs there, and getting it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from orchestrator.commands.settings import settings_for
from orchestrator.compose import build_models, build_sandbox, cache_folder
from orchestrator.config import Loaded, Settings
from orchestrator.evidence.environment import ensure_environment
from orchestrator.terminal import Terminal, view_for
from schemas.errors import ExitCode, MilepostError, Unavailable

__all__ = ["doctor_command", "fetch_command"]


def doctor_command(options: argparse.Namespace) -> ExitCode:
    """Say what is in force and whether a run could start."""
    loaded = settings_for(options, Path())
    settings = loaded.settings
    console = Terminal()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"backend    {settings.effective_backend()}")
    for dotted, source in sorted(loaded.sources.items()):
        value = "(secret)" if dotted.endswith("api_key") else _dig(settings, dotted)
        say(f"setting    {dotted} = {value}   from {source}")
    code = ExitCode.OK
    try:
        environment = ensure_environment(cache_folder(settings), [])
        sandbox = build_sandbox(settings, environment, unsafe=options.unsafe_no_sandbox)
        say(f"sandbox    {sandbox.name}: ok, tried out")
    except Unavailable as error:
        say(f"sandbox    MISSING: {error}")
        code = ExitCode.UNAVAILABLE
    code = max(code, _doctor_model(settings.effective_backend(), loaded, say, tried=options.judge))
    if options.judge and code is ExitCode.OK:
        code = _doctor_judge(options, loaded, say)
    return ExitCode(code)


def _doctor_judge(options: argparse.Namespace, loaded: Loaded, say: Callable[[str], None]) -> ExitCode:
    """Try the judge; a verdict that is wrong is `ExitCode.NOT_ACCEPTED`."""
    from orchestrator.judge_check import check_judge, records_of

    settings = loaded.settings
    environment = ensure_environment(cache_folder(settings), [])
    sandbox = build_sandbox(settings, environment, unsafe=options.unsafe_no_sandbox)
    with view_for(Terminal(), quiet=True, debug=False) as view:
        models = build_models(settings, view.download)
        files = records_of(models.by_agent["evaluator"], cache_folder(settings) / "judges")
        say(f"judge      what it says is kept in {files.logs}, and not asked for again before you delete that")
        known = check_judge(settings, models, sandbox, environment, view, files)
    for one in known:
        verdict = "pass" if one.evaluation.passed else "no pass"
        judged = ", ".join(str(n) for n in one.evaluation.raw.values())
        say(
            f"judge      {'ok ' if one.right else 'BAD'} {one.name}: {verdict}, {one.evaluation.score:.2f} "
            f"(the judge said {judged}; {len(one.evaluation.clamps)} capped)"
        )
    seen = sum(one.seen for one in known)
    say(f"judge      by itself it tells good from bad in {seen} of {len(known)}; the facts decide the rest")
    if all(one.evaluation.raw == known[0].evaluation.raw for one in known):
        say("judge      it says the same of everything: a rubber stamp. Name a stronger model in roles.evaluator")
    return ExitCode.OK if all(one.right for one in known) else ExitCode.NOT_ACCEPTED


def _doctor_model(backend: str, loaded: Loaded, say: Callable[[str], None], *, tried: bool) -> ExitCode:
    """Say which model there is. ``tried``: whether it is asked something afterwards, which may cost money."""
    from agents.models.fetch import CODER_1_5B, cached

    if backend == "embedded" and loaded.settings.embedded.path is None:
        folder = cache_folder(loaded.settings) / "models"
        if cached(CODER_1_5B, folder) is None:
            say(
                f"model      {CODER_1_5B.name} is not in {folder} yet; "
                "the first run fetches it (1.1 GB), or `milepost fetch`"
            )
            return ExitCode.OK
    try:
        say(f"model      {build_models(loaded.settings, lambda *_: None).said}")
    except MilepostError as error:
        say(f"model      MISSING: {error}")
        return error.exit_code
    if not tried and (untried := _untried(backend, loaded.settings)):
        say(f"model      {untried}: a call may cost money. `milepost doctor --judge` makes some")
    return ExitCode.OK


def _untried(backend: str, settings: Settings) -> str:
    """Say what is not known yet of a backend when its models are built; nothing for those that are here."""
    if backend == "openai":
        return f"the server was not asked{', and the key was not tried' if settings.openai.api_key else ''}"
    return "the key was not tried" if backend == "anthropic" else ""


def fetch_command(options: argparse.Namespace) -> ExitCode:
    """Download the embedded model."""
    from agents.models.fetch import CODER_1_5B, ensure

    settings = settings_for(options, Path()).settings
    with view_for(Terminal(), quiet=options.quiet, debug=options.debug) as view:
        path = ensure(CODER_1_5B, cache_folder(settings) / "models", settings.embedded.path, view.download)
    if not options.quiet:
        print(f"The model is at {path}.")
    return ExitCode.OK


def _dig(settings: object, dotted: str) -> object:
    for name in dotted.split("."):
        settings = settings.get(name) if isinstance(settings, dict) else getattr(settings, name, None)
    return settings
