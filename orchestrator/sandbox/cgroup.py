"""Limits of memory and processes over everything that runs in one sandbox: a control group of its own.

Where the kernel lets us make one: as root, or in a delegated part of the tree, as systemd gives to its users.
Version 1 and 2, see ``man 7 cgroups``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Cgroups", "Group", "find_cgroups"]

_ROOT = Path("/sys/fs/cgroup")
_NUMBER = itertools.count(1)
_ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class Group:
    """One control group; with version 1, one folder for each controller."""

    folders: tuple[Path, ...]

    def entering(self, argv: list[str]) -> list[str]:
        """Return ``argv`` so that it runs in the group, with all that it starts."""
        return ["/bin/sh", "-c", _ENTER, "sh", *(str(f / "cgroup.procs") for f in self.folders), "--", *argv]

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended a process for its memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError, ValueError):
                    fields = dict(line.split() for line in (folder / name).read_text().splitlines())
                    if int(fields.get("oom_kill", 0)):
                        return True
        return False


@dataclass(frozen=True)
class Cgroups:
    """Where groups can be made: the parent folders, and which version they are of."""

    parents: tuple[Path, ...]
    version: int

    @property
    def name(self) -> str:
        """``cgroup v1`` or ``cgroup v2``"""
        return f"cgroup v{self.version}"

    @contextmanager
    def group(self, memory_bytes: int, processes: int) -> Iterator[Group]:
        """Make a group with these limits; at the end whatever is left in it is killed, and it is removed.

        Raises:
            OSError: it can't be made.
        """
        name = f"milepost-{os.getpid()}-{next(_NUMBER)}"
        group = Group(tuple(parent / name for parent in self.parents))
        try:
            for folder in group.folders:
                folder.mkdir()
            for folder in group.folders:
                _limit(folder, memory_bytes, processes)
            yield group
        finally:
            for folder in group.folders:
                _remove(folder)


@cache
def find_cgroups() -> Cgroups | None:
    """Return where control groups for memory and processes can be made; None where they can't.

    Groups of processes that were killed are cleared away.
    """
    for candidate in _candidates():
        try:
            for folder in [f for parent in candidate.parents for f in parent.glob("milepost-*")]:
                if not Path("/proc", folder.name.split("-")[1]).exists():
                    _remove(folder)
            with candidate.group(1 << 30, 100):
                return candidate
        except OSError:
            continue
    return None


def _candidates() -> Iterator[Cgroups]:
    own = dict(_own_paths())
    if (_ROOT / "cgroup.controllers").is_file():
        path = own.get("", "/")
        for parent in [_ROOT / path.lstrip("/"), *(_ROOT / path.lstrip("/")).parents]:
            if parent.is_relative_to(_ROOT):
                yield Cgroups((parent,), 2)
    for at in (own, {}):
        folders = tuple(_ROOT / kind / at.get(kind, "/").lstrip("/") for kind in ("memory", "pids"))
        if all((folder / "cgroup.procs").exists() for folder in folders):
            yield Cgroups(folders, 1)


def _own_paths() -> Iterator[tuple[str, str]]:
    """Yield controller (empty: version 2) and path of the groups that this process is in."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                yield controller, path


def _limit(folder: Path, memory_bytes: int, processes: int) -> None:
    written = 0
    for name, value in (
        ("memory.max", memory_bytes),
        ("memory.swap.max", 0),
        ("memory.limit_in_bytes", memory_bytes),
        ("memory.memsw.limit_in_bytes", memory_bytes),
        ("pids.max", processes),
    ):
        if (folder / name).exists():
            (folder / name).write_text(str(value))
            written += name in ("memory.max", "memory.limit_in_bytes", "pids.max")
    if not written or ((folder / "cgroup.controllers").exists() and written < 2):
        raise FileNotFoundError(f"{folder} has no controllers of memory and processes")


def _remove(folder: Path) -> None:
    """Kill what is left and remove the folder; the kernel takes a moment to see that it is empty."""
    for _ in range(100):
        with contextlib.suppress(OSError):
            (folder / "cgroup.kill").write_text("1")
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), 9)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.005)
        else:
            return
