"""What the embedded model's waiting threads cost beside other work: python -m benchmarks.beside [--rounds N]

Threads that wait for one another look again and again before they sleep: as long as libgomp lets them by default, as
long as the product does (`SPINS` in agents/models/embedded.py), or not at all. Each is tried alone, beside a process
that keeps one processor busy, and beside another model, in turns; each time in processes of its own, since it is read
once. Writes ``benchmarks/results/beside.json`` and ``docs/speed.md``. About ten minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import count

from platformdirs import user_cache_path

from agents.models.embedded import SPINS, EmbeddedModel
from agents.models.fetch import CODER_1_5B, ensure
from benchmarks.machine import ROOT, measured_with
from benchmarks.speed import BESIDE, PAGE, RESULTS, page, request, seconds
from orchestrator.files import write_text

WAYS = {
    "libgomp's default (300,000 looks)": {"GOMP_SPINCOUNT": "300000"},
    f"{SPINS:,} looks": {"GOMP_SPINCOUNT": str(SPINS)},
    "sleep at once": {"OMP_WAIT_POLICY": "passive"},
}
CASES = ("alone", "a busy process", "another run")
LIMIT = 90.0
"""Seconds that one measurement may take, the model's loading included."""
LOADING = 12.0
"""Seconds after which two runs have surely loaded the model."""
TEXT = "Write a class for a bank account: deposit, withdraw, history, interest. Long docstrings."
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"
"""A process that keeps a processor busy until whoever started it has ended."""


async def speeds(begin: float) -> tuple[float, float]:
    """Return the tokens per second of one reply and of four at once, asked for at the time ``begin``."""
    model = await _loaded()
    await asyncio.sleep(max(0.0, begin - time.time()))
    found = []
    for choices in (1, 4):
        took, tokens = await seconds(model, [request(f"{choices} {TEXT}", choices=choices)])
        found.append(tokens / took)
    await model.close()
    return found[0], found[1]


async def endless() -> None:
    """Write replies until whoever started this process has ended."""
    parent, model = os.getppid(), await _loaded()
    for number in count():
        if os.getppid() != parent:
            return
        await seconds(model, [request(f"Number {number}. {TEXT}")])


async def _loaded() -> EmbeddedModel:
    path = ensure(CODER_1_5B, user_cache_path("milepost") / "models", None, lambda *_: None)
    model = EmbeddedModel(path, threads=os.cpu_count() or 1)
    await seconds(model, [request("Say yes.")])
    return model


def measured(way: str, case: str) -> tuple[float, float] | None:
    """Return the speeds of a run in ``case``; None where it was not done in time.

    Raises:
        SystemExit: it failed.
    """
    free = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    begin = time.time() + (LOADING if case == "another run" else 0.0)
    this = [sys.executable, "-m", "benchmarks.beside"]
    other = {"a busy process": [sys.executable, "-c", BUSY], "another run": [*this, "--endless"]}.get(case)
    started: list[subprocess.Popen[str]] = []
    try:
        for command in (other, [*this, "--one", str(begin)]):
            if command:
                out = subprocess.PIPE if command is not other else subprocess.DEVNULL
                started.append(subprocess.Popen(command, stdout=out, text=True, env={**free, **WAYS[way]}, cwd=ROOT))
        said, _ = started[-1].communicate(timeout=LIMIT)
        if started[-1].returncode:
            raise SystemExit(f"{way}, {case}: the run failed")
        one, four = json.loads(said)
        return one, four
    except subprocess.TimeoutExpired:
        return None
    finally:
        for process in started:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, choices=range(1, 10))
    parser.add_argument("--one", type=float, metavar="TIME", help="only print the speeds of this process, from then on")
    parser.add_argument("--endless", action="store_true", help="only write replies, until the starting process ends")
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(asyncio.run(speeds(options.one))))
        return
    if options.endless:
        asyncio.run(endless())
        return
    ways: dict[str, dict[str, list[tuple[float, float] | None]]] = {way: {case: [] for case in CASES} for way in WAYS}
    for _ in range(options.rounds):
        for case in CASES:
            for way, row in ways.items():
                row[case].append(measured(way, case))
                print(f"{way}, {case}: {row[case][-1]}", flush=True)
    result = {"measured_with": measured_with(["xllamacpp"]), "rounds": options.rounds, "limit": LIMIT}
    write_text(BESIDE, json.dumps({**result, "cases": CASES, "ways": ways}, indent=1) + "\n")
    write_text(PAGE, page(json.loads(RESULTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
