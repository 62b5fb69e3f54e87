"""How far choosing among versions of a class could get: python -m benchmarks.pieces.ceiling

For each class of classes.yaml: the likeliest version and twelve at temperature 0.8, from the pipeline's prompt; and for
each of its features tests that were written from the class's interface and that feature alone, four replies of two
each. Every version is held against every test, the check that is shown, and the hidden ones. What came of a class is
appended to RESULTS/ceiling.jsonl as soon as it is there, and not asked again; at the end the figures are printed: how
many of the hidden checks hold, with each way to choose a version of those that meet the shown check:

- ``likeliest``: the greedy version, whatever it meets; ``first``: the first that meets the check; ``mean``: what one of
  these passes on average;
- ``most tests``: the one that passes most of the tests that any passes; ``by feature``: the same, each feature's
  tests counting as one;
- ``agreement``: of the versions that pass the same tests, the root of how many they are times how many tests (CodeT,
  Chen et al. 2022, with the root that its authors take);
- ``best``: the best there is, which no way to choose can be better than.

Of equals the first is taken, and the likeliest is the first of all.

And how many of the tests are right, by whether any of the first five versions that meet the shown check passes them:
what none passes is no reason against the code of a small model (`agents.critic`).
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.parsing import python_from
from agents.pieces import filled, write
from agents.ports import Model
from agents.prompts.render import render
from benchmarks.machine import PACKAGES, append_row, commit, kept_outcomes, note_run
from benchmarks.pieces.__main__ import RESULTS, SECONDS, Piece, classes, placed, request_for
from benchmarks.settings import add_config, settings_of
from benchmarks.tables import table
from orchestrator.compose import Models, build_models, build_sandbox, cache_folder
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.environment import ensure_environment
from orchestrator.journal.store import RecordStore
from orchestrator.scratch import scratch
from schemas.call import Message, ModelRequest

__all__ = ["choices", "tests_of", "witnessed"]

ROUNDS, CHOICES, TEMPERATURE = 3, 4, 0.8
WITNESSES = 1 + CHOICES
"""So many versions has the pipeline when it asks whether a test is wrong: the likeliest and one round of others."""
ASK = """Write pytest tests for this class of module solution:

```python
{source}
```
It is certain that:
{check}

Write 2 short test functions for this feature alone, and for nothing else:
{feature}
Take inputs whose result is certain from the feature. Write the tests only, in one fenced block."""

RUNNER = """import json, os, signal, pytest

passed = []
for source in json.load(open("sources.json")):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # each on its own: neither what it changes nor how it ends matters to the others
        signal.alarm(2)
        exec(compile(source, "source", "exec"), {"__name__": "source", "pytest": pytest})
        os.write(writing, b"1")
        os._exit(0)
    os.close(writing)
    passed.append(os.read(reading, 1) == b"1")
    os.close(reading)
    os.waitpid(child, 0)
print("", json.dumps(passed), sep="\\n", flush=True)
os._exit(0)
"""


async def ask(model: Model, piece: Piece) -> dict[str, Any]:
    """Return the versions of ``piece`` (None: the reply is no class), and (feature, test) of all tests."""
    started = time.monotonic()
    context, symbol = placed(piece, piece.module)
    task = write(context, symbol, lambda *_: [], 0)
    likeliest = request_for(model, piece, task, task.prefill or "")
    others = [
        likeliest.model_copy(update={"temperature": TEMPERATURE, "sample": 1 + CHOICES * n, "choices": CHOICES})
        for n in range(ROUNDS)
    ]
    versions: list[str | None] = []
    for request in (likeliest, *others):
        reply = await model.reply(request, lambda _: None)
        for text in (reply.text, *reply.alternatives):
            try:
                versions.append(filled(context.files, symbol, task.parse(text)))
            except ValueError:
                versions.append(None)
    tests: list[tuple[str, str]] = []
    for feature in piece.idea.features:
        said = ASK.format(source=symbol.source, check=piece.idea.acceptance[0].check, feature=feature)
        request = ModelRequest(
            agent="tester",
            model=model.name,
            system=render("brief", "brief", {"idea": piece.idea}),
            messages=[Message(role="user", content=said)],
            max_tokens=300,
            temperature=TEMPERATURE,
            sample=1,
            choices=CHOICES,
            stop=["\n```"],
            prefill=f"```python\nimport pytest\nfrom solution import {piece.symbol}\n\n\ndef test_",
        )
        reply = await model.reply(request, lambda _: None)
        tests += [(feature, test) for text in (reply.text, *reply.alternatives) for test in tests_of(text)]
    return {"versions": versions, "tests": tests, "seconds": round(time.monotonic() - started, 1)}


def tests_of(reply: str) -> list[str]:
    """Return the test functions of ``reply`` that want no fixture, each with what it imports and a call of it."""
    try:
        body = ast.parse(python_from(reply)).body
    except ValueError:
        return []
    functions = [n for n in body if isinstance(n, ast.FunctionDef)]
    found = [n for n in functions if n.name.startswith("test") and not ast.unparse(n.args)]
    others = [n for n in functions if not n.name.startswith("test")]
    before = [ast.unparse(n) for n in body if isinstance(n, ast.Import | ast.ImportFrom | ast.Assign) or n in others]
    return ["\n".join([*before, ast.unparse(n), f"{n.name}()"]) for n in found]


async def holds(laboratory: Laboratory, code: str | None, sources: Sequence[str]) -> list[bool]:
    """Return which of ``sources`` come to their end within 2 s, each in a process of its own, with ``code`` as their
    module ``solution``."""
    if code is None:
        return [False] * len(sources)
    files = {"solution.py": code, "sources.json": json.dumps(sources), "run.py": RUNNER}
    done = await laboratory.start(files, ("python", "run.py"), SECONDS + 2 * len(sources))
    if done.exit_code != 0:
        raise SystemExit(f"the checks could not be run: {done.stderr[-300:]}")
    found: list[bool] = json.loads(done.stdout.splitlines()[-1])
    return found


def choices(row: Mapping[str, Any]) -> dict[str, float]:
    """Return how many hidden checks the version passes that each way takes."""
    hidden: list[int] = row["hidden"]
    able = [n for n in range(len(hidden)) if row["shown"][n]] or [*range(len(hidden))]
    passing: list[list[bool]] = row["passing"]
    live = [t for t in range(len(row["tests"])) if any(passing[n][t] for n in able)]
    features = [row["tests"][t][0] for t in live]

    def many(version: int) -> int:
        return sum(passing[version][t] for t in live)

    def by_feature(version: int) -> float:
        return sum(passing[version][t] / features.count(f) for t, f in zip(live, features, strict=True))

    def agreement(version: int) -> float:
        alike = sum(passing[other] == passing[version] for other in able)
        return float(alike**0.5 * many(version))

    return {
        "likeliest": hidden[0],
        "first": hidden[able[0]],
        "mean": sum(hidden[n] for n in able) / len(able),
        "most tests": hidden[max(able, key=many)],
        "by feature": hidden[max(able, key=by_feature)],
        "agreement": hidden[max(able, key=agreement)],
        "best": max(hidden),
    }


async def measured(laboratory: Laboratory, piece: Piece, reference: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """Return for each version that was ``written`` which tests it passes, whether the shown check, and how many of the
    hidden ones; and which tests the ``reference`` passes, and so are right."""
    tests = [test for _, test in written["tests"]]
    shown = [check.check or "" for check in piece.idea.acceptance]
    hidden = [f"from solution import {piece.symbol}\n{check}" for check in piece.checks]
    row: dict[str, Any] = {"passing": [], "shown": [], "hidden": [], "total": len(hidden)}
    for code in written["versions"]:
        row["passing"].append(await holds(laboratory, code, tests))
        row["shown"].append(all(await holds(laboratory, code, shown)))
        row["hidden"].append(sum(await holds(laboratory, code, hidden)))
    return {**written, **row, "right": await holds(laboratory, reference, tests)}


async def _all(models: Models, laboratory: Laboratory, path: Path) -> None:
    try:
        await run(models.by_agent["impl"], laboratory, path)
    finally:
        await models.close()


async def run(model: Model, laboratory: Laboratory, path: Path) -> None:
    """Ask for each class, unless it is in ``path`` already."""
    done, began_with = kept_outcomes(path, "task", model.name), commit()
    reference = Path(__file__).with_name("reference.py").read_text(encoding="utf-8")
    for piece in classes():
        if piece.name not in done:
            row = await measured(laboratory, piece, reference, await ask(model, piece))
            append_row(path, {"task": piece.name, "model": model.name, "commit": began_with, **row})
            print(f"{piece.name}: {row['hidden']} of {row['total']}, {row['seconds']} s", flush=True)


def witnessed(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return for tests of errors and for others how many are right of those that some of the first `WITNESSES` versions
    that meet the shown check passes, and of those that none does. Where no version meets it nothing can be said."""
    count: Counter[tuple[bool, bool, bool]] = Counter()
    for row in rows:
        able = [n for n in range(min(WITNESSES, len(row["shown"]))) if row["shown"][n]]
        for t, (_, test) in enumerate(row["tests"] if able else ()):
            count[("raises" in test, any(row["passing"][n][t] for n in able), row["right"][t])] += 1

    def share(errors: bool, passed: bool) -> str:
        right = count[(errors, passed, True)]
        return f"{right} of {right + count[(errors, passed, False)]}"

    kinds = ((True, "that expect an error"), (False, "others"))
    return [(kind, share(errors, True), share(errors, False)) for errors, kind in kinds]


def figures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of the ways to choose, and what can be said of the tests."""
    chosen = [choices(row) for row in rows]
    total = sum(row["total"] for row in rows)
    ways = chosen[0] if chosen else {}
    lines = table(["Chosen by", f"Hidden checks, of {total}"], [(w, f"{sum(f[w] for f in chosen):.1f}") for w in ways])
    right, tests = (sum(map(count, rows)) for count in (lambda row: sum(row["right"]), lambda row: len(row["right"])))
    lines += [
        "",
        f"Tests that the reference passes: {right} of {tests}. By whether one of the first {WITNESSES} versions",
    ]
    lines += ["passes them that meet the shown check; classes of which none does are left out:", ""]
    return [*lines, *table(["Tests", "Right, of those that some passes", "Of those that none does"], witnessed(rows))]


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask what was not asked yet, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    add_config(parser)
    options = parser.parse_args(arguments)
    path = options.results / "ceiling.jsonl"
    if not {piece.name for piece in classes()} <= kept_outcomes(path, "task").keys():
        settings = settings_of(options.config)
        environment = ensure_environment(cache_folder(settings), [])
        note_run(options.results, PACKAGES, ceiling=ROUNDS * CHOICES)
        with scratch(0o700) as folder:
            laboratory = Laboratory(build_sandbox(settings, environment), environment, RecordStore(folder))
            models = build_models(settings, lambda *_: None)
            asyncio.run(_all(models, laboratory, path))
    print(*figures(list(kept_outcomes(path, "task").values())), sep="\n")


if __name__ == "__main__":
    main()
