"""Figures of the tokens benchmark: python -m benchmarks.tokens.report

Reads ``benchmarks/results/tokens.json``, writes ``docs/tokens.md`` and its plots (which need matplotlib).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.models.anthropic import PRICES
from benchmarks.machine import ROOT
from benchmarks.overhead.report import exponent

__all__ = ["RESULTS", "page", "summary", "write"]

RESULTS = ROOT / "benchmarks" / "results" / "tokens.json"
PAGE = ROOT / "docs" / "tokens.md"
PLOTS = ROOT / "docs" / "plots"
OWN = "Milepost"
"""The arm that the others are set against."""
CACHES = {"prefixes": "any earlier prompt", "slots": "four slots", "breakpoints": "Anthropic"}
CACHE_OF = {"project": "breakpoints", "function": "slots"}
"""The cache that a kind of model comes with."""
PRICE = PRICES["claude-opus-4-8"]
FROM = 4
"""Milestones from which on growth is looked at: before, what every run needs once weighs too much."""

Measured = Mapping[str, Any]
"""The results file."""


def summary(measured: Measured) -> dict[str, dict[str, dict[str, Any]]]:
    """Return kind → arm → its figures.

    Tokens per accepted milestone: ``each``, by milestones; of those what the cache of the kind leaves (``left``); what
    the longest run's are ``billed`` as, and ``at_best``. The ``exponent`` of a run's tokens. Of the longest run: how
    many ``times`` Milepost's it takes, its ``largest`` prompt, how many are ``over`` the model's context, and the
    ``shares`` that caches serve (0–1).
    """
    kinds: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in dict.fromkeys(row["kind"] for row in measured["rows"]):
        rows = sorted((row for row in measured["rows"] if row["kind"] == kind), key=lambda row: int(row["milestones"]))
        kinds[kind] = {name: _arm(name, kind, rows) for name in rows[0]["arms"]}
    return kinds


def _arm(name: str, kind: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = [(row["milestones"], row["arms"][name]) for row in rows]
    last = counts[-1][1]
    grown = [(number, arm["tokens"]) for number, arm in counts if number >= FROM]
    return {
        "each": {number: arm["tokens"] / number for number, arm in counts},
        "left": {number: (arm["tokens"] - arm[CACHE_OF[kind]]) / number for number, arm in counts},
        **_bills(last, counts[-1][0]),
        "exponent": exponent(grown) if len(grown) > 1 else None,
        "times": last["tokens"] / rows[-1]["arms"][OWN]["tokens"],
        "largest": last["largest"],
        "over": last["over"],
        "shares": {cache: last[cache] / last["tokens"] for cache in CACHES if cache in last},
    }


def _bills(arm: Mapping[str, int], milestones: int) -> dict[str, float]:
    """Return what Anthropic bills an accepted milestone as, in tokens of full price, as it is and ``at_best``: all that
    can be read from a cache is, and the rest is written to it."""
    if "written" not in arm:
        return {}
    less, more = 1 - PRICE.cache_read / PRICE.input, PRICE.cache_write / PRICE.input - 1
    cases = {
        "billed": (arm["breakpoints"], arm["written"]),
        "at_best": (arm["prefixes"], arm["tokens"] - arm["prefixes"]),
    }
    return {name: (arm["tokens"] - less * read + more * new) / milestones for name, (read, new) in cases.items()}


def page(measured: Measured) -> str:
    """Return the page of the documentation."""
    figures = summary(measured)
    parts = {
        "MACHINE": _machine(measured),
        "SUMMARY": _short(measured, figures),
        "TOKENS": measured["tokens"],
        "PROJECT": _growth_table(figures["project"]),
        "FUNCTION": _growth_table(figures["function"]),
        "CACHE": _cache_table(figures),
        "LOG": _log(measured["log"]),
    }
    text = (Path(__file__).parent / "about.md").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return f"{text.strip()}\n"


def _machine(measured: Measured) -> str:
    own = measured["measured_with"]
    return f"Milepost at {own['commit']}, {own['at'][:10]}. The figures are counts: no machine changes them."


def _short(measured: Measured, figures: Mapping[str, Any]) -> str:
    lines = []
    for kind, arms in figures.items():
        row = max((r for r in measured["rows"] if r["kind"] == kind), key=lambda r: int(r["milestones"]))
        most = row["milestones"]
        own, others = arms[OWN], {name: arm for name, arm in arms.items() if name != OWN}
        said = "; ".join(f"{name} {arm['times']:.1f} times as many" for name, arm in others.items())
        lines.append(
            f"- *{kind}*, {most} milestones ({row['calls']} calls, {row['code_tokens']:,} tokens of code in the end): "
            f"{own['each'][most]:,.0f} input tokens per accepted milestone; {said}."
        )
        if wide := others.get("whole project"):
            few = own["each"][most] / (wide["each"][most] * most / row["calls"])
            lines.append(
                f"- The other ways are given as many calls as Milepost makes, {row['calls'] / most:.1f} a milestone: "
                f"one that sends the whole project and makes do with fewer than {few:.1f} reads less than Milepost."
            )
        first, *_, last = own["each"].values()
        brief = row["brief_tokens"] * row["calls"] / most
        grown = ", ".join(f"{name} {arm['exponent']:.2f}" for name, arm in arms.items() if arm["exponent"] is not None)
        lines.append(
            f"- From the shortest run to the longest Milepost's become {last / first:.2f} times as many; {brief:,.0f} "
            f"of the longest's are the brief, which names every feature of the idea. Exponents: {grown}."
        )
        if "billed" in own:
            said = "; ".join(f"{name} {a['billed']:,.0f} ({a['at_best']:,.0f} at best)" for name, a in arms.items())
            lines.append(f"- Anthropic's cache reckoned in, billed as tokens of full price: {said}.")
            said = "; ".join(f"{name} {arm['at_best'] / own['at_best']:.1f} times" for name, arm in others.items())
            lines.append(f"- With the best breakpoints on both sides that is {said} as many as Milepost's.")
        cache = CACHE_OF[kind]
        said = "; ".join(f"{name} {a['left'][most]:,.0f} ({a['shares'][cache]:.1%} served)" for name, a in arms.items())
        lines.append(f"- Left by the cache of that kind of model ({CACHES[cache]}): {said}.")
        fewer = [
            f"{name} ({a['over']} do not fit)" for name, a in others.items() if a["left"][most] < own["left"][most]
        ]
        if fewer:
            lines.append(
                f"- So, as far as their prompts fit, a cache leaves less than Milepost's of: {', '.join(fewer)}."
            )
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _growth_table(arms: Mapping[str, Any]) -> str:
    marks = list(arms[OWN]["each"])
    head = [
        "",
        *(f"{n} milestones" for n in marks),
        "exponent",
        f"÷ {OWN}, {marks[-1]}",
        "largest prompt",
        "do not fit",
    ]
    rows = [
        [
            name,
            *(f"{arm['each'][n]:,.0f}" for n in marks),
            "–" if arm["exponent"] is None else f"{arm['exponent']:.2f}",
            f"{arm['times']:.2f}",
            f"{arm['largest']:,}",
            f"{arm['over']}",
        ]
        for name, arm in arms.items()
    ]
    return _table(head, rows)


def _cache_table(figures: Mapping[str, Any]) -> str:
    rows = []
    for kind, arms in figures.items():
        for name, arm in arms.items():
            shares = [f"{arm['shares'][cache]:.1%}" if cache in arm["shares"] else "–" for cache in CACHES]
            *_, left = arm["left"].values()
            bills = [f"{arm[key]:,.0f}" if key in arm else "–" for key in ("billed", "at_best")]
            rows.append([f"{kind}: {name}", *shares, f"{left:,.0f}", *bills])
    return _table(["", *CACHES.values(), "left", "billed", "at best"], rows)


def _log(log: Mapping[str, Any] | None) -> str:
    if log is None:
        return ""
    read, counted = log["tokens"], log["counted"]
    served, slots = log["served"] / read, log["slots"] / counted
    return (
        "## What was really served\n\n"
        f"In a recorded run of another, smaller project ({log['idea']}) on `{log['model']}` ({log['calls']} calls, "
        f"{log['at'][:10]}) the model read {read:,} prompt tokens, of which its cache served "
        f"{served:.1%}. For the same prompts the way above counts {counted:,} tokens, of which four slots would serve "
        f"{slots:.1%}, and all earlier prompts {log['prefixes'] / counted:.1%}. So what is computed for four slots is "
        f"{100 * abs(slots - served):.0f} points too {'high' if slots > served else 'low'} in this run: the shares of "
        "that column are near the truth, and no more."
    )


def write(measured: Measured, to: Path = PAGE, plots: Path = PLOTS) -> None:
    """Write the page and its plots."""
    from benchmarks.tokens.plots import draw

    to.write_text(page(measured), encoding="utf-8")
    draw(summary(measured), plots)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and its plots from the results file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--plots", type=Path, default=PLOTS)
    options = parser.parse_args(arguments)
    write(json.loads(options.results.read_text(encoding="utf-8")), options.page, options.plots)


if __name__ == "__main__":
    main()
