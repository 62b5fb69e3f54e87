"""The plots of the HumanEval page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.plotting import PALETTE, figure

__all__ = ["draw"]


def draw(figures: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the plots to ``folder``, and return their names: of the problems that all arms have, if there are any."""
    arms = figures["common"] or figures["arms"]
    with figure(folder / "humaneval-pass.svg", 6.4, 1 + 0.4 * len(arms)) as drawn:
        axes = drawn.subplots()
        for place, f in enumerate(reversed(arms.values())):
            low, high = (100 * end for end in f["interval"])
            axes.plot([low, high], [place, place], color=PALETTE[5], linewidth=3)
            axes.plot([100 * f["pass@1"]], [place], "o", color=PALETTE[0])
            axes.annotate(f"{f['pass@1']:.1%} of {f['problems']}", (100 * f["pass@1"], place + 0.18), ha="center")
        axes.set_yticks(range(len(arms)), list(reversed(arms)))
        axes.set_ylim(-0.5, len(arms) - 0.3)
        axes.set_xlabel("problems solved, %, with the 95 % interval")
    with figure(folder / "humaneval-cost.svg", 6.4, 3.4) as drawn:
        axes = drawn.subplots()
        for number, (arm, f) in enumerate(arms.items()):
            axes.plot([f.get("output_tokens", 0)], [100 * f["pass@1"]], "o", color=PALETTE[number % 6], label=arm)
        axes.set_xlabel("output tokens a problem")
        axes.set_ylabel("problems solved, %")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return ["humaneval-pass.svg", "humaneval-cost.svg"]
