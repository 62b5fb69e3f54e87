"""The control run: tests turned round, so that each of them must fail where it passed before.

Code can't earn a pass with tests that nothing could fail: objects that equal everything, a patched pytest, a runner
that says "passed" whatever happens, an assert that is never reached. There are two control runs; in each, every other
test is turned round, chosen by lot, to ask for values near the right ones. Every test must fail in the one and pass in
the other, and a turned test differs from a straight one in nothing but what it asks for: so only code that knows the
right answers can do both. A test that could not show it, e.g. since it builds on another one, has a run of its own,
and must pass in one where nothing is turned.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.parsing import parse_module
from orchestrator.evidence.turned import Words, tests_of, turn_round
from schemas.test_report import TestReport

__all__ = ["Control", "controls", "shown_alone", "solo", "unfailing"]


@dataclass(frozen=True)
class Control:
    """The test files of one control run."""

    files: dict[str, str]
    turned: frozenset[tuple[str, str]]
    """Path and function name of each test that is turned round here."""

    def has_turned(self, node: str) -> bool:
        """Whether the test with node id ``node`` is turned round in this run."""
        return _place(node) in self.turned


def controls(files: Mapping[str, str], lot: random.Random) -> list[Control]:
    """Return two control runs of the test modules ``files``: what is straight in one is turned in the other."""
    chosen: tuple[set[tuple[str, str]], ...] = (set(), set())
    for path, source in files.items():
        tree = _parsed(source, path)
        names = sorted({test.name for test in tests_of(tree.body)}) if tree else []
        lot.shuffle(names)
        for run in (0, 1):
            chosen[run].update((path, name) for name in names[run::2])
    return [_control(files, some, lot) for some in chosen]


def solo(files: Mapping[str, str], node: str | None, lot: random.Random) -> Control:
    """Return a control run in which nothing is turned but the test ``node``; None: nothing at all."""
    return _control(files, {_place(node)} if node else set(), lot)


def _control(files: Mapping[str, str], chosen: set[tuple[str, str]], lot: random.Random) -> Control:
    made: dict[str, str] = {}
    turned: set[tuple[str, str]] = set()
    for path, source in files.items():
        tree = _parsed(source, path)
        if tree is None:  # no test module: data of a test, or a file that is a collection error already
            made[path] = source
            continue
        made[path], done = turn_round(tree, {name for place, name in chosen if place == path}, Words(lot))
        turned.update((path, name) for name in done)
    return Control(made, frozenset(turned))


def _parsed(source: str, path: str) -> ast.Module | None:
    try:
        return parse_module(source, path)
    except ValueError:
        return None


def _place(node: str) -> tuple[str, str]:
    """Return path and function name of a node id; its parameters may hold anything."""
    path, _, rest = node.partition("::")
    return path, rest.split("[", 1)[0].split("::")[-1]


def unfailing(straight: TestReport, runs: Sequence[tuple[Control, TestReport]]) -> list[str]:
    """Return the ids of tests that pass straight and are not shown to be able to fail, in the order they ran.

    That is shown by failing turned round in one run, and passing straight in another: code that recognises a control
    run, and fails in it whatever is asked, shows nothing. Nor does a run that broke off.
    """
    failed: set[str] = set()
    held: set[str] = set()
    for control, report in runs:
        for result in report.results if not report.ended else ():
            if control.has_turned(result.id):
                failed |= {result.id} if result.outcome in ("failed", "error") else set()
            elif result.outcome == "passed":
                held.add(result.id)
    return [r.id for r in straight.results if r.outcome == "passed" and not (r.id in failed and r.id in held)]


def shown_alone(straight: TestReport, node: str, control: Control, report: TestReport) -> bool:
    """Whether a run in which only ``node`` is turned shows that it can fail: it does, and what ran before it passed."""
    if report.ended or not control.has_turned(node):
        return False
    outcomes = {r.id: r.outcome for r in report.results}
    before = [r.id for r in straight.results if r.outcome == "passed"]
    before = before[: before.index(node)] if node in before else before
    same = [one for one in before if not control.has_turned(one)]
    return outcomes.get(node) in ("failed", "error") and all(outcomes.get(one) == "passed" for one in same)
