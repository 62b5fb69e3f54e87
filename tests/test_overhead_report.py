"""The arithmetic of the overhead benchmark's page."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.overhead.environments import CANDIDATES, SERIES, versions
from benchmarks.overhead.report import Spread, exponent, increments, page, per_step, ratio, summary
from benchmarks.overhead.workloads.payload import retried, steps


def mark(milestones: int, seconds: float) -> dict[str, float]:
    sizes = {
        "cpu_seconds": seconds,
        "rss": 1e6 + 1024 * steps(milestones),
        "store_bytes": 4096.0 * milestones,
        "store_files": milestones,
    }
    return {"milestones": milestones, "steps": steps(milestones), "seconds": seconds, **sizes}


def measured(own: float, other: float) -> dict[str, Any]:
    """Return results in which a step takes Milepost ``own`` seconds and everybody else ``other``."""
    runs = [
        {
            "series": series.name,
            "place": place,
            "repetition": repetition,
            "load": 1.0,
            "ready": {"seconds": 0.5, "rss": 1e6, "modules": 100},
            "marks": [mark(n, (own if series.name == "Milepost" else other) * steps(n)) for n in (10, 20, 40)],
            "peak_rss": 2e6,
        }
        for place in ("disk", "memory")
        for repetition in (1, 2)
        for series in SERIES
    ]
    imports = [
        {"candidate": c.name, "repetition": 1, "seconds": 0.1, "process_seconds": 0.2, "modules": 10}
        for c in CANDIDATES
    ]
    machine = {"processor": "P", "cores": 2, "system": "S", "python": "3", "commit": "c", "at": "2026-01-01T00:00"}
    return {
        "measured_with": machine,
        "filesystems": {"disk": "ext4", "memory": "tmpfs"},
        "versions": {c.name: versions(c) for c in CANDIDATES},
        "imports": imports,
        "runs": runs,
    }


def test_a_milestone_has_five_steps_and_every_tenth_three_more() -> None:
    assert [n for n in range(1, 31) if retried(n)] == [10, 20, 30]
    assert (steps(9), steps(10), steps(2000)) == (45, 53, 10_600)


def test_the_time_of_a_step_leaves_out_the_milestones_that_warm_up() -> None:
    marks = [mark(10, 100.0), mark(40, 100.0 + 2.0 * (steps(40) - steps(10)))]
    assert per_step(marks) == pytest.approx(2.0)
    assert per_step(marks[:1]) == pytest.approx(100.0 / 53)


def test_what_a_step_adds_is_that_since_the_mark_before() -> None:
    assert increments([mark(10, 53.0), mark(20, 53.0 + 3 * 53)], "seconds") == pytest.approx([1.0, 3.0])


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_the_exponent_is_the_power_that_time_grows_with(power: float) -> None:
    assert exponent([(x, 7 * x**power) for x in (10.0, 100.0, 1000.0)]) == pytest.approx(power)


def test_ratios_are_taken_within_a_repetition() -> None:
    slow_machine_second = {1: 1.0, 2: 10.0}
    assert ratio(slow_machine_second, {1: 3.0, 2: 30.0}) == Spread(3.0, 3.0, 3.0)


def test_the_page_says_who_is_slower_whichever_it_is() -> None:
    slower, faster = page(measured(0.004, 0.001)), page(measured(0.001, 0.004))
    assert "4.00 ms, 4.0 × as long as LangGraph (sync)" in slower
    assert "1.00 ms, 4.0 × as fast as LangGraph (sync)" in faster
    assert "exponent 1.00, linear" in slower
    assert "<!--" not in slower


def test_growth_that_is_more_than_linear_is_called_so() -> None:
    results = measured(0.001, 0.001)
    for run in results["runs"]:
        for one in run["marks"]:
            one["cpu_seconds"] = one["steps"] ** 2
    assert summary(results)["growth"]["Milepost"]["exponent"] == pytest.approx(2.0)
    assert "exponent 2.00, more than linear" in page(results)


def test_a_run_that_stood_still_is_named() -> None:
    results = measured(0.001, 0.001)
    assert "- none" in page(results)
    results["runs"][-1]["marks"][-1]["seconds"] += 100.0
    assert "- Milepost (whole run), repetition 2: 100 s, of which 0 s" in page(results)
