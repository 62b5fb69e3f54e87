"""How git is called: with settings of Milepost's own, and with patience where another git is at work."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

from schemas.errors import InputError, Unavailable

__all__ = ["EMAIL", "find_git", "git"]

EMAIL = "milepost@localhost"
"""Of Milepost as author and committer."""
PATIENCE = 5.0
"""Seconds for which a command is tried again while another git process holds a lock."""
_PAUSE = 0.1
_SETTINGS = Path(__file__).with_name("gitconfig")


def find_git() -> str:
    """Return the git binary.

    Raises:
        InputError: there is none.
    """
    git = shutil.which("git")
    if git is None:
        raise InputError(
            "git is not installed; the generated project is a git repository. Install it (apt install git)"
        )
    return git


def git(folder: Path, *arguments: str, date: str | None = None) -> str:
    """Return what git prints in ``folder``. ``date`` is that of a commit, ISO 8601; None: now.

    Raises:
        OSError: no space is left on the disk.
        Unavailable: it failed otherwise.
    """
    # The user's own git configuration (hooks, signing, templates) has no say here. Nor has git's check of the owner: a
    # project that was made in a container, or outside of it, may be another user's.
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(_SETTINGS),
        "GIT_AUTHOR_NAME": "Milepost",
        "GIT_AUTHOR_EMAIL": EMAIL,
        "GIT_COMMITTER_NAME": "Milepost",
        "GIT_COMMITTER_EMAIL": EMAIL,
        **({"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}),
    }
    quiet = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
    command = [find_git(), *quiet, "-C", str(folder), *arguments]
    deadline = time.monotonic() + PATIENCE
    while True:
        # A session of its own: Ctrl-C is for Milepost, not for a commit that is half made.
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, start_new_session=True
        )
        if not done.returncode:
            return done.stdout
        if not _locked(done.stderr) or time.monotonic() > deadline:
            raise _problem(folder, arguments[0], done.stderr.strip() or done.stdout.strip())
        time.sleep(_PAUSE)


def _locked(said: str) -> bool:
    return ".lock': File exists" in said


def _problem(folder: Path, command: str, said: str) -> Exception:
    if os.strerror(errno.ENOSPC) in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    if _locked(said):
        lock = said.partition("Unable to create '")[2].partition("'")[0]
        return Unavailable(
            f"git {command} failed in {folder}: another git process is at work there ({lock} exists). Wait until it is "
            "done, or delete that file if none runs; then resume"
        )
    return Unavailable(f"git {command} failed in {folder}: {said[-400:]}")
