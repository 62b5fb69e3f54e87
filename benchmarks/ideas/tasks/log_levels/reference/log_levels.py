"""Counting the lines of a log by level."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d) (\S+) ([^\s:]+): (.*)")

Entry = tuple[datetime, str, str, str]


def parse_line(line: str) -> Entry | None:
    """Return time, level, source and message of a line."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1]), match[2], match[3], match[4]
    except ValueError:
        return None


def level_counts(lines: Iterable[str]) -> dict[str, int]:
    """Return how often each level occurs."""
    return dict(Counter(entry[1] for entry in map(parse_line, lines) if entry))


def main() -> int:
    """Print the counts of a file."""
    parser = argparse.ArgumentParser(prog="log_levels", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--since", type=datetime.fromisoformat)
    parser.add_argument("--source")
    options = parser.parse_args()
    if options.file is None:
        parser.print_help()
        return 0
    try:
        lines = options.file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    entries = [(line, parse_line(line)) for line in lines if line.strip()]
    kept = [
        line
        for line, entry in entries
        if entry and (options.since is None or entry[0] >= options.since) and options.source in (None, entry[2])
    ]
    for level, count in sorted(level_counts(kept).items(), key=lambda pair: (-pair[1], pair[0])):
        print(level, count)
    skipped = sum(entry is None for _, entry in entries)
    if skipped:
        print(f"skipped {skipped} lines", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
