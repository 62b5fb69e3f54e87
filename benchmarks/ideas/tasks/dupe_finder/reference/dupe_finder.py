"""Finding files with the same content."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of the file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_duplicates(folder: str | Path) -> list[list[str]]:
    """Return the groups of files with the same content."""
    root = Path(folder)
    groups: dict[str, list[str]] = {}
    for path in root.rglob("*"):
        if path.is_file() and path.stat().st_size:
            groups.setdefault(file_digest(path), []).append(path.relative_to(root).as_posix())
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def main() -> int:
    """Print the duplicates of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if not folder.is_dir():
        print(f"{folder} is no folder", file=sys.stderr)
        return 2
    groups = find_duplicates(folder)
    print("\n\n".join("\n".join(group) for group in groups) or "no duplicates")
    return 0


if __name__ == "__main__":
    sys.exit(main())
