"""Temporary folders: gone at the end, whatever was made of them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.scratch import scratch, sweep


def deep(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d" * 100, dir_fd=at)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def locked(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)


def linked(folder: Path) -> None:
    (folder / "out").symlink_to(folder.parent / "kept")


@pytest.mark.parametrize("make", [deep, locked, linked])
def test_nothing_is_left_and_nothing_else_is_touched(
    make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    with scratch() as folder:
        make(folder)  # type: ignore[operator]
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")] == ["kept", "kept/file"]


def elsewhere(folder: Path, code: str) -> None:
    code = f"import os\nfrom orchestrator.scratch import scratch, sweep\n{code}"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(folder)}, check=False)


def test_what_a_killed_process_has_left_is_swept_away_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(tmp_path, "with scratch(): os.kill(os.getpid(), 9)")
    other = tmp_path / "milepost-tmp-other"
    other.symlink_to("/")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as mine:
        assert len(list(tmp_path.iterdir())) == 3
        sweep()
        assert set(tmp_path.iterdir()) == {mine, other}


def test_no_other_process_sweeps_away_what_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as mine:
        elsewhere(tmp_path, "sweep()")
        assert mine.is_dir()


def test_a_folder_that_can_not_be_locked_is_an_error_and_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(OSError, match="No locks available"), scratch():
        raise AssertionError
