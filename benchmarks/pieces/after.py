"""What comes after the draft of a function: python -m benchmarks.pieces.after [--second | --more untold,told,thinking]

Both take the drafts that `python -m benchmarks.pieces --kinds functions` has left in RESULTS.

``--second`` asks no model: it holds each draft (``stub``) against the version that is begun with a comment
(``comment``), as the pipeline does (`agents.choice`), and notes in RESULTS/second.jsonl whether the two agree, and
which of them is right. ``--more`` asks for four more versions of each draft that fails an example: ``untold``; ``told``
what failed, in the prompt; or told and ``thinking``, begun with a comment on what it will do, as in the pipeline. Each
outcome is appended to RESULTS/more.jsonl as soon as it is there, and not asked again.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.pieces import CHOICES, filled, write
from agents.ports import Model
from benchmarks.humaneval.arms import examined
from benchmarks.humaneval.problems import Problem, verdict
from benchmarks.machine import PACKAGES, append_row, commit, kept_outcomes, note_run
from benchmarks.pieces.__main__ import RESULTS, Piece, functions, placed, request_for
from benchmarks.settings import add_config, settings_of
from benchmarks.tables import table
from orchestrator.compose import build_models, build_sandbox, cache_folder
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.comparison import FEWEST_CALLS
from orchestrator.evidence.environment import ensure_environment
from orchestrator.evidence.examples import calls_in
from orchestrator.journal.store import RecordStore
from orchestrator.rubric import sure
from orchestrator.scratch import scratch
from schemas.test_report import Failure

__all__ = ["cases", "failing", "more", "second"]

WAYS = ("untold", "told", "thinking")
RESAMPLE = 0.7
"""Temperature of the further versions, as in the pipeline."""


async def second(pieces: Sequence[Piece], drafts: Mapping[str, Any], laboratory: Laboratory, to: Path) -> None:
    """Note in ``to`` whether each draft meets its examples, whether the second version comes to the same, and which of
    the two is right; a draft that is no code is left out."""
    done, began_with = kept_outcomes(to, "key"), commit()
    for piece in pieces:
        first, other = drafts[f"{piece.name} stub"], drafts[f"{piece.name} comment"]
        if piece.name in done or not first["code"] or piece.problem is None:
            continue
        draft, case = await _case(piece.problem, first["code"], other["code"], laboratory)
        right = {"draft_right": bool(first["passed"]), "second_right": bool(other["passed"])}
        append_row(to, {"key": piece.name, "draft": draft, "second": case, **right, "commit": began_with})


def cases(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of the cases: what the draft does with its examples, and whether the second version agrees."""
    found: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    rescued: Counter[tuple[str, str]] = Counter()
    for row in rows:
        case = row["draft"], row["second"]
        found[case] += 1
        right[case] += row["draft_right"]
        rescued[case] += row["second_right"] and not row["draft_right"]
    head = ["The draft", "The second", "Pieces", "Draft right", "Only second right"]
    return table(head, [(*case, found[case], right[case], rescued[case]) for case in sorted(found)], texts=2)


async def _case(problem: Problem, first: str, other: str | None, laboratory: Laboratory) -> tuple[str, str]:
    evidence, calls = await examined(problem, first, laboratory), calls_in(problem.prompt)
    holds = "has no example" if evidence is None else "meets its examples" if evidence.holds else "fails an example"
    if not calls or not other:
        return holds, "not comparable"
    shares = await laboratory.agreement([first], [first, other], calls)
    if shares.calls < FEWEST_CALLS or shares.results < 2:
        return holds, "too few results"
    return holds, "agrees" if shares.shares[0] >= sure(2) else "differs"


async def failing(
    pieces: Sequence[Piece], drafts: Mapping[str, Any], laboratory: Laboratory
) -> list[tuple[Piece, list[Failure]]]:
    """Return the pieces whose draft fails an example, each with what failed."""
    found = []
    for piece in pieces:
        draft = drafts[f"{piece.name} stub"]["code"]
        evidence = await examined(piece.problem, draft, laboratory) if draft and piece.problem else None
        if evidence and evidence.acceptance and evidence.acceptance.failures:
            found.append((piece, evidence.acceptance.failures))
    return found


async def more(
    model: Model,
    pieces: Sequence[tuple[Piece, Sequence[Failure]]],
    laboratory: Laboratory,
    ways: Sequence[str],
    to: Path,
) -> None:
    """Ask for four more versions of each draft that is `failing`, in each way that is not in ``to`` already."""
    done, began_with = kept_outcomes(to, "key", model.name), commit()
    for piece, failures in pieces:
        for way in (way for way in ways if f"{piece.name} {way}" not in done):
            assert piece.problem is not None  # it has failures
            row = await _versions(model, piece, piece.problem, way, failures, laboratory)
            append_row(to, {"key": f"{piece.name} {way}", "way": way, **row, "model": model.name, "commit": began_with})
            print(f"{piece.name} {way}: {row['right']} of {CHOICES} right, {row['output_tokens']} tokens", flush=True)


async def _versions(
    model: Model, piece: Piece, problem: Problem, way: str, failures: Sequence[Failure], laboratory: Laboratory
) -> dict[str, object]:
    context, symbol = placed(piece, piece.module)
    facts = [f"{f.source}\n{f.error.partition(chr(10) * 2)[0]}" for f in failures[:3]]
    told = () if way == "untold" else facts
    task = write(context, symbol, lambda *_: [], 1, told, thinking=way == "thinking")
    others = {"temperature": RESAMPLE, "sample": 1, "choices": CHOICES}
    request = request_for(model, piece, task, task.prefill or "").model_copy(update=others)
    reply = await model.reply(request, lambda _: None)
    right = holding = 0
    versions = []
    for text in (reply.text, *reply.alternatives):
        try:
            code = filled(context.files, symbol, task.parse(text))
        except ValueError:
            continue
        versions.append(code)
        evidence = await examined(problem, code, laboratory)
        holding += evidence is not None and evidence.holds
        right += await verdict(problem, code, laboratory)
    return {"right": right, "holding": holding, "output_tokens": reply.usage.output_tokens, "versions": versions}


def figures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of the ways: how many failing drafts each solves, with how many right versions, and its tokens."""
    lines = []
    for way in dict.fromkeys(row["way"] for row in rows):
        mine = [row for row in rows if row["way"] == way]
        tokens = sum(row["output_tokens"] for row in mine) / len(mine)
        solved, right = sum(row["right"] > 0 for row in mine), sum(row["right"] for row in mine)
        lines.append((way, len(mine), solved, f"{right} of {CHOICES * len(mine)}", f"{tokens:.0f}"))
    return table(["Way", "Drafts", "Solved", "Versions right", "Tokens out"], lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, or ask what was not asked yet; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--second", action="store_true")
    parser.add_argument("--more", metavar="WAYS", help=f"of {','.join(WAYS)}")
    parser.add_argument("--count", type=int, default=48, help="so many functions (48)")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--results", type=Path, default=RESULTS)
    add_config(parser)
    options = parser.parse_args(arguments)
    ways = options.more.split(",") if options.more else []
    if unknown := set(ways) - set(WAYS):
        parser.error(f"there is no way {', '.join(sorted(unknown))}; there are {', '.join(WAYS)}")
    if options.count < 1:
        parser.error("--count: at least one function")
    settings = settings_of(options.config)
    drafts = kept_outcomes(options.results / "functions.jsonl", "key")
    pieces = [
        piece
        for piece in functions(settings, options.count, options.seed)
        if {f"{piece.name} stub", f"{piece.name} comment"} <= drafts.keys()
    ]
    if not pieces:
        parser.error(f"{options.results} holds no drafts: python -m benchmarks.pieces --kinds functions makes them")
    environment = ensure_environment(cache_folder(settings), [])
    with scratch(0o700) as folder:
        laboratory = Laboratory(build_sandbox(settings, environment), environment, RecordStore(folder), mutants=0)
        if options.second or not ways:
            asyncio.run(second(pieces, drafts, laboratory, options.results / "second.jsonl"))
            print(*cases(list(kept_outcomes(options.results / "second.jsonl", "key").values())), sep="\n")
        if ways:
            models, to = build_models(settings, lambda *_: None), options.results / "more.jsonl"
            wanted = asyncio.run(failing(pieces, drafts, laboratory))
            if not {f"{piece.name} {way}" for piece, _ in wanted for way in ways} <= kept_outcomes(to, "key").keys():
                note_run(options.results, PACKAGES, more=options.more, count=options.count, seed=options.seed)
                asyncio.run(more(models.by_agent["impl"], wanted, laboratory, ways, to))
            asyncio.run(models.close())
            print(*figures(list(kept_outcomes(to, "key").values())), sep="\n")


if __name__ == "__main__":
    main()
