"""What the embedded model's measures bring to a whole run: python -m benchmarks.unaided [--rounds N]

``milepost run IDEA`` in turns, as it is and with all measures off: nothing is guessed, no prompt is kept in the cache,
one reply is written at a time, none is begun, and no text stops one. Each in a process of its own, in an empty folder,
with the usual settings (no key). Writes ``benchmarks/results/unaided.json``, of which `python -m benchmarks.speed
--page` tells. About half an hour for two rounds on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.models import embedded
from benchmarks.checkouts import run
from benchmarks.machine import PACKAGES, ROOT, measured_with
from benchmarks.speed import UNAIDED as RESULTS
from benchmarks.speed import Unguessed
from orchestrator import cli
from orchestrator.files import write_text
from schemas.call import ModelRequest

OFF = "--all-off"
WAYS = {"as it is": ("orchestrator",), "all measures off": ("benchmarks.unaided", OFF)}


class Unaided(Unguessed):
    """The model without any of the measures."""

    def __init__(self, path: Path, *, threads: int, context_tokens: int = 16_384, parallel: int = 4) -> None:
        super().__init__(path, threads=threads, context_tokens=context_tokens, parallel=min(parallel, 1))
        self._traits = replace(self._traits, prefill=False, choices=1)

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        return {**super()._body(request), "cache_prompt": False}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print and write down; or run the command line itself without the measures."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == [OFF]:
        embedded.EmbeddedModel = Unaided  # type: ignore[misc]  # what the command line makes its model of
        return cli.main(given[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--idea", type=Path, default=ROOT / "examples" / "text_stats.yaml")
    parser.add_argument("--rounds", type=int, default=2, choices=range(1, 10))
    options = parser.parse_args(given)
    rows: list[dict[str, Any]] = []
    for number in range(options.rounds):
        for way in list(WAYS)[:: -1 if number % 2 else 1]:
            rows.append({"way": way, **run(ROOT, options.idea.absolute(), WAYS[way])})
            print(json.dumps(rows[-1]), flush=True)
    measured = {"measured_with": measured_with(PACKAGES), "idea": options.idea.name, "runs": rows}
    write_text(RESULTS, json.dumps(measured, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
