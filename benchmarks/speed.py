"""How fast the embedded model is, and what each measure brings: python -m benchmarks.speed [--rounds N]

Each measure is tried with and without, in turns, in one process; ratios are of medians. Writes
``benchmarks/results/speed.json`` and ``docs/speed.md``. About ten minutes on 2 cores with nothing beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from agents.models.embedded import EmbeddedModel
from agents.models.fetch import CODER_1_5B, ensure
from agents.programs import BEHIND
from benchmarks.machine import ROOT, measured_with
from schemas.call import Message, ModelRequest

RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
RUNS = RESULTS.with_name("checkouts.json")
UNAIDED = RESULTS.with_name("unaided.json")
BESIDE = RESULTS.with_name("beside.json")
PAGE = ROOT / "docs" / "speed.md"
ABOUT = ROOT / "benchmarks" / "speed.md"
CODE = '''\
def parse_duration(text: str) -> int:
    """Turn a text like 1h30m into seconds."""
    units = {"h": 3600, "m": 60, "s": 1}
    total, number = 0, ""
    for character in text:
        if character.isdigit():
            number += character
        elif character in units:
            total += int(number) * units[character]
            number = ""
    return total


def format_duration(seconds: int) -> str:
    """Turn seconds into a text like 1h30m."""
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    result = ""
    if hours:
        result += f"{hours}h"
    if minutes:
        result += f"{minutes}m"
    if seconds:
        result += f"{seconds}s"
    return result
'''
MEND = f"```python\n{CODE}```\n\nformat_duration(0) must return 0s. Reply with the whole module, mended, in one block."
STUB = 'def merge(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:\n    """Merge spans that overlap."""\n'
WRITE = f"Complete this function. Answer with one fenced block.\n\n```python\n{STUB}```"
LONG = f"Rules of the project: {'be exact, be brief, use the standard library only. ' * 30}\n\n"
CHOICES = "four choices in one call"
"""Its replies are not equally long, so it is compared by tokens per second."""


@dataclass(frozen=True)
class Trial:
    """A measure: what is asked without it and with it, and of which model."""

    name: str
    note: str
    without: tuple[EmbeddedModel, list[ModelRequest]]
    with_it: tuple[EmbeddedModel, list[ModelRequest]]


class Unguessed(EmbeddedModel):
    """The model as llama.cpp is by default in that it guesses nothing."""

    def _params(self, xllamacpp: Any) -> Any:
        params = super()._params(xllamacpp)
        params.speculative.types = xllamacpp.CommonParams().speculative.types
        return params


def request(text: str, *, begun: str = "", stop: Sequence[str] = (), choices: int = 1, sample: int = 0) -> ModelRequest:
    """Return a request for some code, 200 tokens at most."""
    return ModelRequest(
        agent="impl",
        model="embedded",
        system="You are a programmer.",
        messages=[Message(role="user", content=text)],
        max_tokens=200,
        temperature=0.7 if sample or choices > 1 else 0.0,
        stop=["\n```", *stop],
        prefill=f"```python\n{begun}",
        sample=sample,
        choices=choices,
    )


def trials(unguessed: EmbeddedModel, model: EmbeddedModel, number: int) -> Iterator[Trial]:
    """Yield what is measured; ``number`` keeps one round's prompts out of the other's cache."""
    salt = f"Question {number}. "
    write, mend = salt + WRITE, salt + MEND
    yield Trial(
        "lookup: code that is mended",
        "speculative decoding, guesses looked up in the prompt (Saxena 2023), where the answer repeats it",
        (unguessed, [request(mend)]),
        (model, [request(mend + " ")]),
    )
    yield Trial(
        CHOICES,
        "four candidates decoded side by side, against one after the other; both read the prompt once (prefix reuse)",
        (model, [request(f"{salt}e {LONG}{WRITE}", sample=n + 1) for n in range(4)]),
        (model, [request(f"{salt}f {LONG}{WRITE}", choices=4)]),
    )
    yield Trial(
        "prefix reuse",
        "the second of two prompts that begin alike, against one that begins otherwise",
        (model, [request(f"{salt}b {LONG}{WRITE}"), request(f"{salt}c {LONG}{WRITE} Be brief.")]),
        (model, [request(f"{salt}a {LONG}{WRITE}"), request(f"{salt}a {LONG}{WRITE} Be brief.")]),
    )
    yield Trial(
        "a prompt of a third the length",
        "the same question behind one part of the rules, against three; neither is in the cache",
        (model, [request(f"{salt}g {3 * LONG}{WRITE}")]),
        (model, [request(f"{salt}h {LONG}{WRITE}")]),
    )
    yield Trial(
        "begun replies and stop strings",
        "the reply begins with the signature and docstring that it is to complete, and ends with the function",
        (model, [request(f"{write}   ")]),
        (model, [request(f"{write}    ", begun=STUB, stop=BEHIND)]),
    )


async def seconds(model: EmbeddedModel, requests: Sequence[ModelRequest]) -> tuple[float, int]:
    """Return how long the requests took, one after the other, and how many tokens came back."""
    began, tokens = time.monotonic(), 0
    for one in requests:
        tokens += (await model.reply(one, lambda _: None)).usage.output_tokens
    return time.monotonic() - began, tokens


async def measure(path: Path, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Return, for each measure, seconds and tokens of each round without it and with it."""
    threads = os.cpu_count() or 1
    unguessed, model = (kind(path, threads=threads) for kind in (Unguessed, EmbeddedModel))
    for one in (unguessed, model):
        await one.reply(request("Say yes."), lambda _: None)
    found: dict[str, Any] = {}
    for number in range(rounds):
        for trial in trials(unguessed, model, number):
            row = found.setdefault(trial.name, {"note": trial.note, "without": [], "with": []})
            order = [("without", trial.without), ("with", trial.with_it)]
            for key, (asked, requests) in order if number % 2 else order[::-1]:
                row[key].append(await seconds(asked, requests))
            say(f"{trial.name}: {row['without'][-1][0]:.1f} s without, {row['with'][-1][0]:.1f} s with")
    for one in (unguessed, model):
        await one.close()
    return found


def page(measured: dict[str, Any]) -> str:
    """Return the page of the documentation."""
    where = measured["measured_with"]
    lines = [
        "# Speed of the embedded model",
        "",
        "Made by `python -m benchmarks.speed`. Each measure without and with it, in turns, in one process; medians of",
        f"{measured['rounds']} rounds. {where['processor']}, {where['cores']} cores, Python {where['python']},",
        f"xllamacpp {where['packages'].get('xllamacpp', '?')}, {where['at'][:10]}, commit {where.get('commit', '?')}.",
        "",
        "| Measure | Without: s | tokens/s | With: s | tokens/s | Times as fast | in single rounds |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, row in measured["trials"].items():
        both = [row["without"], row["with"]]
        cells = [
            f"{statistics.median(figures):.1f}"
            for rounds in both
            for figures in ([took for took, _ in rounds], [tokens / took for took, tokens in rounds])
        ]
        costs = [[took / tokens if name == CHOICES else took for took, tokens in rounds] for rounds in both]
        ratios = [before / after for before, after in zip(*costs, strict=True)]
        before, after = map(statistics.median, costs)
        cells += [f"{before / after:.2f}", f"{min(ratios):.2f} – {max(ratios):.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"*Times as fast* is by seconds; for {CHOICES} by seconds a token, as its replies differ in length."]
    lines += ["", *(f"- **{name}**: {row['note']}." for name, row in measured["trials"].items()), ""]
    if BESIDE.exists():
        lines += beside(json.loads(BESIDE.read_text(encoding="utf-8")))
    if UNAIDED.exists():
        lines += with_and_without(json.loads(UNAIDED.read_text(encoding="utf-8")))
    if RUNS.exists():
        lines += whole_runs(json.loads(RUNS.read_text(encoding="utf-8")))
    return "\n".join([*lines, ABOUT.read_text(encoding="utf-8")])


def beside(measured: dict[str, Any]) -> list[str]:
    """Return the part on the model beside other work."""
    where = measured["measured_with"]
    lines = [
        "## Beside other work",
        "",
        "`python -m benchmarks.beside`: tokens per second, one reply / four at once,",
        f"{'one round' if measured['rounds'] == 1 else 'medians of ' + str(measured['rounds']) + ' rounds'}.",
        f"A dash: not done within {measured['limit']:.0f} s.",
        f"{where['processor']}, {where['cores']} cores, {where['at'][:10]}.",
        "",
        "| Threads that wait | " + " | ".join(measured["cases"]) + " |",
        "|---|" + "---:|" * len(measured["cases"]),
    ]
    for way, row in measured["ways"].items():
        cells = []
        for case in measured["cases"]:
            pairs = [pair for pair in row[case] if pair]
            one, four = (statistics.median(column) for column in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
            cells.append(f"{one:.1f} / {four:.1f}" if len(pairs) == len(row[case]) else "–")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return [*lines, ""]


def with_and_without(measured: dict[str, Any]) -> list[str]:
    """Return the part on whole runs with all measures and without any."""
    where = measured["measured_with"]
    return [
        "## Whole runs, with all measures and without any",
        "",
        f"`python -m benchmarks.unaided`: `milepost run examples/{measured['idea']}` in turns, no key,",
        f"{where['at'][:10]}, commit {where['commit']}.",
        "",
        *_runs("Measures", measured["runs"], lambda row: row["way"]),
    ]


def whole_runs(measured: dict[str, Any]) -> list[str]:
    """Return the part on whole runs of two states."""
    return [
        "## Whole runs of two states",
        "",
        f"`python -m benchmarks.checkouts OLD NEW`: `milepost run examples/{measured['idea']}` in turns, no key,",
        f"{measured['measured_with']['at'][:10]}.",
        "",
        *_runs(
            "Commit",
            measured["runs"],
            lambda row: f"{row['commit']} ({'before' if row['commit'] == measured['old'] else 'after'})",
        ),
    ]


def _runs(title: str, rows: Sequence[dict[str, Any]], name: Callable[[dict[str, Any]], str]) -> list[str]:
    lines = [
        f"| {title} | Seconds | Accepted | Attempts | Tokens read | from cache | written | Seconds each accepted |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        usage, each = row["usage"], f"{row['seconds'] / row['accepted']:.0f}" if row["accepted"] else "–"
        cells = [usage["input_tokens"], usage["cache_read_tokens"], usage["output_tokens"], each]
        counts = f"{row['accepted']} of {row['milestones']} | {row['attempts']}"
        lines.append(f"| {name(row)} | {row['seconds']:.0f} | {counts} | {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 10))
    parser.add_argument("--page", action="store_true", help="only write the page again")
    options = parser.parse_args(arguments)
    if options.page:
        PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    path = ensure(CODER_1_5B, user_cache_path("milepost") / "models", None, lambda *_: None)
    found = asyncio.run(measure(path, options.rounds, lambda text: print(text, flush=True)))
    measured = {"measured_with": measured_with(["xllamacpp"]), "rounds": options.rounds, "trials": found}
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(measured), encoding="utf-8")
    print(page(measured))


if __name__ == "__main__":
    main()
