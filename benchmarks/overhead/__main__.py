"""Measure what Milepost's machinery costs, beside LangGraph and Burr: python -m benchmarks.overhead [--quick]

Makes the other frameworks' environments (in the cache folder, by pip), measures, writes
``benchmarks/results/overhead.json``, and from that ``docs/overhead.md`` with its plots, which need matplotlib
(``pip install 'milepost[benchmarks]'``). Candidates take turns, so that what else the machine does meets all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from benchmarks.machine import ROOT, measured_with
from benchmarks.overhead.environments import CANDIDATES, SERIES, Series, interpreter, versions
from benchmarks.overhead.report import RESULTS, write
from benchmarks.overhead.workloads.probe import nanoseconds

MILEPOST = ("pydantic", "structlog", "jinja2", "pyyaml", "httpx")
"""Versions that matter for its own figures."""
FULL: Mapping[str, Any] = {"imports": 15, "disk": (3, (10, 100)), "memory": (3, (10, 100, 500, 1000, 2000))}
QUICK: Mapping[str, Any] = {"imports": 3, "disk": (1, (10, 20)), "memory": (1, (10, 20, 100))}
PLACES = {"disk": None, "memory": Path("/dev/shm")}  # noqa: S108  (a folder of our own is made in it)
"""Where stores are: on the disk of the cache folder, where each promise to have written waits for the disk, and in
memory, where it is free: what is left is the processor's work."""
IMPORT = """
import sys, time
before, started = len(sys.modules), time.perf_counter()
{imports}
print(time.perf_counter() - started, len(sys.modules) - before)
"""

Pythons = Mapping[str, Path]
"""Candidate → interpreter."""
Say = Callable[[str], None]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small run, to see that all works")
    parser.add_argument("--cache", type=Path, default=user_cache_path("milepost"), help="environments and stores")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--no-page", action="store_true", help="write no page and no plots")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    options.cache.mkdir(parents=True, exist_ok=True)
    pythons = {candidate.name: interpreter(candidate, options.cache) for candidate in CANDIDATES}
    measured: dict[str, Any] = {
        "measured_with": measured_with(MILEPOST),
        "filesystems": {place: _filesystem(folder or options.cache) for place, folder in PLACES.items()},
        "versions": {candidate.name: versions(candidate) for candidate in CANDIDATES if candidate.requirements},
        "imports": imports(pythons, plan["imports"]),
        "runs": [],
    }
    for place, folder in PLACES.items():
        repetitions, marks = plan[place]
        measured["runs"] += runs(pythons, place, folder or options.cache, repetitions, marks)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    if not options.no_page:
        write(measured)


def imports(pythons: Pythons, repetitions: int) -> list[dict[str, Any]]:
    """Return one row per candidate and repetition: seconds of the import, of its whole process, and modules loaded."""
    rows = []
    for repetition in range(repetitions + 1):
        for candidate in CANDIDATES:
            command = [str(pythons[candidate.name]), "-c", IMPORT.format(imports=candidate.imports)]
            started = nanoseconds()
            seconds, modules = _run(command).split()
            whole = (nanoseconds() - started) / 1e9
            if repetition:  # the first one reads the files from the disk and compiles them
                row = {"seconds": float(seconds), "process_seconds": whole, "modules": int(modules)}
                rows.append({"candidate": candidate.name, "repetition": repetition, **row})
    return rows


def runs(pythons: Pythons, place: str, folder: Path, repetitions: int, marks: Sequence[int]) -> list[dict[str, Any]]:
    """Return one row per series and repetition: what the workload's probe measured, and the machine's load before."""
    rows = []
    for repetition in range(1, repetitions + 1):
        for series in SERIES:
            load = os.getloadavg()[0]
            row: dict[str, Any] = {"series": series.name, "place": place, "repetition": repetition}
            row |= {"load": round(load, 2), **_workload(pythons[series.candidate], series, folder, marks)}
            rows.append(row)
            last = row["marks"][-1]
            said = f"{1000 * last['seconds'] / last['steps']:.2f} ms a step, {last['milestones']} milestones"
            print(f"{place} {repetition}: {series.name}: {said}", flush=True)
    return rows


def _workload(python: Path, series: Series, folder: Path, marks: Sequence[int]) -> dict[str, Any]:
    store = Path(tempfile.mkdtemp(prefix="overhead-store-", dir=folder))
    try:
        command = [str(python), "-m", f"benchmarks.overhead.workloads.{series.workload}"]
        command += [
            "--store",
            str(store),
            "--marks",
            ",".join(map(str, series.marks or marks)),
            "--variant",
            series.variant,
        ]
        measured: dict[str, Any] = json.loads(_run([*command, "--started", str(nanoseconds())]))
        return measured
    finally:
        shutil.rmtree(store)


def _run(command: Sequence[str]) -> str:
    """Return what ``command`` prints, run in the project's folder with nothing of ours in its environment."""
    kept = ("HOME", "LANG", "PATH", "MILEPOST_CACHE")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _filesystem(folder: Path) -> str:
    """Return the kind of the file system that ``folder`` is on, e.g. ``ext4``."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    above = [(point, kind) for point, kind in mounts if folder.absolute().is_relative_to(point)]
    return max(above, key=lambda mount: len(mount[0]))[1] if above else "unknown"


if __name__ == "__main__":
    main()
