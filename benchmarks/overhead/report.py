"""Figures of the overhead benchmark: python -m benchmarks.overhead.report

Reads ``benchmarks/results/overhead.json``, writes ``docs/overhead.md`` and its plots (which need matplotlib).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import ROOT

__all__ = ["RESULTS", "Spread", "exponent", "increments", "page", "per_step", "ratio", "summary", "write"]

RESULTS = ROOT / "benchmarks" / "results" / "overhead.json"
PAGE = ROOT / "docs" / "overhead.md"
PLOTS = ROOT / "docs" / "plots"
WHOLE = "Milepost (whole run)"
OWN = "Milepost"
"""The candidate, and the series, that the others are set against."""
WARM = 10
"""Milestones that are not counted in the time of a step: caches fill meanwhile."""
STALL = 5.0
"""Seconds that a run in memory may stand still before the page says so."""
BEHIND = "LangGraph (async)"
"""The series whose writes wait in a thread: only when its run is over are they in what was measured."""
LINEAR = 1.1
"""An exponent above this is called out as more than linear."""

Mark = Mapping[str, float]
"""What a probe saw when so many milestones were over."""
Measured = Mapping[str, Any]
"""The results file."""
ABOUT = (Path(__file__).parent / "about.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of repetitions."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return that of at least one value."""
        ordered = sorted(values)
        return cls(ordered[0], median(ordered), ordered[-1])


def per_step(marks: Sequence[Mark], key: str = "seconds") -> float:
    """Return ``key`` per step from `WARM` milestones on to the last mark; of all where there is no such mark."""
    last = marks[-1]
    first = next((m for m in marks[:-1] if m["milestones"] == WARM), {key: 0.0, "steps": 0})
    return (last[key] - first[key]) / (last["steps"] - first["steps"])


def increments(marks: Sequence[Mark], key: str) -> list[float]:
    """Return how much ``key`` grew per step from each mark to the next, the first from zero."""
    before: Mark = {key: 0.0, "steps": 0.0}
    grown = []
    for mark in marks:
        grown.append((mark[key] - before[key]) / (mark["steps"] - before["steps"]))
        before = mark
    return grown


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares through the logarithms: 1 where y grows as x does, 2 where it grows
    as its square."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def ratio(values: Mapping[int, float], base: Mapping[int, float]) -> Spread:
    """Return ``base`` divided by ``values``, repetition by repetition: both were measured one after the other, so what
    slowed the machine down met both."""
    return Spread.of(base[number] / value for number, value in values.items())


def summary(measured: Measured) -> dict[str, Any]:
    """Return the figures of the page. Seconds and bytes, as measured."""
    return {
        "imports": _imports(measured["imports"]),
        "start": {name: Spread.of(r["ready"]["seconds"] for r in rows) for name, rows in _series(measured).items()},
        "steps": {
            "disk": _steps(_series(measured, "disk"), "seconds"),
            "memory": _steps(_series(measured, "memory"), "seconds"),
            "cpu": _steps(_series(measured, "memory"), "cpu_seconds"),
        },
        "memory": {name: _memory(rows) for name, rows in _series(measured, "memory").items()},
        "growth": {
            name: {**_growth(rows), **({"exponent": None} if name == BEHIND else {})}
            for name, rows in _series(measured, "memory").items()
        },
    }


def _series(measured: Measured, place: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Return series → its runs in ``place``, or in all places."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in measured["runs"]:
        if place in (None, row["place"]):
            found.setdefault(row["series"], []).append(row)
    return found


def _imports(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_name.setdefault(row["candidate"], []).append(row)
    own = {row["repetition"]: row["process_seconds"] for row in by_name[OWN]}
    return {
        name: {
            "seconds": Spread.of(r["seconds"] for r in found),
            "process_seconds": Spread.of(r["process_seconds"] for r in found),
            "modules": found[0]["modules"],
            "ratio": ratio({r["repetition"]: r["process_seconds"] for r in found}, own),
        }
        for name, found in by_name.items()
    }


def _steps(series: Mapping[str, Sequence[Mapping[str, Any]]], key: str) -> dict[str, dict[str, Spread]]:
    each = {name: {r["repetition"]: per_step(r["marks"], key) for r in rows} for name, rows in series.items()}
    return {
        name: {
            "seconds": Spread.of(values.values()),
            "ratio": ratio(values, each[OWN]),
            **({"whole_ratio": ratio(values, each[WHOLE])} if WHOLE in each else {}),
        }
        for name, values in each.items()
    }


def _memory(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    firsts, lasts = [r["marks"][0] for r in rows], [r["marks"][-1] for r in rows]
    grown = [(b["rss"] - a["rss"]) / (b["steps"] - a["steps"]) for a, b in zip(firsts, lasts, strict=True)]
    return {
        "ready": median(r["ready"]["rss"] for r in rows),
        "peak": median(r["peak_rss"] for r in rows),
        "milestones": lasts[0]["milestones"],
        "per_step": median(grown),
    }


def _growth(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the curve of the medians; the exponent is that of the processor's time from the second mark on."""
    curves = list(zip(*(row["marks"] for row in rows), strict=True))
    marks = [{key: median(m[key] for m in same) for key in same[0]} for same in curves]
    return {
        "marks": marks,
        "per_step": increments(marks, "cpu_seconds"),
        "exponent": exponent([(m["steps"], m["cpu_seconds"]) for m in marks[1:]]) if len(marks) > 2 else None,
    }


def page(measured: Measured) -> str:
    """Return the page of the documentation."""
    figures = summary(measured)
    tables = {
        "MACHINE": _machine(measured),
        "SUMMARY": _short(figures),
        "IMPORTS": _import_table(figures),
        "STEPS": _step_table(figures),
        "MEMORY": _memory_table(figures),
        "GROWTH": _growth_table(figures),
        "STORE": _store_table(figures),
        "STALLS": _stalls(measured),
    }
    text = ABOUT
    for name, table in tables.items():
        text = text.replace(f"<!-- {name} -->", table)
    return text


def _machine(measured: Measured) -> str:
    own = measured["measured_with"]
    loads = [row["load"] for row in measured["runs"]]
    kinds = ", ".join(f"{place}: {kind}" for place, kind in measured["filesystems"].items())
    versions = measured["versions"]
    others = ", ".join(
        f"{name} {versions[candidate][name]}"
        for candidate, name in (
            ("LangGraph", "langgraph"),
            ("LangGraph", "langgraph-checkpoint-sqlite"),
            ("Burr", "apache-burr"),
        )
    )
    return (
        f"{own['processor']}, {own['cores']} cores, {own['system']}, Python {own['python']}, stores on {kinds}; "
        f"Milepost at {own['commit']}, {others}; {own['at'][:10]}. The load average stood between {min(loads):.1f} and "
        f"{max(loads):.1f}, the benchmark's own process included: on {own['cores']} cores, about 1 is a quiet machine."
    )


def _short(figures: Mapping[str, Any]) -> str:
    """Return the ratios in a sentence each, whichever way they are."""
    lines = []
    for place, where in (("disk", "on the disk"), ("cpu", "in memory, processor time")):
        said = [
            f"{_times(row['ratio'].middle)} {name}" for name, row in figures["steps"][place].items() if OWN not in name
        ]
        lines.append(
            f"- A step {where}: {_number(1e3 * figures['steps'][place][OWN]['seconds'].middle)} ms, {'; '.join(said)}."
        )
        if whole := figures["steps"][place].get(WHOLE):
            said = [
                f"{_times(row['whole_ratio'].middle)} {name}"
                for name, row in figures["steps"][place].items()
                if OWN not in name
            ]
            lines.append(
                f"- A step of a whole run {where}, which does far more (see below): "
                f"{_number(1e3 * whole['seconds'].middle)} ms, {'; '.join(said)}."
            )
    said = [f"{_times(row['ratio'].middle)} {n}" for n, row in figures["imports"].items() if n in ("LangGraph", "Burr")]
    lines.append(
        f"- Importing it: {1e3 * figures['imports'][OWN]['process_seconds'].middle:.0f} ms for the process, "
        f"{'; '.join(said)}."
    )
    for name, row in figures["growth"].items():
        if row["exponent"] is not None:
            much = "more than linear" if row["exponent"] > LINEAR else "linear"
            last = int(row["marks"][-1]["milestones"])
            points = f" (of {len(row['marks']) - 1} points)" if len(row["marks"]) < 4 else ""
            lines.append(f"- Growth of {name} up to {last} milestones: exponent {row['exponent']:.2f}, {much}{points}.")
    return "\n".join(lines)


def _stalls(measured: Measured) -> str:
    """Return what stood still although nothing had to be waited for: the machine's doing, or the candidate's."""
    found = []
    for row in measured["runs"]:
        last = row["marks"][-1]
        waited = last["seconds"] - last["cpu_seconds"]
        if row["place"] == "memory" and waited > max(STALL, last["cpu_seconds"]):
            found.append(
                f"- {row['series']}, repetition {row['repetition']}: {last['seconds']:.0f} s, "
                f"of which {last['cpu_seconds']:.0f} s of processor time"
            )
    return "\n".join(["Runs in memory that took over twice their processor time:", *(found or ["- none"])])


def _times(value: float) -> str:
    return f"{value:.1f} × as long as" if value >= 1 else f"{1 / value:.1f} × as fast as"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _import_table(figures: Mapping[str, Any]) -> str:
    rows = [
        [name, _ms(row["seconds"]), _ms(row["process_seconds"]), str(row["modules"]), _spread(row["ratio"])]
        for name, row in figures["imports"].items()
    ]
    starts = [[name, _ms(spread)] for name, spread in figures["start"].items()]
    head = ["", "import, ms", "whole process, ms", "modules", "Milepost ÷ this, process"]
    return f"{_table(head, rows)}\n\n{_table(['', 'to the first step, ms'], starts)}"


def _step_table(figures: Mapping[str, Any]) -> str:
    disk, memory, cpu = (figures["steps"][kind] for kind in ("disk", "memory", "cpu"))
    rows = []
    for name in disk:
        cells = [_ms(disk[name]["seconds"]), _spread(disk[name]["ratio"]), _ms(memory[name]["seconds"])]
        rows.append([name, *cells, _ms(cpu[name]["seconds"]), _spread(cpu[name]["ratio"])])
    head = ["", "disk, ms", "Milepost ÷ this", "memory, ms", "its processor time, ms", "Milepost ÷ this"]
    return _table(head, rows)


def _memory_table(figures: Mapping[str, Any]) -> str:
    rows = [
        [name, _mib(row["ready"]), _mib(row["peak"]), f"{row['milestones']:.0f}", f"{row['per_step'] / 1024:.2f}"]
        for name, row in figures["memory"].items()
    ]
    return _table(["", "at the first step, MiB", "peak, MiB", "after milestones", "growth, KiB a step"], rows)


def _growth_table(figures: Mapping[str, Any]) -> str:
    every = sorted({int(m["milestones"]) for row in figures["growth"].values() for m in row["marks"]})
    rows = []
    for name, row in figures["growth"].items():
        pairs = list(zip(row["marks"], row["per_step"], strict=True))
        if name == BEHIND:
            last = row["marks"][-1]
            pairs = [(last, last["cpu_seconds"] / last["steps"])]
        found = {int(m["milestones"]): f"{m['cpu_seconds']:.2f} ({_number(1e3 * step)})" for m, step in pairs}
        slope = "–" if row["exponent"] is None else f"{row['exponent']:.2f}"
        rows.append([name, *(found.get(number, "–") for number in every), slope])
    return _table(["", *map(str, every), "exponent"], rows)


def _store_table(figures: Mapping[str, Any]) -> str:
    rows = []
    for name, row in figures["growth"].items():
        last = row["marks"][-1]
        each = last["store_bytes"] / last["steps"] / 1024
        cells = [f"{last['milestones']:.0f}", _mib(last["store_bytes"]), f"{last['store_files']:.0f}", f"{each:.1f}"]
        rows.append([name, *cells])
    return _table(["", "milestones", "store, MiB", "files", "KiB a step"], rows)


def _ms(spread: Spread) -> str:
    return f"{_number(1e3 * spread.low)} / {_number(1e3 * spread.middle)}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _spread(spread: Spread) -> str:
    return f"{_number(spread.middle)} ({_number(spread.low)}–{_number(spread.high)})"


def _mib(size: float) -> str:
    return f"{size / 2**20:.1f}"


def write(measured: Measured, to: Path = PAGE, plots: Path = PLOTS) -> None:
    """Write the page and its plots."""
    from benchmarks.overhead.plots import draw

    to.write_text(page(measured), encoding="utf-8")
    draw(summary(measured), plots)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and its plots from the results file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--plots", type=Path, default=PLOTS)
    options = parser.parse_args(arguments)
    write(json.loads(options.results.read_text(encoding="utf-8")), options.page, options.plots)


if __name__ == "__main__":
    main()
