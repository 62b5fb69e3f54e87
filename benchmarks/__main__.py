"""Make every page of figures again from the committed results: python -m benchmarks

Measuring is each benchmark's own command; docs/benchmarks.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import examples, speed
from benchmarks.humaneval import report as humaneval
from benchmarks.ideas import report as ideas
from benchmarks.overhead import report as overhead
from benchmarks.pieces import report as pieces
from benchmarks.tokens import report as tokens

RESULTS = Path(__file__).with_name("results")
PAGES: Mapping[str, Callable[[], object]] = {
    "examples": lambda: examples.main(["--page"]),
    "humaneval": lambda: humaneval.main([]),
    "ideas": lambda: ideas.main([]),
    "overhead": lambda: overhead.main([]),
    "pieces": lambda: pieces.main([]),
    "tokens": lambda: tokens.main([]),
    "speed": lambda: speed.main(["--page"]),
}


def main() -> None:
    """Write the pages of those benchmarks that have results."""
    for name, write in PAGES.items():
        if (RESULTS / name).is_dir() or (RESULTS / f"{name}.json").is_file():
            write()
            print(f"docs/{name}.md")
        else:
            print(f"{name}: no results yet: python -m benchmarks.{name}")


if __name__ == "__main__":
    main()
