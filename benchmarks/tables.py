"""Tables in Markdown, which a terminal can show as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["row", "table"]


def row(*cells: object) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], texts: int = 1) -> list[str]:
    """Return the lines of a table whose first ``texts`` columns are texts, the others numbers."""
    return [row(*head), f"|{'---|' * texts}{'---:|' * (len(head) - texts)}", *(row(*cells) for cells in rows)]
