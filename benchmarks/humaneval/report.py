"""Figures of the HumanEval benchmark: python -m benchmarks.humaneval.report

Reads RESULTS/<arm>.jsonl, writes RESULTS/summary.json and docs/humaneval.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.humaneval.__main__ import RESULTS
from benchmarks.humaneval.arms import ARMS
from benchmarks.statistics import mcnemar, wilson

Rows = Mapping[str, Mapping[str, Any]]
"""Problem → its outcome."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "humaneval.md"
MEANS = ("calls", "cycles", "input_tokens", "cached_tokens", "output_tokens", "seconds")
ENOUGH = 60
"""Fewer problems than this say little."""


def summary(rows: Mapping[str, Rows]) -> dict[str, Any]:
    """Return the figures: of each arm by itself, and of the arms in pairs on the problems that both have."""
    arms = {}
    for arm, outcomes in rows.items():
        passed = sum(bool(row["passed"]) for row in outcomes.values())
        low, high = wilson(passed, len(outcomes))
        whole = [row for row in outcomes.values() if "calls" in row]
        arms[arm] = {
            "problems": len(outcomes),
            "passed": passed,
            "pass@1": round(passed / len(outcomes), 4),
            "interval": [round(low, 4), round(high, 4)],
            **{key: round(mean(row[key] for row in whole), 1) for key in MEANS if whole},
            "model": sorted({row["model"] for row in outcomes.values()}),
            "from": min(row["at"] for row in outcomes.values()),
            "to": max(row["at"] for row in outcomes.values()),
        }
    pairs = []
    for first, second in combinations(rows, 2):
        more, fewer, chance = mcnemar(_passed(rows[first]), _passed(rows[second]))
        common = len(set(rows[first]) & set(rows[second]))
        split = {"only_first": more, "only_second": fewer, "p": round(chance, 4)}
        pairs.append({"first": first, "second": second, "problems": common, **split})
    return {"arms": arms, "pairs": pairs}


def page(figures: Mapping[str, Any]) -> str:
    """Return the page of the documentation."""
    lines = [
        "# HumanEval",
        "",
        "Made by `python -m benchmarks.humaneval.report` from `benchmarks/results/humaneval/`, which",
        "`python -m benchmarks.humaneval` fills. pass@1 with its 95 % interval (Wilson); tokens, calls and seconds are",
        "means of one problem. Seconds are of a shared machine with 2 cores and say little by themselves.",
        "",
        "| Arm | Problems | pass@1 | 95 % | Calls | Cycles | Tokens in | from cache | Tokens out | Seconds |",
        "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for arm, f in figures["arms"].items():
        low, high = f["interval"]
        cells = [
            f.get(k, "–") for k in ("calls", "cycles", "input_tokens", "cached_tokens", "output_tokens", "seconds")
        ]
        lines.append(
            f"| {arm} | {f['problems']} | {f['pass@1']:.1%} | {low:.1%} – {high:.1%} | {' | '.join(map(str, cells))} |"
        )
    if min(f["problems"] for f in figures["arms"].values()) < ENOUGH:
        lines += [
            "",
            f"**Not finished:** under {ENOUGH} problems, and those the first of the data set, which are easy.",
        ]
    lines += ["", "Pairs, on the problems that both arms have (McNemar, exact, two-sided):", ""]
    lines += ["| First | Second | Problems | Only first | Only second | p |", "|---|---|---:|---:|---:|---:|"]
    lines += [
        f"| {p['first']} | {p['second']} | {p['problems']} | {p['only_first']} | {p['only_second']} | {p['p']:.3f} |"
        for p in figures["pairs"]
    ]
    return "\n".join([*lines, ""])


def _passed(rows: Rows) -> dict[str, bool]:
    return {task: bool(row["passed"]) for task, row in rows.items()}


def _rows(path: Path) -> Rows:
    outcomes = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {row["task"]: row for row in outcomes}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    rows = {arm: _rows(path) for arm in ARMS if (path := options.results / f"{arm}.jsonl").exists()}
    figures = summary(rows)
    (options.results / "summary.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    options.page.write_text(page(figures), encoding="utf-8")
    print(page(figures))


if __name__ == "__main__":
    main()
