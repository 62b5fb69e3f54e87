"""Figures of the HumanEval benchmark: python -m benchmarks.humaneval.report

Reads RESULTS/<arm>.jsonl, writes RESULTS/summary.json, docs/humaneval.md and its plots, which need matplotlib:
pip install -e '.[benchmarks]'
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
from benchmarks.machine import NOT_NOTED, kept_outcomes, page_folder, runs, states
from benchmarks.statistics import chance_text, gain, mcnemar, wilson

Rows = Mapping[str, Mapping[str, Any]]
"""Problem → its outcome."""

ABOUT = Path(__file__).with_name("about.md")
MEANS = ("calls", "cycles", "input_tokens", "cached_tokens", "output_tokens", "seconds")
VERDICTS = {"accepted": "its own", "examples": "the docstring's examples hold"}
"""Verdicts without the data set's tests: key → in words."""
ENOUGH = 60
"""Fewer problems than this say little."""
HEAD = (
    "| Arm | Problems | pass@1 | 95 % | Calls | Cycles | Tokens in | from cache | Tokens out | Seconds | Commit |",
    "|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---|",
)


def summary(rows: Mapping[str, Rows]) -> dict[str, Any]:
    """Return the figures: of each arm by itself, of the finished arms on the problems that all of them have, and of the
    arms in pairs, on these problems and, where both have others, on all that both have."""
    finished = {arm: outcomes for arm, outcomes in rows.items() if len(outcomes) >= ENOUGH} or rows
    common = set.intersection(*(set(outcomes) for outcomes in finished.values()))
    pairs = []
    for first, second in combinations(rows, 2):
        both = set(rows[first]) & set(rows[second])
        for tasks in (both & common, both) if common and not both <= common else (both,):
            pairs.append(_pair(first, second, rows, tasks))
    return {
        "arms": {arm: _arm(outcomes) for arm, outcomes in rows.items()},
        "common": {arm: _arm({task: outcomes[task] for task in common}) for arm, outcomes in finished.items()}
        if common
        else {},
        "pairs": pairs,
    }


def _pair(first: str, second: str, rows: Mapping[str, Rows], tasks: set[str]) -> dict[str, Any]:
    passed = ({task: bool(rows[arm][task]["passed"]) for task in tasks} for arm in (first, second))
    only_first, only_second, chance = mcnemar(*passed)
    low, high = gain(only_first, only_second, len(tasks))
    split = {"only_first": only_first, "only_second": only_second, "p": round(chance, 6)}
    found = {"first": first, "second": second, "problems": len(tasks), **split}
    return {**found, "gain": [round(low, 4), round(high, 4)]}


def _arm(outcomes: Rows) -> dict[str, Any]:
    passed = sum(bool(row["passed"]) for row in outcomes.values())
    low, high = wilson(passed, len(outcomes))
    whole = [row for row in outcomes.values() if "calls" in row]
    return {
        "problems": len(outcomes),
        "passed": passed,
        "pass@1": round(passed / len(outcomes), 4),
        "interval": [round(low, 4), round(high, 4)],
        **{key: round(mean(row[key] for row in whole), 1) for key in MEANS if whole},
        "verdicts": {key: _verdict(whole, key) for key in VERDICTS},
        "model": sorted({row["model"] for row in outcomes.values()}),
        "commits": states(outcomes.values()),
        "from": min(row["at"] for row in outcomes.values()),
        "to": max(row["at"] for row in outcomes.values()),
    }


def _verdict(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, int]:
    """Return how the verdict ``key`` of those ``rows`` that have one goes with the data set's tests."""
    judged = [(bool(row[key]), bool(row["passed"])) for row in rows if row.get(key) is not None]
    return {
        "judged": len(judged),
        "good": sum(good for good, _ in judged),
        "good_passed": judged.count((True, True)),
        "bad_passed": judged.count((False, True)),
    }


def page(figures: Mapping[str, Any], plots: Sequence[str] = (), *, about: bool = True) -> str:
    """Return the page of the documentation; ``plots`` are the names of its images. ``about``: with what the project
    says of its own results."""
    lines = [
        "# HumanEval",
        "",
        "Made by `python -m benchmarks.humaneval.report` from `benchmarks/results/humaneval/` (programs, figures and",
        "every call), which `python -m benchmarks.humaneval` fills. pass@1 with its 95 % interval (Wilson); tokens,",
        "calls and seconds are means of one problem. Seconds are of a shared machine and say little by themselves.",
        "*Cycles* are samples (`resample`), rounds (`refine`) or attempts (`pipeline`, `router`). *Tokens in* were",
        "read anew; those *from cache* come on top of them.",
        f"Model: {', '.join(sorted({model for f in figures['arms'].values() for model in f['model']}))}.",
        "",
    ]
    common = figures["common"]
    problems = next(iter(common.values()))["problems"] if common else 0
    if unfinished := [arm for arm, f in figures["arms"].items() if f["problems"] < ENOUGH]:
        lines += [f"**Not finished**, with fewer than {ENOUGH} problems: {', '.join(unfinished)}.", ""]
    if common:
        lines += [f"On the {problems} problems that every finished arm has:", "", *HEAD, *_table(common), ""]
    if more := {arm: f for arm, f in figures["arms"].items() if f["problems"] != problems}:
        lines += ["Arms that have another number of problems, on all that they have ‡:", "", *HEAD, *_table(more), ""]
    lines += [
        "Pairs (McNemar, exact, two-sided; the gain of the second in points of pass@1, 95 % of Bonett and Price). They",
        "are not corrected for being many. Where the interval holds 0 no difference was seen, which is not to say that",
        "there is none.",
        "",
    ]
    lines += [
        "| First | Second | Problems | Only first | Only second | Gain | p |",
        "|---|---|---:|---:|---:|---|---:|",
    ]
    of = {arm: f["commits"] for arm, f in figures["arms"].items()}
    for pair in figures["pairs"]:
        cells = [pair[key] for key in ("first", "second", "problems", "only_first", "only_second")]
        both = {*of[pair["first"]], *of[pair["second"]]}
        mark = " †" if len(both) > 1 or NOT_NOTED in both else ""
        mark += " ‡" if pair["problems"] != problems else ""
        low, high = (f"{100 * end:+.0f}" for end in pair["gain"])
        lines.append(f"| {' | '.join(map(str, cells))} | {low} to {high} | {chance_text(pair['p'])}{mark} |")
    lines += ["", "†: not of one commit. What was changed between the two is part of the difference.  "]
    lines += ["‡: holds the problems that rules were chosen on (below)."]
    sets = [*common.items(), *((f"{arm}, all {f['problems']}", f) for arm, f in more.items())]
    verdicts = [_verdicts(arm, key, f) for arm, f in sets for key in VERDICTS if f["verdicts"][key]["judged"]]
    if verdicts:
        lines += ["", "What a verdict is worth that knows nothing of the data set's tests (with 95 %, Wilson):", ""]
        lines += ["| Arm | Verdict | Accepted | of these right | Precision | Recall |", "|---|---|---:|---:|---:|---:|"]
        lines += verdicts
    for name in plots:
        lines += ["", f"![{name.removesuffix('.svg').replace('-', ' ')}](plots/{name})"]
    return "\n".join([*lines, "", *([ABOUT.read_text(encoding="utf-8")] if about else [])])


def _table(arms: Mapping[str, Any]) -> list[str]:
    lines = []
    for arm, f in arms.items():
        low, high = f["interval"]
        cells = [str(f.get(key, "–")) for key in MEANS]
        cells += [", ".join(f["commits"])]
        lines.append(f"| {arm} | {f['problems']} | {f['pass@1']:.1%} | {low:.1%} – {high:.1%} | {' | '.join(cells)} |")
    return lines


def _verdicts(arm: str, key: str, f: Mapping[str, Any]) -> str:
    v = f["verdicts"][key]
    right, passed = v["good_passed"], v["good_passed"] + v["bad_passed"]
    precision, recall = (_rate(right, of) for of in (v["good"], passed))
    return f"| {arm} | {VERDICTS[key]} | {v['good']} of {v['judged']} | {right} | {precision} | {recall} |"


def _rate(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"{part / whole:.0%} ({100 * low:.0f}–{100 * high:.0f})" if whole else "–"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write figures, page and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, help="folder of the page (default: docs/, for other results theirs)")
    options = parser.parse_args(arguments)
    rows = {arm: found for arm in ARMS if (found := kept_outcomes(options.results / f"{arm}.jsonl", "task"))}
    if not rows:
        raise SystemExit(f"{options.results} holds no results; python -m benchmarks.humaneval makes them")
    try:
        from benchmarks.humaneval.plots import draw
    except ImportError:
        raise SystemExit("the plots need matplotlib: pip install -e '.[benchmarks]'") from None
    figures = summary(rows)
    written = {**figures, "runs": runs(options.results)}
    (options.results / "summary.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    to = page_folder(options.results, RESULTS, options.docs)
    text = page(figures, draw(figures, to / "plots"), about=options.results.resolve() == RESULTS)
    (to / "humaneval.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
