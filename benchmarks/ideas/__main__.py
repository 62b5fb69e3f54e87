"""Ideas, turned into prototypes and scored: python -m benchmarks.ideas [--arms single,pipeline,resample] [--ideas a,b]

Each outcome is appended to RESULTS/<arm>.jsonl as soon as it is there, and not asked again: a run that was stopped goes
on where it was. `python -m benchmarks.ideas.report` makes the figures.

All arms use the embedded model with default settings, or what ``--config FILE`` and the environment say. The one
setting that is not the default's is a limit of time (--idea-minutes).
``resample`` may use as many output tokens as ``pipeline`` took for the same idea, which must be there first.

What an arm delivered is kept in RESULTS/deliveries/<arm>-<idea>.json, path → content.

`python -m benchmarks.ideas --verify` asks no model: it holds every reference against all checks, and a project whose
functions do nothing against the held-out ones; it writes down (RESULTS/refusing.json) how many of these pass on one
whose functions refuse everything. Do that after changing an idea; ideas with dependencies need the network the first
time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.ideas.arms import ARMS, Bench, Delivery
from benchmarks.ideas.task import Task, chosen, emptied, load, outcomes, refusing
from benchmarks.machine import PACKAGES, append_row, commit, kept_outcomes, note_run
from benchmarks.settings import add_config, settings_of
from orchestrator.compose import build_models, build_sandbox, cache_folder
from orchestrator.config import Settings
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.evidence.environment import Environment, ensure_environment
from orchestrator.files import write_text
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.port import Sandbox
from orchestrator.scratch import scratch
from schemas.errors import MilepostError

RESULTS = Path(__file__).resolve().parents[1] / "results" / "ideas"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not there yet. Returns 0, or 1 where something could not be run or verified."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--ideas", metavar="A,B", help="only these (default: all)")
    parser.add_argument("--minutes", type=float, help="begin nothing after so long; the next run goes on")
    parser.add_argument("--idea-minutes", type=float, default=60.0, help="limit of each run of the pipeline (60)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--workspace", type=Path, default=Path("ideas-runs"), help="where the runs are kept")
    parser.add_argument("--verify", action="store_true", help="try the ideas themselves, without a model")
    add_config(parser)
    options = parser.parse_args(arguments)
    tasks = chosen(load(), options.ideas)
    settings = settings_of(options.config)
    rooms = _Rooms(settings)
    if options.verify:
        return max([verify(task, *rooms.room(task), options.results) for task in tasks])
    arms = options.arms.split(",")
    if unknown := set(arms) - set(ARMS):
        parser.error(f"there is no arm {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    until = time.monotonic() + 60 * options.minutes if options.minutes else None
    try:
        model = build_models(settings, lambda *_: None).by_agent["impl"].name
    except MilepostError as problem:
        raise SystemExit(str(problem)) from problem
    for arm in arms:
        kept_outcomes(options.results / f"{arm}.jsonl", "idea", model)  # of another model: nothing is noted
    done = {arm: kept_outcomes(options.results / f"{arm}.jsonl", "idea").keys() for arm in arms}
    if all(task.name in names for task in tasks for names in done.values()):
        print(f"{options.results} holds all of that already: python -m benchmarks.ideas.report makes the page")
        return 0
    note_run(options.results, PACKAGES, arms=options.arms, idea_minutes=options.idea_minutes, model=model)
    worst, began_with = 0, commit()
    for task in tasks:  # idea by idea through all arms, so that a run that is cut short has compared what it has
        for arm in arms:
            path = options.results / f"{arm}.jsonl"
            if task.name in kept_outcomes(path, "idea"):
                continue
            spent = kept_outcomes(options.results / "pipeline.jsonl", "idea").get(task.name)
            if arm == "resample" and spent is None:
                continue  # nothing yet to compare it with
            if until is not None and time.monotonic() > until:
                return worst
            try:
                sandbox, environment = rooms.room(task)
                folder = _new_folder(options.workspace.absolute(), f"{arm}-{task.name}")
                budget = spent["output_tokens"] if spent else 0
                bench = Bench(settings, sandbox, environment, folder, options.idea_minutes, budget, options.config)
                found = {**run(task, arm, bench, options.results / "deliveries"), "commit": began_with}
            except MilepostError as problem:  # no outcome: the next run tries again
                print(f"{task.name} {arm}: could not be run: {problem}", flush=True)
                worst = 1
                continue
            append_row(path, found)
            print(
                f"{task.name} {arm}: {found['held_out_passed']} of {found['held_out_total']} held-out checks, "
                f"{'accepted' if found['accepted'] else 'not accepted'}, {found['seconds']} s",
                flush=True,
            )
    return worst


def run(task: Task, arm: str, bench: Bench, deliveries: Path) -> dict[str, Any]:
    """Return the outcome of one arm on one idea; what it delivered is kept in ``deliveries``.

    Raises:
        MilepostError: what the arm needs is not there; that says nothing about the arm.
    """
    began = time.monotonic()
    delivery = ARMS[arm](bench, task)
    seconds = round(time.monotonic() - began, 1)
    deliveries.mkdir(parents=True, exist_ok=True)
    kept = {path: text for path, text in delivery.files.items() if not path.startswith("acceptance/")}
    write_text(deliveries / f"{arm}-{task.name}.json", json.dumps(kept, indent=1) + "\n")
    try:
        scored = asyncio.run(outcomes(task, delivery.files, bench.sandbox, bench.environment))
    except ValueError as problem:  # a path that can't be written
        delivery.error = delivery.error or str(problem)[:300]
        scored = dict.fromkeys(task.tests, "error")
    return row(task, arm, delivery, scored, seconds)


def row(task: Task, arm: str, delivery: Delivery, scored: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Return what is kept of an outcome; ``scored`` is each held-out check's."""
    usage = delivery.usage
    return {
        "idea": task.name,
        "arm": arm,
        "held_out_passed": sum(scored.get(name) == "passed" for name in task.tests),
        "held_out_total": len(task.tests),
        "held_out": {name: scored.get(name, "error") for name in task.tests},
        "accepted": delivery.accepted,
        "visible_passed": delivery.visible_passed,
        "visible_total": sum(bool(check.check) for check in task.idea.acceptance),
        "milestones_accepted": delivery.milestones_accepted,
        "milestones": delivery.milestones,
        "attempts": delivery.attempts,
        "calls": delivery.calls,
        "input_tokens": usage.input_tokens + usage.cache_write_tokens,
        "cached_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "seconds": seconds,
        "model": ", ".join(delivery.models),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "exit_code": delivery.exit_code,
        "error": delivery.error,
    }


def verify(task: Task, sandbox: Sandbox, environment: Environment, results: Path) -> int:
    """Print what is wrong with an idea, and write down in ``results`` what a project that refuses everything passes.
    Returns 1 where anything is wrong."""
    problems = []
    with scratch(0o700) as folder:
        laboratory = Laboratory(sandbox, environment, RecordStore(folder))
        runs = task.idea.run is not None
        subject = Subject(task.reference, task.idea, task.idea.acceptance, runs_program=runs)
        evidence = asyncio.run(laboratory.examine(subject))
    if not evidence.holds or evidence.acceptance is None:
        problems.append(f"the reference fails visible checks: {[f.test for f in evidence.failures]}")
    if evidence.program is not None and not evidence.program.ok:
        problems.append(f"the reference does not run: {evidence.program}")
    full = asyncio.run(outcomes(task, task.reference, sandbox, environment))
    if failed := [name for name, outcome in full.items() if outcome != "passed"]:
        problems.append(f"the reference fails held-out checks: {failed}")
    empty = asyncio.run(outcomes(task, emptied(task.reference), sandbox, environment))
    if passed := [name for name, outcome in empty.items() if outcome == "passed"]:
        problems.append(f"held-out checks pass where no function does anything: {passed}")
    refused = asyncio.run(outcomes(task, refusing(task.reference), sandbox, environment))
    path = results / "refusing.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[task.name] = sorted(name for name, outcome in refused.items() if outcome == "passed")
    results.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    print(f"{task.name}: {'; '.join(problems) or f'holds, {len(full)} held-out checks'}", flush=True)
    return bool(problems)


class _Rooms:
    """Sandbox and environment for the dependencies of an idea; a sandbox is tried out once for each environment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[tuple[str, ...], tuple[Sandbox, Environment]] = {}

    def room(self, task: Task) -> tuple[Sandbox, Environment]:
        """Return those of ``task``.

        Raises:
            Unavailable: they can't be had.
        """
        needs = tuple(task.idea.constraints.dependencies)
        if needs not in self._made:
            environment = ensure_environment(cache_folder(self._settings), list(needs))
            self._made[needs] = build_sandbox(self._settings, environment), environment
        return self._made[needs]


def _new_folder(workspace: Path, name: str) -> Path:
    """Make a folder that was never used: a run that was cut off is not taken up, and leaves nothing to the next."""
    number = 1
    while True:
        folder = workspace / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the run it waits for ends, too
    raise SystemExit(main())
