"""The generated project: a git repository, one commit per attempt, one tag per accepted milestone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path

from orchestrator.files import write_text
from orchestrator.workspace.git import EMAIL, find_git, git
from schemas.architecture import safe_path

__all__ = ["Project", "find_git"]

MAX_FILES = 400
MAX_BYTES = 20_000_000
STALE_SECONDS = 60.0
"""A lock of git's that is older was left behind by a process that was killed."""
_IGNORED = ".gitignore"
_GITIGNORE = "__pycache__/\n*.py[cod]\n.coverage\n.pytest_cache/\n.venv/\n"


class Project:
    """The folder ``path``. Everything that is committed there was put there by `replace` or `add`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written: set[str] = set()
        """Paths that this sitting has written."""

    def begin(self) -> None:
        """Make an empty repository, or set an existing one back to its first commit.

        A resumed run replays its attempts from the journal, so the commits come again. What somebody changed by hand
        meanwhile is kept: in git's stash, on a branch ``found-by-resume-…``, on branches and under tags of his own.
        """
        self._drop_stale_locks()
        self.path.mkdir(parents=True, exist_ok=True)
        git(self.path, "init", "--quiet", "--initial-branch=main")  # harmless where it was done before
        if not git(self.path, "for-each-ref", "refs/heads"):
            write_text(self.path / _IGNORED, _GITIGNORE)
            self.commit("Begin an empty project")
            return
        if git(self.path, "status", "--porcelain").strip():
            git(self.path, "stash", "push", "--include-untracked", "--message", "changes found by milepost resume")
        git(self.path, "checkout", "--quiet", "main")
        tip, author = git(self.path, "log", "-1", "--format=%h %ae").split()
        if author != EMAIL:
            git(self.path, "branch", "--force", f"found-by-resume-{tip}")
        first = git(self.path, "rev-list", "--max-parents=0", "HEAD").split()[0]
        git(self.path, "reset", "--hard", "--quiet", first)
        for tag in git(self.path, "tag", "--list", "accepted-*", "delivered").split():
            git(self.path, "tag", "--delete", tag)

    def _drop_stale_locks(self) -> None:
        for lock in (self.path / ".git").rglob("*.lock"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                    lock.unlink()

    def files(self) -> dict[str, str]:
        """Return path → content of all files that git tracks, but for ``.gitignore``."""
        return {
            name: (self.path / name).read_text(encoding="utf-8", errors="surrogateescape")
            for name in sorted(self._listed("--cached"))
            if name != _IGNORED and (self.path / name).is_file()
        }

    def _listed(self, *which: str) -> set[str]:
        return {name for name in git(self.path, "ls-files", "-z", *which).split("\0") if name}

    def replace(self, files: Mapping[str, str]) -> None:
        """Make the folder hold exactly ``files``, ``.gitignore``, and what somebody else put there meanwhile.

        Raises:
            ValueError: a path is not inside the project, or there is too much of it.
        """
        if len(files) > MAX_FILES or sum(len(s) for s in files.values()) > MAX_BYTES:
            raise ValueError(f"the project would have over {MAX_FILES} files or {MAX_BYTES:,} characters")
        for name in files:
            safe_path(name)
        for name in (self._listed("--cached") | self._written) - set(files) - {_IGNORED}:
            gone = self.path / name
            if not gone.is_file():
                continue
            gone.unlink()
            while gone.parent != self.path and not any(gone.parent.iterdir()):
                gone = gone.parent
                gone.rmdir()
        self._written |= set(files)
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
        self._written |= set(files)
        for name, content in files.items():
            write_text(self.path / name, content)

    def commit(self, message: str, tag: str | None = None) -> str:
        """Commit what was written or removed and return the commit's abbreviated name."""
        new = self._listed("--others", "--exclude-standard") & {*self._written, _IGNORED}
        git(self.path, "add", "--update")
        if new:
            git(self.path, "add", "--", *sorted(new))
        git(self.path, "commit", "--quiet", "--allow-empty", "--message", message)
        name = git(self.path, "rev-parse", "--short=12", "HEAD").strip()
        if tag:
            self.tag(tag, name)
        return name

    def tag(self, name: str, commit: str) -> None:
        """Tag ``commit``."""
        git(self.path, "tag", "--force", name, commit)
