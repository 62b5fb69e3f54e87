"""Changes of single lines, for small models: the schema admits no line but those that are there, each once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from schemas.code_change import Edit

__all__ = ["edit_of", "lines_of"]

MOST = 200
"""So many lines may be chosen from: a grammar of thousands would take longer to build than the reply."""


def lines_of(files: Mapping[str, str]) -> dict[str, str]:
    """Return line → path for the lines of ``files`` that stand there exactly once, `MOST` at most."""
    lines = [(line, path) for path, source in files.items() for line in source.splitlines() if line.strip()]
    count = Counter(line for line, _ in lines)
    return dict([(line, path) for line, path in lines if count[line] == 1][:MOST])


def edit_of(path: str, line: str, instead: str) -> Edit | None:
    """Return the edit that puts ``instead``, indented as the line is, in its place; None where it changes nothing."""
    indent = line[: len(line) - len(line.lstrip())]
    add = "\n".join(indent + part.strip("\n").removeprefix(indent) for part in instead.split("\n"))
    return None if add.split() == line.split() else Edit(path=path, remove=line, add=add)
