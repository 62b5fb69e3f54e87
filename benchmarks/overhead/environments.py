"""The candidates, each with packages of its own: nothing of theirs gets into Milepost's environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

__all__ = ["CANDIDATES", "SERIES", "Candidate", "Series", "interpreter", "versions"]

HERE = Path(__file__).parent
NONE = "bare Python"
"""The candidate that imports nothing, to be subtracted."""


@dataclass(frozen=True)
class Candidate:
    """What is compared."""

    name: str
    imports: str
    """What a program that uses it with a durable store imports."""
    requirements: str | None = None
    """File beside this one: the exact version of every package. None: Milepost's own environment."""


@dataclass(frozen=True)
class Series:
    """A candidate in one of its settings."""

    name: str
    candidate: str
    workload: str
    """Module of `benchmarks.overhead.workloads`."""
    variant: str
    marks: tuple[int, ...] = ()
    """Milestones at which it is looked at, where the plan's are too many for it."""


CANDIDATES = (
    Candidate(NONE, "pass"),
    Candidate("Milepost", "import orchestrator.commands.run"),
    Candidate(
        "LangGraph",
        "import langgraph.graph, langgraph.checkpoint.sqlite",
        "requirements-langgraph.txt",
    ),
    Candidate("Burr", "import burr.core, burr.core.persistence", "requirements-burr.txt"),
)
SERIES = (
    Series("Milepost", "Milepost", "on_milepost", "journal"),
    Series("LangGraph (sync)", "LangGraph", "on_langgraph", "sync"),
    Series("LangGraph (async)", "LangGraph", "on_langgraph", "async"),
    Series("Burr", "Burr", "on_burr", ""),
    Series("Milepost (whole run)", "Milepost", "on_milepost", "run", marks=(10, 20, 40)),
)


def interpreter(candidate: Candidate, cache: Path) -> Path:
    """Return the interpreter of ``candidate``, whose environment is made in ``cache`` where it is not there yet.

    Raises:
        subprocess.CalledProcessError: pip can't install the pinned versions.
    """
    if candidate.requirements is None:
        return Path(sys.executable)
    wanted = HERE / candidate.requirements
    key = sha256(f"{sys.version}\n{wanted.read_text(encoding='utf-8')}".encode()).hexdigest()
    folder = cache / f"overhead-{candidate.name.lower()}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.is_file() or complete.read_text(encoding="ascii") != key:
        shutil.rmtree(folder, ignore_errors=True)
        venv.EnvBuilder(symlinks=True, with_pip=True).create(folder)
        pip = [str(python), "-m", "pip", "install", "-qq", "--no-deps", "--requirement", str(wanted)]
        subprocess.run(pip, check=True)
        complete.write_text(key, encoding="ascii")
    return python


def versions(candidate: Candidate) -> Mapping[str, str]:
    """Return package → version of what the environment of ``candidate`` was made of."""
    if candidate.requirements is None:
        return {}
    lines = (HERE / candidate.requirements).read_text(encoding="utf-8").split()
    return {name: version for name, _, version in (line.partition("==") for line in lines)}
