"""What a result was measured with, which stands beside every committed figure; and outcomes that were kept."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = [
    "NOT_NOTED",
    "PACKAGES",
    "append_row",
    "commit",
    "kept_outcomes",
    "measured_with",
    "note_run",
    "page_folder",
    "runs",
    "states",
]

PACKAGES = ("xllamacpp", "anthropic", "pytest", "coverage")
"""Whose versions matter for what a model's work is worth."""
NOT_NOTED = "not noted"
ROOT = Path(__file__).resolve().parents[1]


def measured_with(packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return processor, cores, memory, system, versions, the project's commit and the time (UTC)."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name))},
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def states(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the commits that ``rows`` were made with; `NOT_NOTED` stands for those that do not say it."""
    return sorted({row.get("commit") or NOT_NOTED for row in rows})


def note_run(folder: Path, packages: Sequence[str], **options: object) -> None:
    """Append to ``folder``/runs.jsonl what a run that adds results there is made with, and how it was started."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise SystemExit(f"{folder} is no folder: give another --results") from None
    append_row(folder / "runs.jsonl", {**measured_with(packages), "options": options})


def page_folder(results: Path, own: Path, docs: Path | None) -> Path:
    """Return where the page on ``results`` goes, unless ``docs`` says so: into `docs/` for the project's ``own`` ones,
    whose page holds what it says of them, else beside them."""
    return docs or (ROOT / "docs" if results.resolve() == own.resolve() else results)


def runs(folder: Path) -> list[dict[str, Any]]:
    """Return what `note_run` has noted."""
    return _lines(folder / "runs.jsonl")


def kept_outcomes(path: Path, key: str, model: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the outcomes in the lines of ``path`` by their field ``key``; none where there is no such file.

    Raises:
        SystemExit: ``model`` is to add to them, and has no part in them; or a line is no JSON (a last one that was cut
            off is left out).
    """
    rows = {row[key]: row for row in _lines(path)}
    others = {row["model"] for row in rows.values() if row.get("model") and model not in row["model"].split(", ")}
    if model and others:
        raise SystemExit(f"{path} holds outcomes of {', '.join(sorted(others))}: give {model} another --results")
    return rows


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Append ``row`` as one line of JSON, which is on the disk when this returns; what an append that was cut off has
    left behind goes first."""
    with path.open("a+b") as stream:
        stream.seek(0)
        whole, cut_off = _split(stream.read())
        if cut_off:
            stream.truncate(len(whole))
        ends = b"" if not whole or whole.endswith(b"\n") else b"\n"
        stream.write(ends + json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def _lines(path: Path) -> list[dict[str, Any]]:
    whole, _ = _split(path.read_bytes() if path.exists() else b"")
    rows = []
    for number, line in enumerate(whole.split(b"\n"), 1):  # not `splitlines`: a text may hold other ends of lines
        try:
            rows += [json.loads(line)] if line.strip() else []
        except ValueError:
            raise SystemExit(f"{path}:{number}: is no JSON; remove the line, and it is made anew") from None
    return rows


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Return the lines in ``data``, and what is left of a last one that was cut off."""
    end = data.rfind(b"\n") + 1
    try:
        json.loads(data[end:] or b"0")
    except ValueError:
        return data[:end], data[end:]
    return data, b""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    """Return the commit of the project, with ``-dirty`` where files differ from it: other than results and pages, which
    benchmarks themselves write."""
    git = ["git", "-C", str(ROOT)]
    named = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=False)
    paths = ["--", ".", ":!benchmarks/results", ":!docs"]
    same = subprocess.run([*git, "diff", "--quiet", "HEAD", *paths], capture_output=True, check=False)
    return named.stdout.strip() + ("-dirty" if same.returncode == 1 else "")
