"""What the sandbox costs: python -m benchmarks.sandbox

1. Starting Python bare and in each sandbox, alternating in one process; the medians' ratio.
2. The test phase of a small project (30 tests) in the sandbox against bare pytest, alternating: the difference.
Only ratios and differences of one run mean anything on a shared machine. They are printed, and written to
benchmarks/results/sandbox.json.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from platformdirs import user_cache_path

from benchmarks.machine import measured_with
from orchestrator.evidence.environment import ensure_environment
from orchestrator.evidence.run_tests import run_tests
from orchestrator.files import write_text
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.sandbox.direct import Direct
from orchestrator.sandbox.port import Command, Sandbox
from schemas.errors import Unavailable

RESULTS = Path(__file__).with_name("results") / "sandbox.json"
STARTS, PHASES = 30, 5
MODULE = "def double(n: int) -> int:\n    return 2 * n\n"
TESTS = "from calc import double\n\n" + "\n\n".join(
    f"def test_{n}():\n    assert double({n}) == {2 * n}\n" for n in range(30)
)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    environment = ensure_environment(user_cache_path("milepost"), []).path
    python = str(environment / "bin" / "python")
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        project.chmod(0o755)
        (project / "calc.py").write_text(MODULE)
        (project / "tests").mkdir()
        (project / "tests" / "test_calc.py").write_text(TESTS)

        def start(sandbox: Sandbox) -> None:
            command = Command(argv=("python", "-c", "pass"), project=project, environment=environment)
            assert asyncio.run(sandbox.run(command)).execution.exit_code == 0

        def phase(sandbox: Sandbox) -> None:
            report = asyncio.run(run_tests(sandbox, project, environment, ["tests"]))
            assert report.passed == 30, report

        def bare() -> None:
            subprocess.run(
                [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
                cwd=project,
                env={"PYTHONPATH": str(project)},
                capture_output=True,
                check=True,
            )

        sandboxes: list[Sandbox] = []
        for make in (Bubblewrap, lambda: Direct("landlock")):
            try:
                sandboxes.append(make())
                start(sandboxes[-1])
            except (Unavailable, AssertionError) as problem:
                print(f"left out: {problem}")
                sandboxes = sandboxes[:1]
        found = {}
        for sandbox in sandboxes:
            pairs = [
                (timed(lambda: subprocess.run([python, "-c", "pass"], check=True)), timed(partial(start, sandbox)))
                for _ in range(STARTS)
            ]
            plain, inside = (median(column) for column in zip(*pairs, strict=True))
            found[sandbox.name] = {"start_ms": round(inside * 1000, 1), "bare_start_ms": round(plain * 1000, 1)}
            print(
                f"{sandbox.name}: start {inside * 1000:.0f} ms, bare {plain * 1000:.0f} ms, ratio {inside / plain:.2f}"
            )
            phases = [(timed(bare), timed(partial(phase, sandbox))) for _ in range(PHASES)]
            plain, inside = (median(column) for column in zip(*phases, strict=True))
            found[sandbox.name] |= {"tests_s": round(inside, 3), "bare_tests_s": round(plain, 3)}
            print(
                f"{sandbox.name}: 30 tests {inside:.2f} s, bare pytest {plain:.2f} s, difference {inside - plain:.2f} s"
            )
    measured = {"measured_with": measured_with(("pytest", "coverage")), "medians": found}
    write_text(RESULTS, json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
