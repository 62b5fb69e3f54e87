"""The generated project: a git repository, one commit per attempt, one tag per accepted milestone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from orchestrator.files import write_text
from schemas.architecture import safe_path
from schemas.errors import InputError

__all__ = ["Project", "find_git"]

MAX_FILES = 400
MAX_BYTES = 20_000_000
_EMAIL = "milepost@localhost"
_GITIGNORE = "__pycache__/\n*.py[cod]\n.coverage\n.pytest_cache/\n.venv/\n"


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


class Project:
    """The folder ``path``. Everything that stands in it was put there by `replace`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self) -> None:
        """Make an empty repository, or set an existing one back to its first commit.

        A resumed run replays its attempts from the journal, so the commits come again. What somebody changed by hand
        meanwhile is kept: in git's stash, on a branch ``found-by-resume-…``, on branches and under tags of his own.
        """
        # The run is locked, so a lock of git's was left behind by a process that was killed.
        for lock in (self.path / ".git").rglob("*.lock"):
            lock.unlink()
        self.path.mkdir(parents=True, exist_ok=True)
        self._git("init", "--quiet", "--initial-branch=main")  # harmless where it was done before
        if not self._git("for-each-ref", "refs/heads"):
            write_text(self.path / ".gitignore", _GITIGNORE)
            self.commit("Begin an empty project")
            return
        if self._git("status", "--porcelain").strip():
            self._git("stash", "push", "--include-untracked", "--message", "changes found by milepost resume")
        self._git("checkout", "--quiet", "main")
        tip, author = self._git("log", "-1", "--format=%h %ae").split()
        if author != _EMAIL:
            self._git("branch", "--force", f"found-by-resume-{tip}")
        first = self._git("rev-list", "--max-parents=0", "HEAD").split()[0]
        self._git("reset", "--hard", "--quiet", first)
        for tag in self._git("tag", "--list", "accepted-*", "delivered").split():
            self._git("tag", "--delete", tag)

    def files(self) -> dict[str, str]:
        """Return path → content of all files that git tracks, but for ``.gitignore``."""
        listed = self._git("ls-files", "-z").split("\0")
        return {
            name: (self.path / name).read_text(encoding="utf-8", errors="surrogateescape")
            for name in sorted(listed)
            if name and name != ".gitignore" and (self.path / name).is_file()
        }

    def replace(self, files: Mapping[str, str]) -> None:
        """Make the folder hold exactly ``files`` (and ``.gitignore``).

        Raises:
            ValueError: a path is not inside the project, or there is too much of it.
        """
        if len(files) > MAX_FILES or sum(len(s) for s in files.values()) > MAX_BYTES:
            raise ValueError(f"the project would have over {MAX_FILES} files or {MAX_BYTES:,} characters")
        for name in files:
            safe_path(name)
        for name in set(self.files()) - set(files):
            gone = self.path / name
            gone.unlink()
            while gone.parent != self.path and not any(gone.parent.iterdir()):
                gone = gone.parent
                gone.rmdir()
        for name, content in files.items():
            target = self.path / name
            if target.is_dir():
                raise ValueError(f"{name} is a folder of the project already")
            if target.is_file() and target.read_bytes() == content.encode("utf-8", "surrogatepass"):
                continue  # each write waits for the disk
            try:
                write_text(target, content)
            except (NotADirectoryError, FileExistsError):
                raise ValueError(f"{name}: a file stands where a folder is needed") from None

    def add(self, files: Mapping[str, str]) -> None:
        """Write ``files``, which are Milepost's own and may have names that agents must not use."""
        for name, content in files.items():
            write_text(self.path / name, content)

    def commit(self, message: str, tag: str | None = None) -> str:
        """Commit everything and return the commit's abbreviated name."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "--message", message)
        if tag:
            self._git("tag", "--force", tag)
        return self._git("rev-parse", "--short=12", "HEAD").strip()

    def tag(self, name: str, commit: str) -> None:
        """Tag ``commit``."""
        self._git("tag", "--force", name, commit)

    def _git(self, *arguments: str) -> str:
        # The user's own git configuration (hooks, signing, templates) has no say here.
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.path),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Milepost",
            "GIT_AUTHOR_EMAIL": _EMAIL,
            "GIT_COMMITTER_NAME": "Milepost",
            "GIT_COMMITTER_EMAIL": _EMAIL,
        }
        command = [
            find_git(),
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-C",
            str(self.path),
            *arguments,
        ]
        # A session of its own: Ctrl-C is for Milepost, not for a commit that is half made.
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, start_new_session=True
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-400:]
            raise OSError(f"git {arguments[0]} failed in {self.path}: {said}")
        return done.stdout
