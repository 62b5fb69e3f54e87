"""Run each of the three systems once, alone, on the embedded model (or on another, by the usual settings).

    python -m benchmarks.systems [FOLDER]

Prints for each its command, its exit code, its last line and how long it took. Takes a quarter of an hour on 2 cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IDEA = str(ROOT / "examples" / "text_stats.yaml")
TASK = """Print the first 10 primes, with a function primes(count) that returns a list.

>>> primes(4)
[2, 3, 5, 7]
>>> primes(0)
[]
"""
SYSTEMS = {
    "pipeline": ["run", IDEA],
    "planned route": ["run", IDEA, "--routing", "planner"],
    "refinement loop": ["refine", TASK],
}


def main() -> int:
    """Return 0 where all three were accepted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="for logs and projects (a new one)")
    folder = parser.parse_args().folder or Path(tempfile.mkdtemp(prefix="milepost-systems-"))
    folder.mkdir(parents=True, exist_ok=True)
    worst = 0
    for name, arguments in SYSTEMS.items():
        began = time.monotonic()
        command = [sys.executable, "-m", "orchestrator", *arguments, "--workspace", str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        verdict = next((line for line in done.stdout.splitlines() if line.split(":")[0].isupper()), done.stderr[-300:])
        seconds = time.monotonic() - began
        print(f"{name}: milepost {' '.join(arguments[:2])!r}: exit code {done.returncode}, {seconds:.0f} s: {verdict}")
        worst = max(worst, done.returncode)
    print(f"logs and reports: {folder}")
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
