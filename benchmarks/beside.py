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

from platformdirs import user_cache_path

from agents.models.embedded import SPINS, EmbeddedModel
from agents.models.fetch import CODER_1_5B, ensure
from benchmarks.machine import ROOT, measured_with
from benchmarks.speed import BESIDE, PAGE, RESULTS, page, request, seconds

WAYS = {
    "libgomp's default (300,000 looks)": {"GOMP_SPINCOUNT": "300000"},
    f"{SPINS:,} looks": {"GOMP_SPINCOUNT": str(SPINS)},
    "sleep at once": {"OMP_WAIT_POLICY": "passive"},
}
CASES = ("alone", "a busy process", "two runs")
LIMIT = 90.0
"""Seconds that one measurement may take, the model's loading included."""
LOADING = 12.0
"""Seconds after which both of two runs have surely loaded the model."""
TEXT = "Write a class for a bank account: deposit, withdraw, history, interest. Long docstrings."


async def speeds(begin: float) -> tuple[float, float]:
    """Return the tokens per second of one reply and of four at once, asked for at the time ``begin``."""
    path = ensure(CODER_1_5B, user_cache_path("milepost") / "models", None, lambda *_: None)
    model = EmbeddedModel(path, threads=os.cpu_count() or 1)
    await seconds(model, [request("Say yes.")])
    await asyncio.sleep(max(0.0, begin - time.time()))
    found = []
    for choices in (1, 4):
        took, tokens = await seconds(model, [request(f"{choices} {TEXT}", choices=choices)])
        found.append(tokens / took)
    await model.close()
    return found[0], found[1]


def measured(way: str, case: str) -> tuple[float, float] | None:
    """Return the speeds of the slower of the runs in ``case``; None where one was not done in time."""
    begin = time.time() + (LOADING if case == "two runs" else 0.0)
    command = [sys.executable, "-m", "benchmarks.beside", "--one", str(begin)]
    environment = {**os.environ, **WAYS[way]}
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
        for _ in range(2 if case == "two runs" else 1)
    ]
    busy = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(busy, text=True)] if case == "a busy process" else []
    try:
        found = [json.loads(run.communicate(timeout=LIMIT)[0]) for run in runs]
        return min(one for one, _ in found), min(four for _, four in found)
    except subprocess.TimeoutExpired:
        return None
    finally:
        for process in (*runs, *others):
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write results and page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", type=float, metavar="TIME", help="only print the speeds of this process, from then on")
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(asyncio.run(speeds(options.one))))
        return
    ways: dict[str, dict[str, list[tuple[float, float] | None]]] = {way: {case: [] for case in CASES} for way in WAYS}
    for _ in range(options.rounds):
        for case in CASES:
            for way, row in ways.items():
                row[case].append(measured(way, case))
                print(f"{way}, {case}: {row[case][-1]}", flush=True)
    result = {"measured_with": measured_with(["xllamacpp"]), "rounds": options.rounds, "limit": LIMIT}
    BESIDE.write_text(json.dumps({**result, "cases": CASES, "ways": ways}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
