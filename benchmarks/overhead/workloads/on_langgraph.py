"""The workload on LangGraph: a graph of five nodes, its SQLite checkpointer after each.

``--variant sync`` or ``async`` is LangGraph's ``durability``: whether the next step waits for the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.overhead.workloads.payload import STAGES, reply, retried
from benchmarks.overhead.workloads.probe import Probe


class State(TypedDict, total=False):
    """What the nodes hand on. A key is set by the node of that name; ``test`` and ``eval`` by no other."""

    milestone: int
    attempt: int
    spec: str
    arch: str
    impl: str
    test: str
    eval: str


def node(stage: str, probe: Probe) -> Callable[[State], dict[str, Any]]:
    """Return the node of ``stage``."""

    def work(state: State) -> dict[str, Any]:
        probe.ready()
        number, attempt = state["milestone"], state["attempt"]
        said = reply(stage, number, attempt)
        if stage != "eval":
            return {stage: said}
        if retried(number) and attempt == 1:
            return {stage: said, "attempt": 2}
        probe.done(number)
        return {stage: said, "attempt": 1, "milestone": number + 1}

    return work


def main() -> None:
    """Run it."""
    probe = Probe()

    def after(state: State) -> str:
        if state["attempt"] == 2:
            return "impl"
        return "spec" if state["milestone"] <= probe.milestones else END

    graph = StateGraph(State)
    for stage in STAGES:
        graph.add_node(stage, node(stage, probe))
    graph.add_edge(START, STAGES[0])
    for first, second in pairwise(STAGES):
        graph.add_edge(first, second)
    graph.add_conditional_edges("eval", after, ["impl", "spec", END])
    with SqliteSaver.from_conn_string(str(probe.store / "checkpoints.sqlite")) as saver:
        graph.compile(checkpointer=saver).invoke(
            {"milestone": 1, "attempt": 1},
            {"configurable": {"thread_id": "overhead"}, "recursion_limit": 10**9},
            durability=probe.variant,
        )
        probe.report()


if __name__ == "__main__":
    main()
