"""Temporary folders of Milepost: gone when their block ends, and at the next start where Milepost was killed in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["remove", "scratch", "sweep", "unpacked"]

_PREFIX = "milepost-tmp-"


@contextmanager
def scratch(mode: int = 0o755) -> Iterator[Path]:
    """Make a folder with ``mode`` (any user may read it unless told otherwise), and remove it at the end."""
    folder, lock = _made()
    try:
        folder.chmod(mode)
        yield folder
    finally:
        remove(folder)
        os.close(lock)


def _made() -> tuple[Path, int]:
    """Make a folder and lock it, so that no other process takes it for one that was left behind."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = _locked(folder)
        if lock is not None:
            return folder, lock


def _locked(folder: Path) -> int | None:
    """Return a descriptor that keeps ``folder`` locked until it is closed, or this process dies; None where another
    process has it, or it is gone, or is not ours. A process id would say less: containers that share a folder for
    temporary files don't see each other's.

    Raises:
        OSError: it can't be opened or locked for another reason: too many open files, a file system without locks.
    """
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_uid == os.geteuid() and os.path.samestat(os.fstat(lock), folder.lstat()):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None


@contextmanager
def unpacked(files: Mapping[str, str]) -> Iterator[Path]:
    """Put ``files`` (path → content) into such a folder.

    Raises:
        ValueError: a path is not inside the folder, or is both a file and a folder.
    """
    with scratch() as folder:
        for name, content in files.items():
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"{name} is not inside the project")
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8", errors="surrogateescape")
                target.chmod(0o644)  # whoever runs the code has to read it, whatever the user's umask is
                for parent in target.relative_to(folder).parents[:-1]:
                    (folder / parent).chmod(0o755)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise ValueError(f"{name} can't be both a file and a folder") from None
        yield folder


def remove(folder: Path) -> None:
    """Remove ``folder`` and all in it, whatever generated code has made of it: locked folders, or thousands deep."""
    if not os.path.lexists(folder):
        return
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        # The tools walk without recursion and by file descriptors; chmod follows no links on its way down.
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(folder)], capture_output=True, check=False, timeout=120)


def sweep() -> None:
    """Remove what processes of this user have left that are no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # what can't be locked, such as another user's, stays
            lock = _locked(folder)
            if lock is not None:
                remove(folder)
                os.close(lock)
