"""Seconds per accepted milestone of two checkouts of Milepost, run in turns: python -m benchmarks.checkouts OLD NEW

OLD and NEW are folders (``git worktree add ../old COMMIT`` makes one). Each round runs ``milepost run IDEA`` in both,
with the usual settings (no key: the embedded model), in an empty workspace. Writes
``benchmarks/results/checkouts.json``, of which `python -m benchmarks.speed --page` tells. Some ten minutes a round.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import PACKAGES, ROOT, measured_with

RESULTS = ROOT / "benchmarks" / "results" / "checkouts.json"


def run(checkout: Path, idea: Path, program: Sequence[str] = ("orchestrator",)) -> dict[str, Any]:
    """Return what a run of ``idea`` with the code of ``checkout`` took and came to. ``program``: its module, and what
    stands before the command."""
    seconds, code, report = reported(checkout, idea, program)
    return {
        "seconds": seconds,
        "accepted": sum(milestone["status"] == "accepted" for milestone in report["milestones"]),
        "milestones": len(report["milestones"]),
        "attempts": sum(len(milestone["attempts"]) for milestone in report["milestones"]),
        "usage": report["usage"],
        "exit_code": code,
    }


def reported(
    checkout: Path, idea: Path, program: Sequence[str] = ("orchestrator",)
) -> tuple[float, int, dict[str, Any]]:
    """Return how many seconds a run as in `run` took, its exit code and its report.

    Raises:
        SystemExit: it left none.
    """
    with tempfile.TemporaryDirectory(prefix="milepost-") as folder:
        command = [sys.executable, "-m", *program, "run", str(idea), "--run-name", "run", "--quiet"]
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = round(time.monotonic() - began, 1)
        path = Path(folder, "generated_projects", "run", "report.json")
        if not path.is_file():
            raise SystemExit(f"{checkout}: no report: {done.stderr[-500:]}")
        return seconds, done.returncode, json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Run, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs=2, type=Path, metavar="FOLDER")
    parser.add_argument("--idea", type=Path, default=ROOT / "examples" / "text_stats.yaml")
    parser.add_argument("--rounds", type=int, default=2, choices=range(1, 10))
    options = parser.parse_args()
    folders = [folder.absolute() for folder in options.checkouts]
    commits = [_commit(folder) for folder in folders]
    rows: list[dict[str, Any]] = []
    for number in range(options.rounds):
        turn = list(zip(commits, folders, strict=True))
        for commit, folder in turn if number % 2 == 0 else turn[::-1]:
            rows.append({"commit": commit, **run(folder, options.idea.absolute())})
            print(json.dumps(rows[-1]), flush=True)
    measured = {
        "measured_with": measured_with(PACKAGES),
        "idea": options.idea.name,
        "old": commits[0],
        "new": commits[1],
        "runs": rows,
    }
    RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def _commit(folder: Path) -> str:
    git = ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
