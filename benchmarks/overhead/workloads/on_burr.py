"""The workload on Burr: an application of five actions, its SQLite persister after each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from burr.core import ApplicationBuilder, State, action, default, expr
from burr.core.persistence import SQLitePersister

from benchmarks.overhead.workloads.payload import STAGES, reply, retried
from benchmarks.overhead.workloads.probe import Probe


def work(stage: str, probe: Probe) -> Callable[[Any], Any]:
    """Return the action of ``stage``."""

    def function(state: State) -> State:
        probe.ready()
        number, attempt = state["milestone"], state["attempt"]
        said = reply(stage, number, attempt)
        if stage != "eval":
            return state.update(**{stage: said})
        if retried(number) and attempt == 1:
            return state.update(eval=said, attempt=2)
        probe.done(number)
        return state.update(eval=said, attempt=1, milestone=number + 1)

    read = ["milestone", "attempt"]
    written = [stage, "milestone", "attempt"] if stage == "eval" else [stage]
    made: Callable[[Any], Any] = action(reads=read, writes=written)(function)
    return made


def end(state: State) -> State:
    """Nothing is left to do."""
    return state


def main() -> None:
    """Run it."""
    probe = Probe()
    persister = SQLitePersister.from_values(str(probe.store / "state.sqlite"))
    persister.initialize()
    application = (
        ApplicationBuilder()
        .with_actions(**{stage: work(stage, probe) for stage in STAGES}, end=action(reads=[], writes=[])(end))
        .with_transitions(
            *pairwise(STAGES),
            ("eval", "impl", expr("attempt == 2")),
            ("eval", "spec", expr(f"milestone <= {probe.milestones}")),
            ("eval", "end", default),
        )
        .with_identifiers(app_id="overhead")
        .with_state(milestone=1, attempt=1)
        .with_entrypoint(STAGES[0])
        .with_state_persister(persister)
        .build()
    )
    application.run(halt_after=["end"])
    probe.report()


if __name__ == "__main__":
    main()
