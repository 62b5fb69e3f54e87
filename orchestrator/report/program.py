"""The report on one program, and the program itself."""

from __future__ import annotations

from orchestrator.files import write_text
from orchestrator.report.write import template
from orchestrator.workspace.layout import RunFiles
from schemas.refinement import PROGRAM, Refinement

__all__ = ["read_program", "write_program"]


def read_program(files: RunFiles) -> Refinement | None:
    """Return the report that is there; None where there is none, or another version's."""
    try:
        return Refinement.model_validate_json((files.generated / "report.json").read_bytes())
    except (OSError, ValueError):
        return None


def write_program(files: RunFiles, result: Refinement) -> None:
    """Write ``program.py``, ``report.json`` and ``report.md``."""
    if result.delivered is not None:
        write_text(files.generated / PROGRAM, result.delivered.program)
    write_text(files.generated / "report.json", result.model_dump_json(indent=1) + "\n")
    write_text(files.generated / "report.md", template("program.md.j2").render(report=result, program=PROGRAM))
