"""The plots of the overhead page: SVG, the same bytes for the same figures. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.plotting import figure

__all__ = ["draw"]

COLORS = {
    "Milepost": "#0072b2",
    "Milepost (whole run)": "#56b4e9",
    "LangGraph": "#d55e00",
    "LangGraph (sync)": "#d55e00",
    "LangGraph (async)": "#e69f00",
    "Burr": "#009e73",
    "bare Python": "#999999",
}
"""From the palette of Okabe and Ito, which people who see few colours can tell apart."""


def draw(figures: Mapping[str, Any], folder: Path) -> None:
    """Write ``overhead-{import,step,growth}.svg`` into ``folder``."""
    _imports(figures, folder / "overhead-import.svg")
    _steps(figures, folder / "overhead-step.svg")
    _growth(figures, folder / "overhead-growth.svg")


@contextmanager
def _axes(path: Path, width: float, height: float, columns: int = 1) -> Iterator[Any]:
    with figure(path, width, height) as drawn:
        yield drawn.subplots(1, columns)


def _bars(axes: Any, values: Mapping[str, float], label: str) -> None:
    names = list(values)[::-1]
    bars = axes.barh(names, [values[name] for name in names], color=[COLORS[name] for name in names])
    axes.bar_label(bars, fmt="%.3g", padding=3)
    axes.margins(x=0.15)
    axes.set_xlabel(label)


def _imports(figures: Mapping[str, Any], path: Path) -> None:
    values = {name: 1e3 * row["process_seconds"].middle for name, row in figures["imports"].items()}
    with _axes(path, 6.5, 2.2) as axes:
        _bars(axes, values, "ms from start to end of a process that imports it (median)")


def _steps(figures: Mapping[str, Any], path: Path) -> None:
    with _axes(path, 9, 2.4, columns=2) as pair:
        for axes, (kind, label) in zip(
            pair, (("disk", "ms a step, store on the disk"), ("cpu", "ms of processor time a step")), strict=True
        ):
            values = {name: 1e3 * row["seconds"].middle for name, row in figures["steps"][kind].items()}
            _bars(axes, values, f"{label} (median)")
            axes.tick_params(labelleft=kind == "disk")


def _growth(figures: Mapping[str, Any], path: Path) -> None:
    with _axes(path, 6.5, 4) as axes:
        for name, row in figures["growth"].items():
            steps, seconds = zip(*((m["steps"], m["cpu_seconds"]) for m in row["marks"]), strict=True)
            axes.plot(steps, seconds, marker="o", markersize=4, color=COLORS[name], label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("steps")
        axes.set_ylabel("seconds of processor time in all (median)")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
