"""The plots of the ideas benchmark, as SVG that is the same for the same figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.plotting import PALETTE, figure

__all__ = ["draw"]

VERDICTS = (
    ("accepted_good", "accepted, all pass", "#2da44e"),
    ("accepted_bad", "accepted, not all pass", "#cf222e"),
    ("refused_good", "not accepted, all pass", "#d4a72c"),
    ("refused_bad", "not accepted, not all pass", "#8c959f"),
)


def draw(figures: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the plots to ``folder``, and return their names."""
    ideas, arms = len(figures["ideas"]), len(figures["arms"])
    with figure(folder / "ideas-held-out.svg", 6.4, 1.2 + 0.36 * ideas) as drawn:
        _held_out(drawn.subplots(), figures)
    with figure(folder / "ideas-accepted.svg", 6.4, 1.2 + 0.45 * arms) as drawn:
        _accepted(drawn.subplots(), figures)
    return ["ideas-held-out.svg", "ideas-accepted.svg"]


def _held_out(axes: Any, figures: Mapping[str, Any]) -> None:
    """Share of held-out checks that pass, idea by idea."""
    ideas, arms = list(reversed(figures["ideas"])), list(figures["arms"])
    height = 0.8 / len(arms)
    for number, arm in enumerate(arms):
        found = [(place, figures["ideas"][idea].get(arm)) for place, idea in enumerate(ideas)]
        places = [place + height * ((len(arms) - 1) / 2 - number) for place, short in found if short]
        shares = [100 * short["held_out_passed"] / short["held_out_total"] for _, short in found if short]
        axes.barh(places, shares, height, label=arm, color=PALETTE[number % len(PALETTE)])
    axes.set_yticks(range(len(ideas)), ideas)
    axes.set_xlim(0, 100)
    axes.set_xlabel("held-out checks passed, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(arms), frameon=False)


def _accepted(axes: Any, figures: Mapping[str, Any]) -> None:
    """How each arm's verdict and the held-out checks go together."""
    arms = list(reversed(figures["arms"]))
    start = [0] * len(arms)
    for key, words, colour in VERDICTS:
        counts = [figures["arms"][arm]["verdicts"]["all"][key] for arm in arms]
        axes.barh(arms, counts, 0.6, left=start, label=words, color=colour)
        start = [begin + count for begin, count in zip(start, counts, strict=True)]
    axes.set_xlabel("ideas")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
