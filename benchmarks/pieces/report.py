"""Figures of the pieces benchmark: python -m benchmarks.pieces.report

Reads what `python -m benchmarks.pieces`, ``.after`` and ``.ceiling`` have left in RESULTS, writes docs/pieces.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmarks.machine import kept_outcomes, page_folder, runs
from benchmarks.pieces import after, ceiling
from benchmarks.pieces.__main__ import RESULTS, figures
from benchmarks.statistics import chance_text, mcnemar, sign
from benchmarks.tables import table
from orchestrator.files import write_text

__all__ = ["more_pairs", "page", "pairs"]

ABOUT = Path(__file__).with_name("about.md")
Rows = Sequence[Mapping[str, Any]]


def pairs(rows: Rows) -> list[str]:
    """Return a table of the ways in pairs, on the pieces that both have: how many only one gets wholly right, and how
    many one of the two."""
    right: dict[str, dict[str, bool]] = {}
    for row in rows:
        right.setdefault(row["way"], {})[row["task"]] = row["passed"] == row["total"]
    lines = []
    for first, second in combinations(right, 2):
        more, fewer, chance = mcnemar(right[first], right[second])
        both = right[first].keys() & right[second].keys()
        together = sum(right[first][task] or right[second][task] for task in both)
        lines.append((first, second, len(both), more, fewer, together, chance_text(chance)))
    return table(["First", "Second", "Pieces", "Only first right", "Only second", "Together", "p"], lines, texts=2)


def more_pairs(rows: Rows) -> list[str]:
    """Return a table of the ways to ask for four more versions in pairs, on the drafts that both have: for how many one
    of the two brings more right versions, and how many only one solves."""
    right: dict[str, dict[str, float]] = {}
    for row in rows:
        right.setdefault(row["way"], {})[row["key"].rpartition(" ")[0]] = row["right"]
    lines = []
    for first, second in combinations(right, 2):
        more, fewer, chance = sign(right[first], right[second])
        solved = ({task: number > 0 for task, number in right[way].items()} for way in (first, second))
        only_first, only_second, by_chance = mcnemar(*solved)
        cells = more, fewer, chance_text(chance), only_first, only_second, chance_text(by_chance)
        lines.append((first, second, *cells))
    head = ["First", "Second", "First has more right", "Second", "p", "Only first solves", "Only second", "p"]
    return table(head, lines, texts=2)


def page(results: Path, *, about: bool = True) -> str:
    """Return the page of the documentation on the rows in ``results``. ``about``: with what the project says of its
    own."""
    rows = {
        name: list(kept_outcomes(results / f"{name}.jsonl", key).values())
        for name, key in (
            *(("functions", "key"), ("classes", "key"), ("second", "key"), ("more", "key")),
            ("ceiling", "task"),
        )
    }
    models = sorted({row["model"] for found in rows.values() for row in found if "model" in row})
    when = sorted({f"{run['at'][:10]} (commit {run['commit']})" for run in runs(results)})
    lines = [
        "# How a small model is asked for a function or a class",
        "",
        "Made by `python -m benchmarks.pieces.report` from `benchmarks/results/pieces/` (every program is kept there).",
        f"Model: {', '.join(models)}; asked {', '.join(when)}.",
        "Ways: see `benchmarks/pieces/__main__.py`; replies are the likeliest ones. p: McNemar, exact, two-sided.",
        "",
    ]
    for name in ("functions", "classes"):
        if rows[name]:
            lines += [f"## {name.capitalize()}", "", *figures(rows[name]), ""]
            if (most := _of_most(rows[name])) and len(most) < len(rows[name]):
                lines += ["Of those ways that were asked of more pieces, on all of these:", "", *figures(most), ""]
            lines += [*pairs(rows[name]), ""] if name == "functions" else []  # hardly a class passes all of its checks
    if rows["second"]:
        lines += ["## A second version, begun with a comment (`benchmarks.pieces.after --second`)", ""]
        lines += ["*Agrees*: comes to the same on nearly all of further inputs.", "", *after.cases(rows["second"]), ""]
    if rows["more"]:
        lines += ["## Four more for each draft that fails an example (`benchmarks.pieces.after --more`)", ""]
        lines += ["*Solved*: one of the four is right. p: the sign test, and McNemar's.", ""]
        lines += [*after.figures(rows["more"]), "", *more_pairs(rows["more"]), ""]
    if rows["ceiling"]:
        lines += ["## Choosing among thirteen versions of a class (`benchmarks.pieces.ceiling`)", ""]
        lines += [*ceiling.figures(rows["ceiling"]), ""]
    return "\n".join([*lines, *([ABOUT.read_text(encoding="utf-8")] if about else [])])


def _of_most(rows: Rows) -> Rows:
    """Return the rows of those ways that were asked of most pieces."""
    asked = Counter(row["way"] for row in rows)
    return [row for row in rows if asked[row["way"]] == max(asked.values())]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, help="folder of the page (default: docs/, for other results theirs)")
    options = parser.parse_args(arguments)
    if not (options.results / "functions.jsonl").exists():
        raise SystemExit(f"{options.results} holds no results; python -m benchmarks.pieces makes them")
    text = page(options.results, about=options.results.resolve() == RESULTS)
    write_text(page_folder(options.results, RESULTS, options.docs) / "pieces.md", text)
    print(text)


if __name__ == "__main__":
    main()
