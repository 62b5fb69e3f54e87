"""The generated project: a git repository, one commit per attempt, one tag per accepted milestone."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from orchestrator.files import write_text
from orchestrator.workspace.git import EMAIL, find_git, git
from schemas.architecture import safe_path
from schemas.errors import Unavailable

__all__ = ["Project", "find_git"]

MAX_FILES = 400
MAX_BYTES = 20_000_000
STALE_SECONDS = 60.0
"""A lock of git's that is older was left behind by a process that was killed."""
_IGNORED = ".gitignore"
_GITIGNORE = "__pycache__/\n*.py[cod]\n.coverage\n.pytest_cache/\n.venv/\n"


class Project:
    """The folder ``path``. Everything that is committed there was put there by `replace` or `add`.

    A resumed run replays its attempts from the journal, so the commits come again. They are made in a work tree beside
    the folder until they come further than what the folder holds. Until then, its branch ``main``, its tags and its
    files stay as they are, whatever ends the run. See decision 1.
    """

    def __init__(self, path: Path, clock: Callable[[], str | None] = lambda: None) -> None:
        """``clock`` gives the time of a commit, ISO 8601; None: now. Where it gives a replay the same times again, that
        makes the same commits."""
        self.path = path
        self._clock = clock
        self.leads = True
        """Whether the folder holds what this sitting has done; false while an earlier one has come further."""
        self.held = True
        """Whether the folder holds what this sitting has committed, and nothing else; known once it is settled."""
        self.notes: list[str] = []
        """What the user should know of what was put aside, a line each."""
        self._beside = path.with_name(f"{path.name}-resuming")
        self._tree = path
        """Where the files are written: the folder, or the work tree beside it."""
        self._earlier = ("main", 0, 0)
        """The branch that earlier sittings left, how many milestones it has accepted, and how many commits."""
        self._commits = 0
        self._tags: dict[str, str] = {}
        """Tag → commit, as this sitting has set them."""
        self._written: set[str] = set()
        """Paths that this sitting has written."""

    def begin(self) -> list[str]:
        """Make an empty repository; beside an existing one, begin with its first commit.

        What somebody changed by hand meanwhile is kept once the folder changes: in git's stash, on a branch
        ``found-by-resume-…``, on branches and under tags of his own. Files without a repository are moved aside.

        Returns:
            What the user should know, a line each.
        """
        self.leads = not (self.path / ".git").exists()
        if not self.leads:
            self._drop_stale_locks()
            git(self.path, "init", "--quiet", "--initial-branch=main")  # harmless where it was done before
            branches = git(self.path, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
            if branches:
                self._replay_beside("main" if "main" in branches else branches[0])
                return []
            self.leads = True
        notes = self._moved_aside()
        self.path.mkdir(parents=True, exist_ok=True)
        git(self.path, "init", "--quiet", "--initial-branch=main")
        write_text(self.path / _IGNORED, _GITIGNORE)
        self.commit("Begin an empty project")
        return notes

    def _moved_aside(self) -> list[str]:
        """Move away what lies in the folder although no commit holds it: the project must not begin with that."""
        if not self.path.is_dir() or all(found.name in (".git", _IGNORED) for found in self.path.iterdir()):
            return []
        names = (self.path.with_name(f"{self.path.name}-found-{number}") for number in count(1))
        aside = next(name for name in names if not name.exists())
        self.path.rename(aside)
        return [
            f"{self.path} held files, but no git repository with commits. They are in {aside} now, and the project is "
            "built anew from the recorded calls"
        ]

    def _drop_stale_locks(self) -> None:
        for lock in (self.path / ".git").rglob("*.lock"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                    lock.unlink()

    def _replay_beside(self, branch: str) -> None:
        """Begin a work tree beside the folder, at the first commit of ``branch``."""
        self._remove_beside()
        self.held = False
        commits = git(self.path, "rev-list", "--count", f"--committer={EMAIL}", f"refs/heads/{branch}")
        self._earlier = branch, len(self._accepted()), int(commits)
        first = git(self.path, "rev-list", "--max-parents=0", f"refs/heads/{branch}").split()[0]
        git(self.path, "worktree", "add", "--quiet", "--detach", str(self._beside), first)
        self._tree, self._commits = self._beside, 1

    def _accepted(self) -> list[str]:
        return git(self.path, "tag", "--list", "accepted-*").split()

    @property
    def behind(self) -> bool:
        """Whether this sitting has come less far than those before it."""
        accepted = sum(tag.startswith("accepted-") for tag in self._tags)
        return (accepted, self._commits) < self._earlier[1:]

    @property
    def beyond(self) -> bool:
        """Whether this sitting has come further than those before it."""
        accepted = sum(tag.startswith("accepted-") for tag in self._tags)
        return (accepted, self._commits) > self._earlier[1:]

    def _take_over(self) -> None:
        """Let the folder hold what this sitting has done."""
        if git(self.path, "status", "--porcelain").strip():
            git(self.path, "stash", "push", "--include-untracked", "--message", "changes found by milepost resume")
            self.notes.append(f"changes in {self.path} that no commit held are in its git stash now")
        earlier = f"refs/heads/{self._earlier[0]}"
        made_by = git(self.path, "log", "--format=%ce", earlier).splitlines()  # who amends a commit stays no author
        now = set(git(self._tree, "rev-list", "HEAD").split())
        accepted = {git(self.path, "rev-parse", f"{tag}^{{commit}}").strip() for tag in self._accepted()}
        if self.behind or set(made_by) != {EMAIL} or accepted - now:
            self._keep(earlier)
        if not git(self.path, "for-each-ref", "--contains", "HEAD").strip():  # somebody has worked on no branch at all
            self._keep("HEAD")
        git(self.path, "checkout", "--quiet", "--force", "-B", "main", git(self._tree, "rev-parse", "HEAD").strip())
        self._tree, self.leads, self.held = self.path, True, True
        for tag in set(self._accepted()) - set(self._tags):
            git(self.path, "tag", "--delete", tag)
        for tag, commit in self._tags.items():
            git(self.path, "tag", "--force", tag, commit)
        self._remove_beside()

    def _keep(self, found: str) -> None:
        tip = git(self.path, "rev-parse", "--short", found).strip()
        git(self.path, "branch", "--force", f"found-by-resume-{tip}", found)
        self.notes.append(f"what {self.path} held is on its git branch found-by-resume-{tip} now")

    def _go_ahead(self) -> None:
        if not self.leads and self.beyond:
            self._take_over()

    def settle(self, *, ended: bool) -> None:
        """Be done with the folder. Of a run that ``ended`` by itself it holds what came of it; what was stopped before
        it came further than an earlier sitting is given up, and the folder stays as that sitting left it."""
        if ended and not self.leads:
            self._take_over()
        elif not self.leads:
            self.held = not self.behind and self._is_shown()
            self._tree = self.path
            with contextlib.suppress(OSError, Unavailable):  # the next sitting tries again
                self._remove_beside()
        if ended and "delivered" not in self._tags and git(self.path, "tag", "--list", "delivered"):
            git(self.path, "tag", "--delete", "delivered")

    def _is_shown(self) -> bool:
        """Whether the folder's files are those of the last commit of this sitting."""
        tips = {git(tree, "rev-parse", "HEAD").strip() for tree in (self._tree, self.path)}
        return len(tips) == 1 and not git(self.path, "status", "--porcelain", "--untracked-files=no").strip()

    def _remove_beside(self) -> None:
        if self._beside.exists():
            shutil.rmtree(self._beside)
        git(self.path, "worktree", "prune")

    def files(self) -> dict[str, str]:
        """Return path → content of all files of the last commit, but for ``.gitignore``."""
        return {
            name: (self._tree / name).read_text(encoding="utf-8", errors="surrogateescape")
            for name in sorted(self._committed())
            if name != _IGNORED and (self._tree / name).is_file()
        }

    def _committed(self) -> set[str]:
        return {name for name in git(self._tree, "ls-tree", "-r", "-z", "--name-only", "HEAD").split("\0") if name}

    def replace(self, files: Mapping[str, str]) -> None:
        """Make the folder hold exactly ``files``, ``.gitignore``, and what somebody else put there meanwhile.

        Raises:
            ValueError: a path is not inside the project, or there is too much of it.
        """
        if len(files) > MAX_FILES or sum(len(s) for s in files.values()) > MAX_BYTES:
            raise ValueError(f"the project would have over {MAX_FILES} files or {MAX_BYTES:,} characters")
        for name in files:
            safe_path(name)
        for name in (self._committed() | self._written) - set(files) - {_IGNORED}:
            gone = self._tree / name
            if not gone.is_file():
                continue
            gone.unlink()
            while gone.parent != self._tree and not any(gone.parent.iterdir()):
                gone = gone.parent
                gone.rmdir()
        self._written |= set(files)
        for name, content in files.items():
            target = self._tree / name
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
            write_text(self._tree / name, content)

    def commit(self, message: str, tag: str | None = None) -> str:
        """Commit what was written or removed and return the commit's abbreviated name."""
        git(self._tree, "reset", "--quiet")  # what somebody else has staged is not ours
        git(self._tree, "add", "--update", "--", ".", f":!{_IGNORED}")
        untracked = git(self._tree, "ls-files", "-z", "--others", "--exclude-standard").split("\0")
        if new := sorted({*untracked} & {*self._written, _IGNORED}):
            git(self._tree, "add", "--", *new)
        git(self._tree, "commit", "--quiet", "--allow-empty", "--message", message, date=self._clock())
        name = git(self._tree, "rev-parse", "--short=12", "HEAD").strip()
        self._commits += 1
        if tag:
            self.tag(tag, name)
        self._go_ahead()
        return name

    def tag(self, name: str, commit: str) -> None:
        """Tag ``commit``."""
        self._tags[name] = commit
        if self.leads:
            git(self.path, "tag", "--force", name, commit)
        self._go_ahead()
