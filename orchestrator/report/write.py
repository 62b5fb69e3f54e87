"""Writing the final report: ``report.json``, and ``report.md`` for people."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from orchestrator.files import write_text
from orchestrator.rubric import in_words
from orchestrator.text import harmless
from orchestrator.workspace.layout import RunFiles
from schemas.report import FinalReport

__all__ = ["markdown", "read_report", "template", "write_report"]

CELL = 160
"""Characters that a cell of a table shows."""


def write_report(files: RunFiles, report: FinalReport) -> None:
    """Write both forms beside the project."""
    write_text(files.generated / "report.json", report.model_dump_json(indent=1) + "\n")
    write_text(files.generated / "report.md", markdown(report))


def read_report(files: RunFiles) -> FinalReport | None:
    """Return the report that is there; None where there is none, or another version's."""
    try:
        return FinalReport.model_validate_json((files.generated / "report.json").read_bytes())
    except (OSError, ValueError):
        return None


def markdown(report: FinalReport) -> str:
    """Return the report as Markdown."""
    return template("report.md.j2").render(report=report, rubric=in_words())


def template(name: str) -> Template:
    """Return a template of a report. Its filters make texts of models and programs harmless: one line, or fenced."""
    environment = Environment(
        loader=PackageLoader("orchestrator", "report"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  (Markdown; the filters below escape what is not ours)
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(line=_line, code=_code, cell=_cell, block=_block, duration=_duration)
    return environment.get_template(name)


def _line(text: object) -> str:
    """One line of plain text, without HTML or links of somebody else's making."""
    flat = _flat(text)
    # An underscore inside a word marks nothing, so names stay readable.
    flat = re.sub(r"[\\`*\[\]<|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", flat)
    flat = re.sub(r"&(?=[#\w]+;)", "&amp;", flat)
    # Its beginning could make the line a heading, a quotation, a list, a rule or a fence.
    return re.sub(r"^(\d*)(?=[#>~=+-]|(?<=\d)[.)](?= |$))", r"\1\\", flat)


def _flat(text: object) -> str:
    return " ".join(harmless(str(text)).split())


def _code(text: object) -> str:
    """Inline code that its content can't end."""
    return "`" + _flat(text).replace("`", "'").replace("|", "¦") + "`"


def _cell(text: object) -> str:
    flat = _flat(text)
    return _line(flat if len(flat) <= CELL else f"{flat[: CELL - 1]}…")


def _block(text: str) -> str:
    """A fenced block that its content can't close."""
    text = harmless(text)
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
