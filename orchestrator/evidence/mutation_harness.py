"""Runs inside the sandbox: the project's tests on each mutant, in a copy and a process of its own.

It is started as a script by its path and uses nothing of Milepost. pytest is imported once, before the processes fork.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_OPTIONS = ("-c", os.devnull, "-p", "no:cacheprovider", "-p", "no:cov", "-q", "-x", "--import-mode=importlib")
_SLOWEST = 3.0
"""A mutant may take so many times as long as the code itself, then it counts as killed: it loops."""


def main(root: str, plan: str, seconds: float, tests: list[str]) -> int:
    """Write ``{"baseline": …, "killed": […]}``: whether the tests pass on the code, and fail on each mutant."""
    import pytest  # noqa: F401  (once, for all)

    out = int(os.environ.pop("MILEPOST_REPORT_FD"))
    given = json.loads(Path(plan).read_text(encoding="utf-8"))
    left_out = set(given["left_out"])
    end = time.monotonic() + seconds
    began = time.monotonic()
    baseline = _passes(root, None, tests, left_out, seconds)
    longest = max(1.0, _SLOWEST * (time.monotonic() - began))
    killed: list[bool] = []
    for mutant in given["mutants"] if baseline else ():
        if time.monotonic() + longest > end:
            break
        killed.append(not _passes(root, mutant, tests, left_out, longest))
    with os.fdopen(out, "w") as stream:
        json.dump({"baseline": bool(baseline), "killed": killed}, stream)
    return 0


def _passes(root: str, mutant: list[str] | None, tests: list[str], left_out: set[str], seconds: float) -> bool:
    """Whether the tests pass on a copy of the project at ``root`` with ``mutant`` (path and source) in it."""
    with tempfile.TemporaryDirectory() as name:
        copied = Path(name, "project")
        shutil.copytree(root, copied, symlinks=True)
        if mutant is not None:
            (copied / mutant[0]).chmod(0o644)
            (copied / mutant[0]).write_text(mutant[1], encoding="utf-8")
        child = os.fork()
        if child == 0:
            os.setsid()
            os._exit(_run(copied, tests, left_out))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return status == 0
            time.sleep(0.005)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return False


class _LeaveOut:
    """A pytest plug-in that takes tests out by their exact ids."""

    def __init__(self, left_out: set[str]) -> None:
        self.left_out = left_out

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid not in self.left_out]


def _run(copied: Path, tests: list[str], left_out: set[str]) -> int:
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(copied)
    sys.path.insert(0, str(copied))
    os.environ["PYTHONPATH"] = str(copied)
    arguments = [*_OPTIONS, "--noconftest", "--rootdir", str(copied), *tests]
    return int(pytest.main(arguments, plugins=[_LeaveOut(left_out)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]))
