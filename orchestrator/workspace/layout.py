"""Where everything of a run lies, and how a run is named and found again."""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from orchestrator.files import write_text
from schemas.base import Schema
from schemas.errors import InputError
from schemas.milestone import Milestone

__all__ = ["RunFiles", "RunInfo", "check_name", "find_runs", "new_run", "open_run", "write_milestone"]


class RunInfo(Schema):
    """What a run needs to be taken up again, ``logs/<run>/run.json``."""

    run: str
    kind: Literal["idea", "program"] = "idea"
    """Whether ``milepost run`` or ``milepost refine`` began it."""
    created: str
    idea_path: str
    """Where the idea or the task was read; a ``.env`` beside it counts on resume too."""
    idea_text: str
    idea_digest: str
    """SHA-256 over the idea, taken before the first call: the sealed checks can't change under a run."""
    settings: dict[str, object]
    """The settings in force, without secrets."""
    models: dict[str, str]
    sandboxes: list[str]
    """What confined generated code, in each sitting that had another one than the sitting before."""
    reuse: list[str] = Field(default_factory=list)
    """Runs of the workspace whose replies may be used again."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall-clock time of all sittings."""
    status: str = "running"
    reason: str | None = None
    log_end: str | None = None
    """Digest of the audit log's last line when the run last came to an end; None: it never did."""

    def begun_anew(self, settings: dict[str, object], models: dict[str, str], sandbox: str) -> RunInfo:
        """Return the record for a sitting with what is in force now: the next one goes on with that."""
        other = self.sandboxes[-1:] != [sandbox]
        sandboxes = [*self.sandboxes, sandbox] if other else self.sandboxes
        changes = {"settings": settings, "models": models, "sandboxes": sandboxes, "status": "running", "reason": None}
        return self.model_copy(update=changes)


@dataclass(frozen=True)
class RunFiles:
    """The folders and files of the run ``name`` in ``workspace``."""

    workspace: Path
    name: str

    @property
    def logs(self) -> Path:
        """``logs/<run>``: the audit log and the records."""
        return self.workspace / "logs" / self.name

    @property
    def events(self) -> Path:
        """The audit log."""
        return self.logs / "events.jsonl"

    @property
    def info(self) -> Path:
        """What the run needs to be taken up again."""
        return self.logs / "run.json"

    @property
    def milestones(self) -> Path:
        """One YAML file per milestone."""
        return self.workspace / "milestones" / self.name

    @property
    def generated(self) -> Path:
        """The prototype and the report."""
        return self.workspace / "generated_projects" / self.name

    @property
    def project(self) -> Path:
        """The prototype, a git repository."""
        return self.generated / "project"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from working on this run; the system lets go of the lock if this one dies.

        Raises:
            InputError: another process does.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / "lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"the run {self.name!r} is under way in another process; wait for it, or stop it"
                ) from None
            yield

    @property
    def under_way(self) -> bool:
        """Whether a process works on this run now."""
        try:
            with (self.logs / "lock").open("r") as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def save(self, info: RunInfo) -> None:
        """Write the run's record."""
        write_text(self.info, info.model_dump_json(indent=1) + "\n")

    def load(self) -> RunInfo:
        """Read the run's record.

        Raises:
            InputError: it is damaged.
        """
        try:
            return RunInfo.model_validate_json(self.info.read_bytes())
        except ValueError as error:
            problem = str(error).splitlines()[0]
            raise InputError(f"{self.info}: is damaged ({problem}), so this run can't be resumed") from None


def new_run(workspace: Path, slug: str, name: str | None) -> RunFiles:
    """Make the folder of a new run, ``<slug>-<UTC date>-<n>`` unless ``name`` is given.

    Raises:
        InputError: as `check_name`.
    """
    if name is not None:
        check_name(workspace, name)
        return _reserved(workspace, name)
    base = f"{slug}-{datetime.now(UTC):%Y%m%d}"
    number = 1
    while True:
        with contextlib.suppress(InputError):
            check_name(workspace, f"{base}-{number}")
            return _reserved(workspace, f"{base}-{number}")
        number += 1


def check_name(workspace: Path, name: str) -> None:
    """Raise InputError if a new run can't be called ``name``: it is taken, or can't be a folder's."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise InputError(
            f"--run-name {name!r}: use letters, digits, '.', '_' and '-' (at most 80); begin with a letter or digit"
        )
    if name == "last":
        raise InputError("--run-name last: that stands for the newest run; choose another name")
    if RunFiles(workspace, name).info.exists():
        raise InputError(f"the run {name!r} exists already; use `milepost resume {name}`, or another --run-name")
    for folder in (workspace / top / name for top in ("logs", "generated_projects", "milestones")):
        if folder.exists():
            raise InputError(
                f"{folder} is there already, and no run that could be resumed; move it, or use another --run-name"
            )


def _reserved(workspace: Path, name: str) -> RunFiles:
    files = RunFiles(workspace, name)
    try:
        files.logs.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"the run {name!r} was begun by another process; take another --run-name") from None
    return files


def find_runs(workspace: Path) -> list[RunFiles]:
    """Return all runs of ``workspace``, newest first."""
    infos = (workspace / "logs").glob("*/run.json")
    return [RunFiles(workspace, p.parent.name) for p in sorted(infos, key=lambda p: p.stat().st_mtime, reverse=True)]


def open_run(workspace: Path, name: str) -> RunFiles:
    """Return the files of the run ``name`` (``last``: the newest).

    Raises:
        InputError: there is no such run; names the ones that exist.
    """
    runs = find_runs(workspace)
    if name == "last" and runs:
        return runs[0]
    found = next((r for r in runs if r.name == name), None)
    if found is None:
        known = f"; runs: {', '.join(r.name for r in runs[:5])}" if runs else ": it has none yet"
        raise InputError(f"there is no run {name!r} in {workspace}{known}; --workspace names another folder")
    return found


def write_milestone(files: RunFiles, milestone: Milestone) -> None:
    """Write the record of ``milestone`` as readable YAML."""
    text = yaml.safe_dump(milestone.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    write_text(files.milestones / f"{milestone.id}.yaml", text)
