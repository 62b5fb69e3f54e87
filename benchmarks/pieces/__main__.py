"""Ways to ask a small model for a function or a class: python -m benchmarks.pieces [--ways A,B] [--kinds functions]

The prompt is the pipeline's own (`agents.pieces`); the ways differ in how the reply is begun, and what the stub says:

- ``stub``: begun with the stub, as the product's first version is;
- ``comment``: the same, and the ``#`` of a comment, as its second and further ones are (of functions);
- ``signature``: begun with the signature, without the docstring;
- ``free``: begun with nothing but the fence;
- ``plan`` (classes): begun with a comment that lists what the object keeps;
- ``beside`` (classes): as ``stub``, where each method has the features that name it in its docstring.

Functions are HumanEval problems that the arms of `benchmarks.humaneval` are not compared on (``--count``, ``--seed``);
classes are those of classes.yaml. Replies are the likeliest ones (temperature 0). Each outcome is appended to
RESULTS/<kind>.jsonl as soon as it is there, and not asked again; at the end the figures are printed.
`python -m benchmarks.pieces.report` makes the page.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agents.context import Context
from agents.contracts import bullets, features_of
from agents.parsing import FIRST_THINK
from agents.pieces import filled, write
from agents.ports import Model
from agents.prompts.render import render
from agents.runner import Task
from agents.skeleton import Symbol, stubs
from benchmarks.humaneval.arms import idea_of
from benchmarks.humaneval.problems import Problem, load, sampled, verdict
from benchmarks.machine import PACKAGES, append_row, commit, kept_outcomes, note_run
from benchmarks.settings import add_config, settings_of
from benchmarks.tables import table
from orchestrator.compose import Models, build_models, build_sandbox, cache_folder
from orchestrator.config import Settings
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.environment import ensure_environment
from orchestrator.journal.store import RecordStore
from orchestrator.scratch import scratch
from schemas.call import Message, ModelRequest
from schemas.idea import AcceptanceCheck, Idea
from schemas.milestone import Criterion, Milestone

RESULTS = Path(__file__).resolve().parents[1] / "results" / "pieces"
CLASSES = Path(__file__).with_name("classes.yaml")
WAYS = {
    "functions": ("stub", "comment", "signature", "free"),
    "classes": ("stub", "comment", "signature", "free", "plan", "beside"),
}
COMPARED = 60, 1
"""The problems that the arms are compared on: drawn so many, with this seed."""
PLAN = "```python\n# What the object keeps, and how each method uses it:\n# -"
SECONDS = 10.0
"""So long may one check take."""


@dataclass(frozen=True)
class Piece:
    """One function or class to write."""

    name: str
    idea: Idea
    symbol: str
    module: str
    """The module with its stub."""
    beside: str = ""
    """The same with the features in the methods' docstrings."""
    problem: Problem | None = None
    checks: Sequence[str] = field(default_factory=tuple)
    """What is scored and was never shown: nothing of it where there is a ``problem``, which has tests of its own."""


def functions(settings: Settings, count: int, seed: int) -> list[Piece]:
    """Return ``count`` of the problems that no arm is compared on."""
    problems = load(cache_folder(settings) / "humaneval")
    compared = {problem.name for problem in sampled(problems, *COMPARED)}
    rest = [problem for problem in problems if problem.name not in compared]
    pieces = []
    for problem in random.Random(seed).sample(rest, min(count, len(rest))):
        idea = idea_of(problem).model_copy(update={"summary": f"One function, {problem.function}."})
        module = problem.prompt.strip("\n") + "\n    raise NotImplementedError\n"
        if any(symbol.name == problem.function for symbol in stubs("solution.py", module)):
            pieces.append(Piece(problem.name, idea, problem.function, module, problem=problem))
    return pieces


def classes() -> list[Piece]:
    """Return the classes of classes.yaml."""
    pieces = []
    for name, given in yaml.safe_load(CLASSES.read_text(encoding="utf-8")).items():
        shown = AcceptanceCheck(id="AC1", statement="it works", check=f"from solution import {name}\n{given['shown']}")
        summary = f"A library with one class, {name}."
        idea = Idea(name=name, summary=summary, features=given["features"], acceptance=[shown])
        plain, beside = (_stub(name, given, idea, told=told) for told in (False, True))
        pieces.append(Piece(name, idea, name, plain, beside, checks=given["hidden"]))
    return pieces


def _stub(name: str, given: Mapping[str, Any], idea: Idea, *, told: bool) -> str:
    lines = [f"class {name}:", f'    """A class.\n\n{bullets(given["features"])}\n"""']
    for method in given["methods"]:
        own = method.partition("(")[0]
        features = features_of(name if own == "__init__" else own, idea) if told else []
        lines += ["", f"    def {method}:"]
        said = " ".join(feature.rstrip(".") + "." for feature in features)
        lines += [f'        """{said}"""'] if said else []
        lines += ["        raise NotImplementedError"]
    return "\n".join(["from __future__ import annotations", "", "", *lines, ""])


def placed(piece: Piece, module: str) -> tuple[Context, Symbol]:
    """Return what an agent may see of a project that is ``module`` alone, and the stub in it."""
    criteria = [Criterion(statement=check.statement, check=check.id) for check in piece.idea.acceptance]
    milestone = Milestone(id="M1", title="t", description="It does what is asked.", acceptance_criteria=criteria)
    context = Context(
        idea=piece.idea, milestone=milestone, turn=1, files={"solution.py": module}, focus=["solution.py"]
    )
    return context, next(found for found in stubs("solution.py", module) if found.name == piece.symbol)


def request_for(model: Model, piece: Piece, task: Task[str], begun: str) -> ModelRequest:
    """Return the pipeline's question for the likeliest version of ``piece``; the reply begins with ``begun``."""
    return ModelRequest(
        agent="impl",
        model=model.name,
        system=render("brief", "brief", {"idea": piece.idea}),
        messages=[Message(role="user", content=render("impl", "function", task.variables))],
        max_tokens=task.max_tokens,
        temperature=0.0,
        stop=task.stop,
        prefill=begun,
    )


async def ask(model: Model, piece: Piece, way: str) -> tuple[str | None, int, float]:
    """Return the module that the likeliest reply makes (None: it is none), its output tokens, and the seconds."""
    context, symbol = placed(piece, piece.beside if way == "beside" else piece.module)
    task = write(context, symbol, lambda *_: [], 0)
    begun = task.prefill or ""
    begun = {
        "comment": begun + FIRST_THINK,
        "signature": min(begun.partition('"""')[0], begun.partition("'''")[0], key=len).rstrip(" "),
        "free": "```python\n",
        "plan": PLAN,
    }.get(way, begun)
    started = time.monotonic()
    reply = await model.reply(request_for(model, piece, task, begun), lambda _: None)
    seconds = round(time.monotonic() - started, 1)
    try:
        module = filled(context.files, symbol, task.parse(reply.text))  # as the pipeline does, with what it imports
        return module, reply.usage.output_tokens, seconds
    except ValueError:
        return None, reply.usage.output_tokens, seconds


async def score(piece: Piece, code: str | None, laboratory: Laboratory) -> tuple[int, int]:
    """Return how many of the hidden checks ``code`` passes, and of how many; the tests of a problem count as one."""
    total = len(piece.checks) or 1
    if code is None:
        return 0, total
    if piece.problem is not None:
        return int(await verdict(piece.problem, code, laboratory)), total
    passed = 0
    for check in piece.checks:
        token = secrets.token_hex(16)  # only a check that comes to its end prints it
        source = f"import pytest\nfrom solution import {piece.symbol}\n{check}\nprint({token!r})\n"
        done = await laboratory.start({"solution.py": code, "check.py": source}, ("python", "check.py"), SECONDS)
        passed += done.exit_code == 0 and done.stdout.rstrip().endswith(token)
    return passed, total


def missing(path: Path, pieces: Sequence[Piece], ways: Sequence[str]) -> bool:
    """Return whether ``path`` lacks one of the ``pieces`` in one of the ``ways``."""
    return not {f"{piece.name} {way}" for piece in pieces for way in ways} <= kept_outcomes(path, "key").keys()


async def run(model: Model, laboratory: Laboratory, pieces: Sequence[Piece], ways: Sequence[str], path: Path) -> None:
    """Ask for each piece in each way, unless that is in ``path`` already; one piece after the other, so that a run that
    is cut short has compared what it has."""
    done, began_with = kept_outcomes(path, "key", model.name), commit()
    for piece in pieces:
        for way in ways:
            key = f"{piece.name} {way}"
            if key in done:
                continue
            code, tokens, seconds = await ask(model, piece, way)
            passed, total = await score(piece, code, laboratory)
            row = {"key": key, "task": piece.name, "way": way, "passed": passed, "total": total, "code": code}
            row |= {"output_tokens": tokens, "seconds": seconds, "model": model.name, "commit": began_with}
            append_row(path, row)
            print(f"{key}: {passed} of {total}, {tokens} tokens, {seconds} s", flush=True)


def figures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of the ways, on the pieces that all ways have; tokens are means of one piece.

    Seconds are left out: the first way that is asked reads the prompt, the others find most of it in the cache.
    """
    ways = list(dict.fromkeys(row["way"] for row in rows))
    by_key = {(row["task"], row["way"]): row for row in rows}
    common = [task for task in dict.fromkeys(row["task"] for row in rows) if all((task, way) in by_key for way in ways)]
    found = []
    for way in ways:
        mine = [by_key[task, way] for task in common]
        whole = sum(row["passed"] == row["total"] for row in mine)
        checks = f"{sum(row['passed'] for row in mine)} of {sum(row['total'] for row in mine)}"
        tokens = sum(row["output_tokens"] for row in mine) / max(len(mine), 1)
        found.append((way, len(mine), whole, checks, f"{tokens:.0f}"))
    return table(["Way", "Pieces", "Right", "Checks", "Tokens out"], found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask what was not asked yet, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(WAYS))
    parser.add_argument("--ways", help="only these")
    parser.add_argument("--count", type=int, default=48, help="so many functions (48)")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--results", type=Path, default=RESULTS)
    add_config(parser)
    options = parser.parse_args(arguments)
    kinds, ways = options.kinds.split(","), options.ways.split(",") if options.ways else None
    if unknown := set(kinds) - set(WAYS):
        parser.error(f"there is no kind {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    if unknown := set(ways or ()) - {way for kind in kinds for way in WAYS[kind]}:
        parser.error(f"there is no way {', '.join(sorted(unknown))}; there are {', '.join(WAYS['classes'])}")
    if options.count < 1:
        parser.error("--count: at least one function")
    settings = settings_of(options.config)
    lots = {k: functions(settings, options.count, options.seed) if k == "functions" else classes() for k in kinds}
    wanted = {kind: [way for way in WAYS[kind] if ways is None or way in ways] for kind in kinds}
    if any(missing(options.results / f"{kind}.jsonl", lots[kind], wanted[kind]) for kind in kinds):
        environment = ensure_environment(cache_folder(settings), [])
        sandbox = build_sandbox(settings, environment)
        note_run(options.results, PACKAGES, kinds=options.kinds, count=options.count, seed=options.seed)
        with scratch(0o700) as folder:
            laboratory = Laboratory(sandbox, environment, RecordStore(folder))
            asyncio.run(_all(build_models(settings, lambda *_: None), laboratory, lots, wanted, options.results))
    for kind in kinds:
        print(f"\n{kind}", *figures(list(kept_outcomes(options.results / f"{kind}.jsonl", "key").values())), sep="\n")


async def _all(
    models: Models,
    laboratory: Laboratory,
    lots: Mapping[str, Sequence[Piece]],
    ways: Mapping[str, Sequence[str]],
    results: Path,
) -> None:
    """Ask for the pieces of each kind in its ``ways``."""
    try:
        for kind, pieces in lots.items():
            await run(models.by_agent["impl"], laboratory, pieces, ways[kind], results / f"{kind}.jsonl")
    finally:
        await models.close()


if __name__ == "__main__":
    main()
