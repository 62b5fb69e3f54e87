"""HumanEval by several ways: python -m benchmarks.humaneval [--arms single,resample,refine] [--sample N --seed S]

Each problem's outcome is appended to RESULTS/<arm>.jsonl as soon as it is there, with every call in
RESULTS/transcripts/<arm>.jsonl, and not asked again: a run that was stopped goes on where it was.
`python -m benchmarks.humaneval.report` makes the figures. ``--again`` asks no model: it runs the kept programs once
more, and says which verdicts come out otherwise. ``--reuse RESULTS`` gives an arm the replies in its transcripts there,
``--reuse RESULTS:ARM`` those of another arm, which may have asked the same: so anyone can follow from the replies how a
verdict came about, the same replies show what a changed rule makes of them, and only what they do not hold is asked
of a model. ``--config FILE`` gives the settings of another model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agents.ports import ModelError
from benchmarks.humaneval.arms import ARMS, Bench, Solution, examined
from benchmarks.humaneval.problems import Problem, load, remaining, sampled, verdict
from benchmarks.humaneval.transcripts import Recorded, known_calls
from benchmarks.machine import PACKAGES, append_row, commit, kept_outcomes, note_run
from benchmarks.settings import add_config, settings_of
from orchestrator.compose import build_models, build_sandbox, cache_folder
from orchestrator.config import Settings
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.environment import ensure_environment
from orchestrator.files import write_text
from orchestrator.journal.store import RecordStore
from schemas.errors import AgentFailure

RESULTS = Path(__file__).resolve().parents[1] / "results" / "humaneval"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--sample", type=int, metavar="N", help="so many problems (default: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--apart-from", type=_count_and_seed, metavar="N:SEED", help="none that --sample N --seed SEED takes"
    )
    parser.add_argument("--budget", type=int, default=1_500, help="output tokens a problem for resampling")
    parser.add_argument("--budget-of", metavar="ARM", help="instead, what this arm has used on the same problem")
    parser.add_argument("--minutes", type=float, help="stop after so long; the next run goes on")
    parser.add_argument("--reuse", type=_folder_and_arm, action="append", default=[], metavar="RESULTS[:ARM]")
    parser.add_argument("--again", action="store_true", help="only run the kept programs once more")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--workspace", type=Path, default=Path("humaneval-runs"))
    add_config(parser)
    options = parser.parse_args(arguments)
    arms = options.arms.split(",")
    if unknown := set(arms) - set(ARMS):
        parser.error(f"there is no arm {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    if options.sample is not None and options.sample < 1:
        parser.error("--sample: at least one problem")
    compared = kept_outcomes(options.results / f"{options.budget_of}.jsonl", "task") if options.budget_of else {}
    if options.budget_of and not compared:
        parser.error(f"--budget-of: {options.results} holds no outcomes of an arm {options.budget_of}")
    settings = settings_of(options.config)
    defaults = Settings().public()
    problems = load(cache_folder(settings) / "humaneval")
    if options.apart_from:
        problems = remaining(problems, *options.apart_from)
    if options.sample:
        problems = sampled(problems, options.sample, options.seed)
    environment = ensure_environment(cache_folder(settings), [])
    sandbox = build_sandbox(settings, environment)
    store = RecordStore(options.workspace.absolute() / "facts")
    laboratory = Laboratory(sandbox, environment, store, test_seconds=15.0, mutants=0)
    if options.again:
        asyncio.run(_again(problems, arms, options.results, laboratory))
        return
    model = Recorded(build_models(settings, lambda *_: None).by_agent["generator"])
    bench = Bench(
        model=model,
        settings=settings,
        sandbox=sandbox,
        environment=environment,
        laboratory=laboratory,
        workspace=options.workspace.absolute(),
        budget=options.budget,
        budgets={task: row["output_tokens"] for task, row in compared.items() if "output_tokens" in row},
        known={arm: known_calls([(folder, of or arm) for folder, of in options.reuse], model.name) for arm in arms},
        commit=commit(),
    )
    until = time.monotonic() + 60 * options.minutes if options.minutes else None
    for arm in arms:  # of another model, or with another budget: nothing is noted
        kept = kept_outcomes(options.results / f"{arm}.jsonl", "task", bench.model.name)
        if others := [task for task, row in kept.items() if row.get("budget", bench.of(task)) != bench.of(task)]:
            raise SystemExit(
                f"{arm}: {others[0]} and perhaps others were run with another budget: give another --results"
            )
    kept_tasks = {arm: kept_outcomes(options.results / f"{arm}.jsonl", "task").keys() for arm in arms}
    if all(problem.name in tasks for problem in problems for tasks in kept_tasks.values()):
        print(f"{options.results} holds all of that already: python -m benchmarks.humaneval.report makes the page")
        return
    (options.results / "transcripts").mkdir(parents=True, exist_ok=True)
    note_run(
        options.results,
        PACKAGES,
        arms=options.arms,
        sample=options.sample,
        seed=options.seed,
        apart_from=options.apart_from,
        settings={name: value for name, value in settings.public().items() if value != defaults[name]},
        budget=options.budget_of or options.budget,
        model=bench.model.name,
        reuse=[":".join(filter(None, (folder.resolve().name, of))) for folder, of in options.reuse],
    )
    asyncio.run(_all(bench, arms, problems, options.results, until))


def _count_and_seed(text: str) -> tuple[int, int]:
    count, _, seed = text.partition(":")
    if not (count.isdecimal() and seed.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not N:SEED, such as 60:1")
    return int(count), int(seed)


def _folder_and_arm(text: str) -> tuple[Path, str]:
    folder, _, arm = text.rpartition(":")
    return (Path(folder), arm) if folder and arm in ARMS else (Path(text), "")


async def _all(bench: Bench, arms: list[str], problems: list[Problem], results: Path, until: float | None) -> None:
    """Problem by problem through all arms, so that a run that is cut short has compared what it has."""
    done = {arm: kept_outcomes(results / f"{arm}.jsonl", "task") for arm in arms}
    try:
        for problem in problems:
            for arm in arms:
                if until is not None and time.monotonic() > until:
                    return
                if arm == "resample" and bench.budgets and problem.name not in bench.budgets:
                    continue  # nothing yet to compare it with
                if problem.name not in done[arm]:
                    bench.model.known = bench.known[arm].get(problem.name, {})
                    row = await _one(bench, arm, problem)
                    append_row(results / "transcripts" / f"{arm}.jsonl", bench.model.transcript(problem.name))
                    append_row(results / f"{arm}.jsonl", row)
                    print(
                        f"{problem.name} {arm}: {'passed' if row['passed'] else 'failed'}, {row['seconds']} s",
                        flush=True,
                    )
    finally:
        await bench.model.model.close()


async def _one(bench: Bench, arm: str, problem: Problem) -> dict[str, object]:
    began = time.monotonic()
    bench.model.calls.clear()
    bench.model.reused.clear()
    error: dict[str, object] = {}
    try:
        solution = await ARMS[arm](bench, problem)
    except AgentFailure as failure:
        solution, error = Solution(""), {"error": str(failure)[:300]}
    except ModelError as lost:  # that says nothing of the arm: no outcome
        raise SystemExit(f"{problem.name}: {bench.model.name}: {lost}") from lost
    seconds = round(time.monotonic() - began + bench.model.spared, 1)
    usage = bench.model.usage
    return {
        "task": problem.name,
        **await _scored(problem, solution.code, bench.laboratory),
        **error,
        "seconds": seconds,
        "accepted": solution.accepted,
        **({"budget": bench.of(problem.name)} if arm == "resample" else {}),
        "calls": len(bench.model.calls),
        "reused": len(bench.model.reused),
        "cycles": solution.cycles,
        "input_tokens": usage.input_tokens + usage.cache_write_tokens,
        "cached_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "code": solution.code,
        "model": bench.model.name,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": bench.commit,
    }


async def _scored(problem: Problem, code: str, laboratory: Laboratory) -> dict[str, bool | None]:
    """Return whether the data set's tests pass, and whether the docstring's examples hold (None: there are none)."""
    evidence = await examined(problem, code, laboratory)
    return {
        "passed": await verdict(problem, code, laboratory),
        "examples": None if evidence is None else evidence.holds,
    }


async def _again(problems: list[Problem], arms: list[str], results: Path, laboratory: Laboratory) -> None:
    """Score the programs of ``arms`` once more, and write the outcomes anew."""
    for arm in arms:
        path = results / f"{arm}.jsonl"
        rows = kept_outcomes(path, "task")
        for problem in (problem for problem in problems if "code" in rows.get(problem.name, {})):
            row = rows[problem.name]
            before = {key: row.get(key) for key in ("passed", "examples")}
            row.update(await _scored(problem, row["code"], laboratory))
            if changed := [key for key, value in before.items() if value is not None and value != row[key]]:
                print(f"{problem.name} {arm}: {', '.join(f'{key} is {row[key]} now' for key in changed)}", flush=True)
        if rows:
            write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows.values()))
            print(f"{arm}: {len(rows)} outcomes", flush=True)


if __name__ == "__main__":
    main()
