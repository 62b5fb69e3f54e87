"""What all plots of the documentation share: SVG, the same bytes for the same figures. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

__all__ = ["PALETTE", "figure"]

PALETTE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#999999")
"""Of Okabe and Ito: people who see few colours can tell them apart."""
STYLE: Any = {
    "svg.hashsalt": "milepost",  # ids in the file are drawn by lot otherwise
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """Yield a matplotlib figure of ``width`` × ``height`` inches; it is written to ``path`` at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        drawn = Figure(figsize=(width, height), layout="constrained")
        yield drawn
        drawn.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
