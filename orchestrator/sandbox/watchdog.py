"""Limits of memory and processes over a whole process tree, where no control group can be had: looked at, not enforced
by the kernel. What grows faster than one look is caught by the limits of each process."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["watch"]

INTERVAL = 0.1
"""Seconds between two looks."""


async def watch(
    pid: int, *, memory_bytes: int, processes: int, scratch: Path | None = None, scratch_bytes: int = 0
) -> str:
    """Look at the tree below ``pid``, and at ``scratch``, until a limit is passed; return which, in words."""
    while True:
        members = list(_tree(pid))
        if len(members) > processes:
            return f"more than {processes} processes"
        if sum(map(_memory, members)) > memory_bytes:
            return f"memory limit of {memory_bytes:,} bytes"
        if scratch is not None and _size(scratch) > scratch_bytes:
            return f"more than {scratch_bytes:,} bytes of files"
        await asyncio.sleep(INTERVAL)


def _tree(root: int) -> Iterator[int]:
    """Yield ``root`` and all that descends from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # The name in parentheses may hold anything, so what follows it is read from behind.
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    todo = [root]
    while todo:
        pid = todo.pop()
        yield pid
        todo += children.get(pid, [])


def _memory(pid: int) -> int:
    """Return the bytes that a process takes: its share of shared pages where the kernel tells, else all it holds."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return 0


def _size(folder: Path) -> int:
    """Return the bytes that the files below ``folder`` take on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(Path(place, name)).st_blocks * 512
    return total
