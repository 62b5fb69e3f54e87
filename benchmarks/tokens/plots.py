"""The plots of the tokens page: SVG, the same bytes for the same figures. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.ticker import NullLocator

from benchmarks.plotting import figure

__all__ = ["draw"]

COLORS = {
    "Milepost": "#0072b2",
    "whole project": "#e69f00",
    "everything": "#d55e00",
    "one conversation": "#009e73",
}
"""From the palette of Okabe and Ito, which people who see few colours can tell apart."""
PLOTS = {
    "read": "input tokens per accepted milestone",
    "left": "of these, not served by the cache",
}


def draw(figures: Mapping[str, Any], folder: Path) -> None:
    """Write ``tokens-{read,left}.svg`` into ``folder``."""
    for name, label in PLOTS.items():
        with figure(folder / f"tokens-{name}.svg", 9, 3.6) as drawn:
            _lines(drawn, figures, {"read": "each", "left": "left"}[name], label)


def _lines(drawn: Any, figures: Mapping[str, Any], key: str, label: str) -> None:
    panels = drawn.subplots(1, len(figures), sharey=True, squeeze=False)[0]
    for axes, (kind, arms) in zip(panels, figures.items(), strict=True):
        for name, arm in arms.items():
            marks, values = zip(*arm[key].items(), strict=True)
            axes.plot(marks, values, marker="o", markersize=4, color=COLORS[name], label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(marks, [str(mark) for mark in marks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"milestones, {kind} by {kind}")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(label)
    panels[0].legend(frameon=False)
