"""The port behind which generated code runs. Nothing else in Milepost starts generated code."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from schemas.evidence import Execution

__all__ = ["Command", "Result", "Sandbox"]


@dataclass(frozen=True)
class Command:
    """What to run, where, and within which bounds."""

    argv: tuple[str, ...]
    """``python`` as first word is the interpreter of `environment`."""
    project: Path
    """Seen read-only as the working folder, at the path that `Sandbox.place` tells."""
    environment: Path
    """A virtual environment, seen read-only at its own path."""
    readable: tuple[Path, ...] = ()
    """Further files and folders, seen read-only at their own paths."""
    variables: dict[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    memory_bytes: int = 2_000_000_000
    """Of all processes together."""
    tmp_bytes: int = 200_000_000
    processes: int = 128
    output_bytes: int = 400_000
    report: bool = False
    """Whether the command writes a report to the file descriptor that ``MILEPOST_REPORT_FD`` names."""


@dataclass(frozen=True)
class Result:
    """What the command did, and the report it wrote, if it was asked for one."""

    execution: Execution
    report: bytes = b""


class Sandbox(Protocol):
    """Runs generated code so that it can harm nothing."""

    @property
    def name(self) -> str:
        """How the report calls it, e.g. ``bubblewrap``."""

    def place(self, project: Path) -> str:
        """Return the path at which a command sees ``project``."""

    async def run(self, command: Command) -> Result:
        """Run ``command`` and return what happened; nothing of it is left running.

        Raises:
            Unavailable: the sandbox could not be made; nothing ran.
        """
