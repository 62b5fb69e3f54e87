"""The generated project's folder: what is written, committed and kept, and what git is asked to bear."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from orchestrator.files import write_text
from orchestrator.workspace import git
from orchestrator.workspace.project import Project
from schemas.errors import Unavailable


def begun(workspace: Path) -> Project:
    project = Project(workspace / "project")
    project.begin()
    return project


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Let ``does`` be what git does; ``$REAL`` is the real one."""
    command = folder / "bin" / "git"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\nREAL={shutil.which('git')}\n{does}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize("killed", ["before the first commit", "while git held a lock"])
def test_a_repository_that_a_kill_left_half_made_is_taken_up(workspace: Path, killed: str) -> None:
    project = Project(workspace / "project")
    if killed == "before the first commit":
        (project.path / ".git").mkdir(parents=True)
    else:
        project.begin()
        lock = project.path / ".git" / "index.lock"
        lock.touch()
        os.utime(lock, (0, time.time() - 600))
    project.begin()
    project.replace({"a.py": "x = 1\n"})
    project.commit("more")
    assert project.files() == {"a.py": "x = 1\n"}


def test_what_somebody_has_staged_is_neither_removed_nor_committed(workspace: Path) -> None:
    project = begun(workspace)
    project.replace({"a.py": "x = 1\n"})
    (project.path / "notes.txt").write_text("mine\n")
    (project.path / ".gitignore").write_text("mine/\n")
    git.git(project.path, "add", "--all")
    project.commit("more")
    project.replace({"b.py": "x = 2\n"})
    project.commit("and more")
    assert project.files() == {"b.py": "x = 2\n"}
    assert (project.path / "notes.txt").read_text() == "mine\n"
    assert git.git(project.path, "diff", "--name-only").split() == [".gitignore"]


def test_what_another_git_has_locked_for_a_moment_is_waited_for(workspace: Path) -> None:
    project = begun(workspace)
    lock = project.path / ".git" / "index.lock"
    lock.touch()
    timer = threading.Timer(0.3, lock.unlink)
    timer.start()
    project.replace({"a.py": "x = 1\n"})
    project.commit("more")
    timer.join()
    assert project.files() == {"a.py": "x = 1\n"}


def test_a_lock_that_stays_is_left_alone_and_said_to_be_in_the_way(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "PATIENCE", 0.2)
    lock = begun(workspace).path / ".git" / "index.lock"
    lock.touch()
    project = Project(workspace / "project")
    with pytest.raises(Unavailable, match=f"another git process is at work there \\({lock} exists\\)"):
        project.begin()
        project.commit("more")
    assert lock.exists()


def test_a_disk_that_git_finds_full_is_as_full_as_any_other(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = begun(workspace)
    stand_in(workspace, monkeypatch, 'echo "error: unable to write file: No space left on device" >&2; exit 128')
    with pytest.raises(OSError, match="No space left on device"):
        project.commit("more")


def test_a_project_of_another_user_is_worked_on(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where a container and its host share the folder; git has a switch to try that."""
    stand_in(workspace, monkeypatch, 'GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec "$REAL" "$@"')
    project = begun(workspace)
    project.begin()
    project.replace({"a.py": "x = 1\n"})
    project.commit("more")
    assert project.files() == {"a.py": "x = 1\n"}


def test_what_was_half_written_is_gone_once_the_folder_shall_hold_something_else(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "last.py":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_text(path, text)

    project = begun(workspace)
    monkeypatch.setattr("orchestrator.workspace.project.write_text", full)
    with pytest.raises(OSError, match="No space left"):
        project.replace({"pkg/new.py": "x = 1\n", "last.py": ""})
    project.replace({"a.py": "x = 1\n"})
    project.commit("more")
    assert (project.files(), (project.path / "pkg").exists()) == ({"a.py": "x = 1\n"}, False)


def test_what_somebody_puts_into_the_project_during_a_run_stays_there_and_is_not_committed(workspace: Path) -> None:
    project = begun(workspace)
    (project.path / "mine.txt").write_text("by hand")
    for name in ("a.py", "b.py"):
        project.replace({name: "x = 1\n"})
        project.commit("more")
    assert (project.files(), (project.path / "mine.txt").read_text()) == ({"b.py": "x = 1\n"}, "by hand")


def test_only_files_that_change_are_written_anew(workspace: Path) -> None:
    project = Project(workspace / "project")
    project.begin()
    project.replace({"a.py": "x = 1\n", "b.py": "y = 1\r\n"})
    project.commit("first")
    places = {name: (project.path / name).stat().st_ino for name in ("a.py", "b.py")}
    project.replace({"a.py": "x = 1\n", "b.py": "y = 1\n"})
    assert (project.path / "a.py").stat().st_ino == places["a.py"]
    assert (project.path / "b.py").stat().st_ino != places["b.py"]
    assert (project.path / "b.py").read_bytes() == b"y = 1\n"


def test_the_folder_follows_a_replay_once_that_has_come_further(workspace: Path) -> None:
    first, states = begun(workspace), ["a = 1\n", "a = 2\n"]
    for state in states:
        first.replace({"a.py": state})
        first.commit("more")
    again, seen = begun(workspace), []
    for state in (*states, "a = 3\n"):
        again.replace({"a.py": state.replace("a", "b")})
        again.commit("more")
        seen.append((again.leads, (first.path / "a.py").read_text()))
    assert seen == [(False, "a = 2\n"), (False, "a = 2\n"), (True, "b = 3\n")]
