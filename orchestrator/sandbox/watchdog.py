"""Limits over a whole process tree that no control group keeps: looked at, not enforced by the kernel. What grows
faster than one look is caught by the limits of each process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["watch"]

INTERVAL = 0.1
"""Seconds between two looks."""
_BLOCK = 4096
_UNCOUNTABLE = 1 << 62


async def watch(
    pid: int, *, memory_bytes: int | None, processes: int | None, scratch: Path | None, scratch_bytes: int
) -> str:
    """Look at the tree below ``pid``, and at what it writes, until a limit is passed; return which, in words.

    It writes to ``scratch``, or (None) to a /tmp of its own, whose size the kernel limits, but not how many files it
    holds.
    """

    def passed() -> str | None:
        members = list(_tree(pid))
        if processes is not None and len(members) > processes:
            return f"more than {processes} processes"
        if memory_bytes is not None and sum(map(_memory, members)) > memory_bytes:
            return f"memory limit of {memory_bytes:,} bytes"
        if scratch is not None and _size(scratch, scratch_bytes) + sum(map(_unlinked, members)) > scratch_bytes:
            return f"more than {scratch_bytes:,} bytes of files"
        if scratch is None and max(map(_files, members), default=0) > scratch_bytes // _BLOCK:
            return f"more than {scratch_bytes // _BLOCK:,} files"
        return None

    while True:
        # In a thread: however much there is to look at here, who watches another tree is not kept from it.
        found = await asyncio.to_thread(passed)
        if found is not None:
            return found
        await asyncio.sleep(INTERVAL)


def _files(pid: int) -> int:
    """Return how many files a process sees on the file systems of its writable places, where those are not ours."""
    total = 0
    for place in ("/tmp", "/dev/shm"):  # noqa: S108  (the sandbox's own, and ours)
        with contextlib.suppress(OSError):  # it has ended, or left its place
            inside = Path(f"/proc/{pid}/root{place}")
            if inside.stat().st_dev != Path(place).stat().st_dev:
                status = os.statvfs(inside)
                total += status.f_files - status.f_ffree
    return total


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


def _size(folder: Path, enough: int) -> int:
    """Return the bytes that what is below ``folder`` takes on the disk, or those of a part that takes more than
    ``enough``; no entry takes less than a block.

    What is nested too deep to be looked at counts as more than any limit: no honest program does that.
    """
    total = 0
    try:
        for place, folders, names in os.walk(folder, onerror=_refuse_too_deep):
            for name in [*folders, *names]:
                with contextlib.suppress(OSError):
                    total += max(_BLOCK, os.lstat(f"{place}/{name}").st_blocks * 512)
                if total > enough:
                    return total
    except RecursionError:
        return _UNCOUNTABLE
    return total


def _refuse_too_deep(error: OSError) -> None:
    if error.errno == errno.ENAMETOOLONG:
        raise RecursionError from error


def _unlinked(pid: int) -> int:
    """Return the bytes of files that a process holds open although they have no name any more."""
    total = 0
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                status = link.stat()
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    total += status.st_blocks * 512
    return total
