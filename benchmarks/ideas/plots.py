"""The plots of the ideas benchmark, as SVG that is the same for the same figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")  # before pyplot, which looks for a display
from matplotlib import pyplot

__all__ = ["draw"]

COLOURS = ("#8a8f98", "#1f6feb", "#d29922")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "milepost",  # ids in the file are drawn by lot otherwise
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
VERDICTS = (
    ("accepted_good", "accepted, all pass", "#2da44e"),
    ("accepted_bad", "accepted, not all pass", "#cf222e"),
    ("refused_good", "not accepted, all pass", "#d4a72c"),
    ("refused_bad", "not accepted, not all pass", "#8c959f"),
)


def draw(figures: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the plots to ``folder``, and return their names."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"ideas-held-out.svg": _held_out, "ideas-accepted.svg": _accepted}
    with pyplot.rc_context(STYLE):
        for name, work in drawn.items():
            figure = work(figures)
            figure.savefig(folder / name, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
            pyplot.close(figure)
    return list(drawn)


def _held_out(figures: Mapping[str, Any]) -> Any:
    """Share of held-out checks that pass, idea by idea."""
    ideas, arms = list(reversed(figures["ideas"])), list(figures["arms"])
    height = 0.8 / len(arms)
    figure, axes = pyplot.subplots(figsize=(6.4, 0.8 + 0.36 * len(ideas)))
    for number, arm in enumerate(arms):
        found = [(place, figures["ideas"][idea].get(arm)) for place, idea in enumerate(ideas)]
        places = [place + height * ((len(arms) - 1) / 2 - number) for place, short in found if short]
        shares = [100 * short["held_out_passed"] / short["held_out_total"] for _, short in found if short]
        axes.barh(places, shares, height, label=arm, color=COLOURS[number % len(COLOURS)])
    axes.set_yticks(range(len(ideas)), ideas)
    axes.set_xlim(0, 100)
    axes.set_xlabel("held-out checks passed, %")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(arms), frameon=False)
    return figure


def _accepted(figures: Mapping[str, Any]) -> Any:
    """How each arm's verdict and the held-out checks go together."""
    arms = list(reversed(figures["arms"]))
    figure, axes = pyplot.subplots(figsize=(6.4, 0.9 + 0.45 * len(arms)))
    start = [0] * len(arms)
    for key, words, colour in VERDICTS:
        counts = [figures["arms"][arm]["verdicts"]["all"][key] for arm in arms]
        axes.barh(arms, counts, 0.6, left=start, label=words, color=colour)
        start = [begin + count for begin, count in zip(start, counts, strict=True)]
    axes.set_xlabel("ideas")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure
