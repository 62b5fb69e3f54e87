"""Runs inside the sandbox: the project's tests on each mutant, in a copy and a process of its own.

It is started as a script by its path and uses nothing of Milepost. pytest is imported once, before the processes fork.
"""

from __future__ import annotations

import ctypes
import gc
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
_DUMPABLE = 4
_SLOWEST = 3.0
"""A mutant may take so many times as long as the code itself, then it counts as killed: it loops."""


def main(root: str, plan: str, seconds: float, tests: list[str]) -> int:
    """Write ``{"baseline": …, "killed": […]}``: whether the tests pass on the code, and fail on each mutant."""
    import pytest  # noqa: F401  (once, for all)

    out = int(os.environ.pop("MILEPOST_REPORT_FD"))
    # What runs in the children must reach neither the report nor this process's memory or files.
    ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)
    given = json.loads(Path(plan).read_text(encoding="utf-8"))
    left_out = set(given["left_out"])
    end = time.monotonic() + seconds
    began = time.monotonic()

    def passes(mutant: list[str] | None, limit: float) -> bool:
        files = {**given["code"], **({mutant[0]: mutant[1]} if mutant else {})}
        return _passes(root, files, tests, left_out, limit, out)

    gc.freeze()  # pytest collects garbage when it ends: not in what all children share

    baseline = passes(None, seconds)
    longest = max(1.0, _SLOWEST * (time.monotonic() - began))
    killed: list[bool] = []
    for mutant in given["mutants"] if baseline else ():
        if time.monotonic() + longest > end:
            break
        killed.append(not passes(mutant, longest))
    with os.fdopen(out, "w") as stream:
        json.dump({"baseline": bool(baseline), "killed": killed}, stream)
    return 0


def _passes(root: str, files: dict[str, str], tests: list[str], left_out: set[str], seconds: float, out: int) -> bool:
    """Whether the tests pass on a copy of the project at ``root`` with ``files`` in it; ``out`` is not for them."""
    with tempfile.TemporaryDirectory() as name:
        copied = Path(name, "project")
        shutil.copytree(root, copied, symlinks=True)
        for path, source in files.items():
            (copied / path).chmod(0o644)
            (copied / path).write_text(source, encoding="utf-8")
        child = os.fork()
        if child == 0:
            os.close(out)
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
