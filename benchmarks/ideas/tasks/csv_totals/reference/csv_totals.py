"""Totals of a CSV file, by group."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of the file, column name to text."""
    with Path(path).open(encoding="utf-8", newline="") as stream:
        return [
            {name.strip(): (cell or "").strip() for name, cell in row.items() if name is not None}
            for row in csv.DictReader(stream)
        ]


def group_totals(rows: Sequence[Mapping[str, str]], group: str, value: str) -> dict[str, float]:
    """Return the total of the column ``value`` for each text of the column ``group``."""
    totals: dict[str, float] = {}
    for row in rows:
        totals[row[group]] = totals.get(row[group], 0.0) + float(row[value] or 0)
    return totals


def main() -> int:
    """Print the totals of a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("group")
    parser.add_argument("value")
    parser.add_argument("--top", type=int)
    options = parser.parse_args()
    try:
        totals = group_totals(read_rows(options.file), options.group, options.value)
    except KeyError as error:
        print(f"there is no column {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    lines = sorted(totals.items())
    if options.top is not None:
        lines = sorted(lines, key=lambda line: -line[1])[: options.top]
    for name, total in lines:
        print(f"{name}: {total:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
