"""Eval: the judge. It gives reasons and numbers; the verdict is computed by the rubric."""

from __future__ import annotations

from dataclasses import replace

from agents.context import Context
from agents.parsing import json_as, schema_of
from agents.runner import Runner, Task
from agents.selection import interfaces, whole
from schemas.base import digest_of
from schemas.errors import AgentFailure
from schemas.evaluation import Judgement
from schemas.evidence import Evidence

__all__ = ["judge"]


async def judge(runner: Runner, context: Context, evidence: Evidence, repeats: int = 1) -> list[Judgement]:
    """Return the judge's opinions on the project as it stands in ``context.files``: at most ``repeats``, at least one.

    Raises:
        AgentFailure: no reply was usable.
    """
    small = runner.model("evaluator").traits.step == "function"
    room = runner.model("evaluator").traits.context_tokens  # a token has three characters or more: a third at most
    code = _bounded(whole(context), characters=min(24_000, room))
    # Nothing can hold the digest of itself, so the code can't end the quotation that it stands in.
    variables = {
        **context.variables("evaluator"),
        **({"history": ""} if small else {}),  # a small judge repeats it word for word, numbers included
        "evidence": evidence,
        "code": code,
        **interfaces(context, without=code),
        "mark": f"CODE-{digest_of(code)[:12]}",
    }
    task = Task(
        "evaluator",
        "judge",
        variables,
        json_as(Judgement),
        max_tokens=700,
        schema=schema_of(Judgement),
        sample=context.sample * repeats,
        choices=repeats,
    )
    # Without a history the same code has the same verdict: only where a reply was of no use is it asked about anew.
    first = replace(task, sample=0) if small else task
    (answers,) = await runner.ask_all([first])
    if isinstance(answers, AgentFailure) and first != task:
        (answers,) = await runner.ask_all([task])
    if isinstance(answers, AgentFailure):
        raise answers
    return answers


def _bounded(files: dict[str, str], characters: int) -> dict[str, str]:
    """Return ``files`` cut so that together they hold at most ``characters``; a cut is marked. What a short file does
    not need of its share, the longer ones get."""
    left = sorted((path for path in files if files[path].strip()), key=lambda path: len(files[path]))
    room, kept = characters, dict[str, str]()
    for number, path in enumerate(left):
        source, share = files[path], room // (len(left) - number)
        kept[path] = source if len(source) <= share else source[:share] + "\n# … cut\n"
        room -= min(len(source), share)
    return {path: kept[path] for path in files if path in kept}
