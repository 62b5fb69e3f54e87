"""Figures of the ideas benchmark: python -m benchmarks.ideas.report

Reads RESULTS/<arm>.jsonl, writes RESULTS/summary.json, docs/ideas.md and docs/plots/ideas-*.svg. The plots need
matplotlib: pip install -e '.[benchmarks]'
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import Any

from benchmarks.ideas.__main__ import RESULTS
from benchmarks.ideas.arms import ARMS
from benchmarks.machine import kept_outcomes, page_folder, runs, states
from benchmarks.statistics import chance_text, mcnemar, sign, wilson
from benchmarks.tables import row as line

__all__ = ["LOOKED_AT", "page", "share", "summary"]

Row = Mapping[str, Any]
Rows = Mapping[str, Row]
"""Idea → its outcome."""

MEANS = ("attempts", "calls", "input_tokens", "cached_tokens", "output_tokens", "seconds")
SHORT = (
    *("held_out_passed", "held_out_total", "accepted", "visible_passed", "visible_total"),
    *("milestones_accepted", "milestones", "attempts", "calls", "output_tokens", "seconds", "error"),
)
"""What the summary tells of each idea."""
LOOKED_AT = ("book_loans", "csv_totals", "link_service", "name_tags", "poll_service", "split_bill", "undo_history")
"""Runs of these (of name_tags its features) were looked at while the product was changed: the others say more."""
ABOUT = Path(__file__).with_name("about.md")
MOST = 0.8
"""Of its held-out checks a project passes at least so many where it is called nearly right."""
HEAD = (
    "| Arm | Ideas | Passed | Micro | of the others | Macro | Whole | 95 % | Accepted | Attempts | Calls | Tokens in "
    "| from cache | Tokens out | Seconds |",
    "|---|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|",
)
LINES: Mapping[str, tuple[str, Callable[[Row], bool]]] = {
    "all": ("all held-out checks pass", lambda row: share(row) == 1.0),
    "most": (f"at least {MOST:.0%} of them pass", lambda row: share(row) >= MOST),
}
"""What a verdict is held against: key → in words, and whether it is so."""
VERDICTS: Mapping[str, tuple[str, Callable[[Row], bool]]] = {
    "verdicts": ("accepted", lambda row: bool(row["accepted"])),
    "visible": ("all visible checks pass", lambda row: bool(row["visible_passed"] == row["visible_total"])),
}
"""Verdicts that know nothing of the held-out checks: key → in words, and which it is."""


def share(row: Row) -> float:
    """Return how many of the idea's held-out checks pass, from 0 to 1."""
    return float(row["held_out_passed"]) / float(row["held_out_total"])


def summary(rows: Mapping[str, Rows], refusing: Mapping[str, Sequence[str]] = MappingProxyType({})) -> dict[str, Any]:
    """Return the figures: of each arm by itself and on the ideas that all have, and of the arms in pairs on the ideas
    that both have. ``refusing``: idea → the held-out checks that a project passes that refuses everything."""
    common = set.intersection(*(set(outcomes) for outcomes in rows.values()))
    arms = {arm: _arm(list(outcomes.values())) for arm, outcomes in rows.items()}
    pairs = []
    for first, second in combinations(rows, 2):
        more, fewer, chance = mcnemar(_whole(rows[first]), _whole(rows[second]))
        both = len(set(rows[first]) & set(rows[second]))
        split = {"only_first": more, "only_second": fewer, "p": round(chance, 6)}
        better, worse, luck = sign(_shares(rows[first]), _shares(rows[second]))
        split |= {"first_better": better, "second_better": worse, "sign_p": round(luck, 6)}
        split |= _of_both(rows[first], rows[second])
        pairs.append({"first": first, "second": second, "ideas": both, **split})
    ideas = {
        idea: {arm: _short(outcomes[idea]) for arm, outcomes in rows.items() if idea in outcomes}
        for idea in sorted({idea for outcomes in rows.values() for idea in outcomes})
    }
    shared = (
        {arm: _arm([outcomes[idea] for idea in sorted(common)]) for arm, outcomes in rows.items()} if common else {}
    )
    compared = {
        arm: {i: row for i, row in outcomes.items() if i in (common or outcomes)} for arm, outcomes in rows.items()
    }
    easy = {arm: _on(outcomes, refusing) for arm, outcomes in compared.items()} if refusing else {}
    return {"arms": arms, "common": shared, "pairs": pairs, "ideas": ideas, "refusing": easy}


def _arm(rows: Sequence[Row]) -> dict[str, Any]:
    passed, total = sum(r["held_out_passed"] for r in rows), sum(r["held_out_total"] for r in rows)
    whole = sum(LINES["all"][1](row) for row in rows)
    return {
        "ideas": len(rows),
        "held_out_passed": passed,
        "held_out_total": total,
        "micro": round(passed / total, 4),
        "macro": round(mean(map(share, rows)), 4),
        "unseen": _micro([row for row in rows if row["idea"] not in LOOKED_AT]),
        "whole": whole,
        "interval": [round(end, 4) for end in wilson(whole, len(rows))],
        "accepted": sum(bool(row["accepted"]) for row in rows),
        **{
            name: {key: _verdicts(rows, verdict, good) for key, (_, good) in LINES.items()}
            for name, (_, verdict) in VERDICTS.items()
        },
        **{key: round(mean(row[key] for row in rows), 1) for key in MEANS},
        "model": sorted({row["model"] for row in rows if row["model"]}),
        "commits": states(rows),
        "from": min(row["at"] for row in rows),
        "to": max(row["at"] for row in rows),
    }


def _of_both(first: Rows, second: Rows) -> dict[str, int]:
    """Return what choosing between two arms, idea by idea, would come to in held-out checks. ``chosen``: by the visible
    checks that pass, the first arm's project where as many do. ``better``: by the held-out ones, which no one has."""
    both = [(first[idea], second[idea]) for idea in first if idea in second]
    return {
        "of": sum(one["held_out_total"] for one, _ in both),
        "chosen": sum(max(pair, key=lambda row: row["visible_passed"])["held_out_passed"] for pair in both),
        "better": sum(max(row["held_out_passed"] for row in pair) for pair in both),
    }


def _micro(rows: Sequence[Row]) -> float | None:
    total = sum(row["held_out_total"] for row in rows)
    return round(sum(row["held_out_passed"] for row in rows) / total, 4) if rows else None


def _verdicts(rows: Iterable[Row], verdict: Callable[[Row], bool], good: Callable[[Row], bool]) -> dict[str, Any]:
    """Return how often ``verdict`` and ``good`` go together. Precision: of what is accepted, so much is good; recall:
    of what is good, so much is accepted; None where there is nothing of the kind."""
    both = [(verdict(row), good(row)) for row in rows]
    right, wrong, missed, refused = (
        both.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))
    )
    return {
        "accepted_good": right,
        "accepted_bad": wrong,
        "refused_good": missed,
        "refused_bad": refused,
        "precision": round(right / (right + wrong), 4) if right + wrong else None,
        "recall": round(right / (right + missed), 4) if right + missed else None,
    }


def _on(rows: Rows, checks: Mapping[str, Sequence[str]]) -> list[int]:
    """Return how many of ``checks`` pass, and how many there are, on the ideas of ``rows``."""
    outcomes = [rows[idea]["held_out"][name] for idea in rows for name in checks.get(idea, ())]
    return [outcomes.count("passed"), len(outcomes)]


def _shares(rows: Rows) -> dict[str, float]:
    return {idea: share(row) for idea, row in rows.items()}


def _whole(rows: Rows) -> dict[str, bool]:
    return {idea: LINES["all"][1](row) for idea, row in rows.items()}


def _short(row: Row) -> dict[str, Any]:
    failed = [name for name, outcome in row["held_out"].items() if outcome != "passed"]
    return {**{key: row.get(key) for key in SHORT}, "failed": failed}


def page(figures: Mapping[str, Any], plots: Sequence[str] = (), *, about: bool = True) -> str:
    """Return the page of the documentation; ``plots`` are the names of its images. ``about``: with what the project
    says of its own results."""
    lines = [
        "# From ideas to prototypes",
        "",
        "Made by `python -m benchmarks.ideas.report` from `benchmarks/results/ideas/`, which",
        "`python -m benchmarks.ideas` fills. Each idea in `benchmarks/ideas/tasks/` is a Milepost idea file with",
        "visible checks. What an arm delivers is scored by *held-out* checks: pytest functions for behaviour that",
        "follows from the idea's features and that no agent ever sees, run in the sandbox. For each idea there is a",
        "reference that passes them all.",
        "",
        "- `single`: the whole project in one greedy reply; *accepted* where all visible checks pass.",
        "- `pipeline`: `milepost run` with default settings and a limit of time; *accepted* is the run's own verdict.",
        "- `resample`: that one reply, then samples of the same prompt at temperature 0.7, four at a time, until all",
        "  visible checks pass or as many output tokens are used up as `pipeline` took for the same idea; the first of",
        "  those that pass most visible checks is taken, and *accepted* where it passes all.",
        "",
        "*Micro* is the share of all held-out checks that pass, *macro* the mean of the ideas' shares, *whole* the",
        "ideas that pass all of theirs, with its 95 % interval (Wilson). *Micro of the others* leaves out the ideas",
        "that were looked at while the product was changed",
        f"({', '.join(LOOKED_AT)}).",
        "Attempts, calls, tokens and seconds are means of one idea. Seconds are of a shared machine and say little by",
        "themselves.",
    ]
    arms = figures["arms"]
    lines += [f"Model: {', '.join(sorted({model for f in arms.values() for model in f['model']}))}."]
    told = "; ".join(f"`{arm}` {', '.join(f['commits'])}" for arm, f in arms.items())
    lines += [f"Commits: {told}. Where arms differ in that, what was changed between is part of the difference."]
    if common := figures["common"]:
        ideas = next(iter(common.values()))["ideas"]
        lines += ["", f"On the {ideas} ideas that every arm has:", "", *HEAD, *_arms(common)]
    if more := {arm: f for arm, f in figures["arms"].items() if not common or f["ideas"] != ideas}:
        lines += ["", "Arms that have more, on all that they have:", "", *HEAD, *_arms(more)]
    for p in figures["pairs"]:
        lines += [
            "",
            f"Idea by idea `{p['second']}` passes more held-out checks than `{p['first']}` in {p['second_better']},",
        ]
        lines += [f"fewer in {p['first_better']} (sign test, exact, two-sided: p {chance_text(p['sign_p'], '= ')})."]
        lines += [
            "Taking, idea by idea, the project of the two that meets more visible checks "
            f"(`{p['first']}`'s where both meet as",
            f"many) passes {p['chosen']} of {p['of']}; always taking the better one, which nobody knows beforehand, "
            f"{p['better']}.",
        ]
    if easy := figures["refusing"]:
        told = ", ".join(f"`{arm}` {passed} of {total}" for arm, (passed, total) in easy.items())
        lines += [
            "",
            "Some checks ask that something is refused; they pass on a project that refuses everything, too. Of",
        ]
        lines += [f"these, on the same ideas: {told}."]
    lines += ["", "## What *accepted* is worth", ""]
    lines += [
        "Precision: of the accepted projects so many are good. Recall: of the good projects so many are accepted. On",
        "the ideas that every arm has. Beside the arm's own verdict: the visible checks alone, whatever the arm says.",
        "",
        "| Arm | Verdict | Good means | Accepted, good | Accepted, not good | Not accepted, good "
        "| Not accepted, not good | Precision | Recall |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for arm, f in (figures["common"] or figures["arms"]).items():
        for name, key in ((name, key) for name in VERDICTS for key in LINES):
            v = f[name][key]
            if name == "visible" and v == f["verdicts"][key]:
                continue
            counts = [v[count] for count in ("accepted_good", "accepted_bad", "refused_good", "refused_bad")]
            rates = _rate(v["precision"]), _rate(v["recall"])
            lines.append(line(arm, VERDICTS[name][0], LINES[key][0], *counts, *rates))
    lines += ["", "## Idea by idea", "", "Held-out checks passed; ✓ where the arm accepted the project.", ""]
    lines += [line("Idea", *figures["arms"]), "|---|" + "---|" * len(figures["arms"])]
    for idea, by_arm in figures["ideas"].items():
        cells = [_cell(by_arm.get(arm)) for arm in figures["arms"]]
        lines.append(line(f"[{idea}](../benchmarks/ideas/tasks/{idea}/idea.yaml)", *cells))
    lines += ["", "Whole ideas in pairs (McNemar, exact, two-sided):", ""]
    lines += ["| First | Second | Ideas | Only first | Only second | p |", "|---|---|---:|---:|---:|---:|"]
    lines += [
        line(p["first"], p["second"], p["ideas"], p["only_first"], p["only_second"], chance_text(p["p"]))
        for p in figures["pairs"]
    ]
    for name in plots:
        lines += ["", f"![{name.removesuffix('.svg').replace('-', ' ')}](plots/{name})"]
    if about:
        lines += ["", ABOUT.read_text(encoding="utf-8").rstrip()]
    return "\n".join([*lines, ""])


def _arms(arms: Mapping[str, Any]) -> list[str]:
    lines = []
    for arm, f in arms.items():
        low, high = f["interval"]
        unseen = "–" if f["unseen"] is None else f"{f['unseen']:.1%}"
        cells = [arm, f["ideas"], f"{f['held_out_passed']} of {f['held_out_total']}", f"{f['micro']:.1%}", unseen]
        cells += [f"{f['macro']:.1%}", f["whole"], f"{low:.1%} – {high:.1%}"]
        lines.append(line(*cells, f["accepted"], *(f[key] for key in MEANS)))
    return lines


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _cell(short: Mapping[str, Any] | None) -> str:
    if short is None:
        return "–"
    milestones = f", {short['milestones_accepted']} of {short['milestones']} milestones" if short["milestones"] else ""
    mark = " ✓" if short["accepted"] else ""
    return f"{short['held_out_passed']} of {short['held_out_total']}{mark}{milestones}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Write figures, page and plots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, help="folder of the page (default: docs/, for other results theirs)")
    options = parser.parse_args(arguments)
    rows = {arm: found for arm in ARMS if (found := kept_outcomes(options.results / f"{arm}.jsonl", "idea"))}
    if not rows:
        raise SystemExit(f"{options.results} holds no results; python -m benchmarks.ideas makes them")
    refusing = options.results / "refusing.json"
    figures = summary(rows, json.loads(refusing.read_text(encoding="utf-8")) if refusing.exists() else {})
    written = {**figures, "runs": runs(options.results)}
    (options.results / "summary.json").write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    try:
        from benchmarks.ideas.plots import draw
    except ImportError:
        raise SystemExit("the plots need matplotlib: pip install -e '.[benchmarks]'") from None
    to = page_folder(options.results, RESULTS, options.docs)
    text = page(figures, draw(figures, to / "plots"), about=options.results.resolve() == RESULTS)
    (to / "ideas.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
