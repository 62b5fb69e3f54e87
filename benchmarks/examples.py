"""How far the embedded model gets with the ideas in examples/: python -m benchmarks.examples [--only NAME,…]

One run of each with the usual settings (no key), in an empty folder. Writes ``benchmarks/results/examples.json`` after
each, where the outcome of an example takes the place of its last one, and ``docs/examples.md``. Half an hour.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.checkouts import reported
from benchmarks.machine import PACKAGES, ROOT, measured_with
from benchmarks.tables import row as line
from orchestrator.files import write_text

EXAMPLES = {path.stem: path for path in sorted((ROOT / "examples").glob("*.yaml"))}
RESULTS = ROOT / "benchmarks" / "results" / "examples.json"
PAGE = ROOT / "docs" / "examples.md"
ABOUT = Path(__file__).with_name("examples.md")


def outcome(seconds: float, code: int, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page tells of a run, from its report."""
    milestones, tests = report["milestones"], report["tests"]
    last = [attempt["acceptance"] for m in milestones for attempt in m["attempts"] if attempt["acceptance"]]
    sealed = report["acceptance"]
    return {
        "verdict": report["verdict"],
        "stopped_by": report["stopped_by"],
        "milestones": [m["status"] for m in milestones],
        "attempts": [len(m["attempts"]) for m in milestones],
        "sealed": [sum(check["proof"] == "passed" for check in sealed), len(sealed)],
        "held_out": sum(check["holdout"] for check in sealed),
        "most_met": max((checks["passed"] for checks in last), default=0),
        "tests": [tests["passed"], tests["total"]] if tests else None,
        "coverage": tests["coverage"] if tests else None,
        "set_aside": len(report["quarantined"]),
        "unproven": [trace["requirement"] for trace in report["traces"] if not trace["proven"]],
        "usage": report["usage"],
        "seconds": seconds,
        "exit_code": code,
    }


def page(measured: Mapping[str, Any]) -> str:
    """Return the page of the documentation."""
    lines = [
        "# How far the local model gets with the examples",
        "",
        "Made by `python -m benchmarks.examples`: `milepost run examples/NAME.yaml`, one run each, without a key.",
        "",
        "| Example | Ended | Milestones | Attempts | Sealed checks | of these never shown | Generated tests "
        "| Set aside | Coverage | Tokens written | Time | Commit |",
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name, found in measured["outcomes"].items():
        accepted, (passed, total) = found["milestones"].count("accepted"), found["sealed"]
        shown = f" (in an attempt at most {found['most_met']} of the {total - found['held_out']} that are shown)"
        checks = f"{passed} of {total}{'' if passed else shown}"
        tests = "{} of {}".format(*found["tests"]) if found["tests"] else "–"
        coverage = "–" if found["coverage"] is None else f"{found['coverage']:g} %"
        cells = [f"[{name}](../examples/{name}.yaml)", found["verdict"], f"{accepted} of {len(found['milestones'])}"]
        cells += [
            ", ".join(map(str, found["attempts"])),
            checks,
            found["held_out"],
            tests,
            found["set_aside"],
            coverage,
        ]
        minutes, seconds = divmod(round(found["seconds"]), 60)
        commit = found["measured_with"]["commit"]
        lines.append(line(*cells, found["usage"]["output_tokens"], f"{minutes} min {seconds} s", commit))
    where = [found["measured_with"] for found in measured["outcomes"].values()]
    machines = sorted({f"{w['processor']}, {w['cores']} cores, {w['at'][:10]}" for w in where})
    lines += ["", f"{'; '.join(machines)}.", "", "What no sealed check proves, as the reports say it:", ""]
    for name, found in measured["outcomes"].items():
        lines.append(f"- `{name}`: {'; '.join(found['unproven']) or 'nothing'}.")
    return "\n".join([*lines, "", ABOUT.read_text(encoding="utf-8")])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write down, and make the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME,…", default=",".join(EXAMPLES), help="these (default: all)")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    if unknown := sorted({*names} - {*EXAMPLES}):
        parser.error(f"there is no example {', '.join(unknown)}; there are {', '.join(EXAMPLES)}")
    measured = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"outcomes": {}}
    for name in names if not options.page else []:
        found = outcome(*reported(ROOT, EXAMPLES[name]))
        outcomes = {**measured["outcomes"], name: {**found, "measured_with": measured_with(PACKAGES)}}
        measured = {"outcomes": dict(sorted(outcomes.items()))}
        write_text(RESULTS, json.dumps(measured, indent=1) + "\n")
        print(f"{name}: {found['verdict']}, {found['seconds']} s", flush=True)
    PAGE.write_text(page(measured), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
