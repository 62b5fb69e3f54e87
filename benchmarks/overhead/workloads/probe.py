"""What every workload measures of itself, in the same way. Standard library only."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

from benchmarks.overhead.workloads.payload import steps

__all__ = ["Probe", "nanoseconds"]


def nanoseconds() -> int:
    """Return the system's monotonic clock, which all processes of a machine share."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


class Probe:
    """Takes the times and sizes of one run in this process.

    Command line: ``--started NS --store FOLDER --marks 10,100 [--variant NAME]``; the last mark is how many milestones
    the run has.
    """

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--started", type=int, required=True)
        parser.add_argument("--store", type=Path, required=True)
        parser.add_argument("--marks", required=True)
        parser.add_argument("--variant", default="")
        options = parser.parse_args()
        self.store: Path = options.store
        self.variant: str = options.variant
        self.marks = [int(mark) for mark in options.marks.split(",")]
        self._started: int = options.started
        self._begun = 0
        self._begun_cpu = 0.0
        self._paused = 0
        self._ready: dict[str, float] = {}
        self._marks: list[dict[str, float]] = []

    @property
    def milestones(self) -> int:
        """How many milestones to do."""
        return self.marks[-1]

    def ready(self) -> None:
        """The first step is about to run. Only the first call counts."""
        if not self._begun:
            self._begun, self._begun_cpu = nanoseconds(), _cpu()
            since = (self._begun - self._started) / 1e9
            self._ready = {"seconds": since, "rss": _rss(), "modules": len(sys.modules)}

    def done(self, milestone: int) -> None:
        """``milestone`` (from 1) is over. The last one is when the run is: `report`."""
        if milestone in self.marks[:-1]:
            self._mark(milestone)

    def report(self) -> None:
        """The run is over, with all that it had to write. Print what was measured.

        ``rss`` and ``peak_rss`` are bytes, ``store_bytes`` what the files take on the disk.
        """
        self._mark(self.milestones)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"ready": self._ready, "marks": self._marks, "peak_rss": peak}))

    def _mark(self, milestone: int) -> None:
        """Take a mark. Looking at the store is not counted as time of the run."""
        now, cpu = nanoseconds(), _cpu()
        files = [path.stat() for path in self.store.rglob("*") if path.is_file()]
        self._marks.append(
            {
                "milestones": milestone,
                "steps": steps(milestone),
                "seconds": (now - self._begun - self._paused) / 1e9,
                "cpu_seconds": cpu - self._begun_cpu,
                "rss": _rss(),
                "store_bytes": sum(status.st_blocks * 512 for status in files),
                "store_files": len(files),
            }
        )
        self._paused += nanoseconds() - now
        self._begun_cpu += _cpu() - cpu


def _cpu() -> float:
    """Return seconds of processor time, those of processes that were started and have ended included."""
    return sum(os.times()[:4])


def _rss() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
