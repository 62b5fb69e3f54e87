"""The pages of the benchmarks: made of the committed rows, in their tables and in their words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import examples, speed
from benchmarks.__main__ import RESULTS
from benchmarks.humaneval.arms import ARMS
from benchmarks.humaneval.report import page, summary
from benchmarks.ideas import report as ideas
from benchmarks.ideas.arms import ARMS as IDEA_ARMS
from benchmarks.machine import ROOT, kept_outcomes, page_folder
from benchmarks.overhead import report as overhead
from benchmarks.pieces import report as pieces
from benchmarks.tokens import report as tokens
from tests.helpers import go
from tests.replies import RETRY


def _read(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _kept(name: str, arms: Iterable[str], key: str) -> dict[str, Any]:
    found = {arm: kept_outcomes(RESULTS / name / f"{arm}.jsonl", key) for arm in arms}
    return {arm: outcomes for arm, outcomes in found.items() if outcomes}


PAGES: dict[str, Callable[[list[str]], str]] = {
    "examples": lambda _: examples.page(_read("examples")),
    "humaneval": lambda plots: page(summary(_kept("humaneval", ARMS, "task")), plots),
    "ideas": lambda plots: ideas.page(ideas.summary(_kept("ideas", IDEA_ARMS, "idea"), _read("ideas/refusing")), plots),
    "overhead": lambda _: overhead.page(_read("overhead")),
    "pieces": lambda _: pieces.page(RESULTS / "pieces"),
    "speed": lambda _: speed.page(_read("speed")),
    "tokens": lambda _: tokens.page(_read("tokens")),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_committed_rows_make(name: str) -> None:
    committed = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert PAGES[name](re.findall(r"\(plots/([\w-]+\.svg)\)", committed)) == committed


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def test_the_main_figures_in_the_words_of_the_pages_are_those_of_the_rows() -> None:
    told = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in PAGES}
    of = summary(_kept("humaneval", ARMS, "task"))
    refine, single = of["arms"]["refine"], of["arms"]["single"]
    low, high = map(_percent, refine["interval"])
    solved = f"**`refine` solves {refine['passed']} ({_percent(refine['pass@1'])} %; 95 %: {low} to {high}), one greedy"
    assert f"{solved} reply {single['passed']} ({_percent(single['pass@1'])} %)**" in told["humaneval"]
    of_60 = {arm: of["common"][arm]["passed"] for arm in ("pipeline", "single", "resample", "refine")}
    words = "`pipeline` solves {pipeline} of the 60, one reply {single}, resampling {resample}, `refine` {refine}."
    assert words.format(**of_60) in " ".join(told["humaneval"].split())
    later = kept_outcomes(RESULTS / "humaneval" / "later" / "refine.jsonl", "task").values()
    accepted = [row["passed"] for row in later if row["accepted"]]
    again = f"solves the same {sum(row['passed'] for row in later)}, accepts {len(accepted)}, {sum(accepted)} of these"
    assert (again in " ".join(told["humaneval"].split()), sum(r["passed"] for r in later)) == (True, refine["passed"])
    whole = _read("checkouts")
    each: dict[bool, list[str]] = {True: [], False: []}
    for run in whole["runs"]:
        each[run["commit"] == whole["old"]].append(f"{run['seconds'] / run['accepted']:.0f}")
    states = f"{' and '.join(each[True])} at {whole['old']}, {' and '.join(each[False])} at {whole['new']}"
    assert states in " ".join(told["speed"].split())
    took: dict[str, list[str]] = {}
    for run in _read("unaided")["runs"]:
        took.setdefault(run["way"], []).append(f"{run['seconds'] / run['accepted']:.0f}")
    ways = {way: " and ".join(sorted(seconds)) for way, seconds in took.items()}
    said = f"took {ways['as it is']} s, without any {ways['all measures off']} s"
    assert said in " ".join(told["speed"].split())
    of_ideas = ideas.summary(_kept("ideas", IDEA_ARMS, "idea"))
    pipeline = of_ideas["arms"]["pipeline"]
    (both,) = (p for p in of_ideas["pairs"] if (p["first"], p["second"]) == ("pipeline", "resample"))
    chosen = f"passes {both['chosen']} checks instead of {pipeline['held_out_passed']}"
    assert (chosen in told["ideas"], f"would come to {both['better']} (" in told["ideas"]) == (True, True)
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"({pipeline['held_out_passed']} of {pipeline['held_out_total']})" in readme


def test_what_is_told_of_an_example_is_what_its_report_says(workspace: Path) -> None:
    done = go(workspace, list(RETRY[:7]), attempts=1)
    found = examples.outcome(1.0, done.code, json.loads(done.report.model_dump_json()))
    told = found["verdict"], found["milestones"], found["attempts"], found["sealed"], found["held_out"]
    assert told == ("not accepted", ["failed", "blocked"], [1, 0], [0, 3], 1)
    assert (found["most_met"], found["tests"]) == (1, [1, 2])
    row = {**found, "measured_with": {"commit": "c", "processor": "p", "cores": 2, "at": "2026-01-01"}}
    assert (
        "| not accepted | 0 of 2 | 1, 0 | 0 of 3 (in an attempt at most 1 of the 2 that are shown) | 1 | 1 of 2 | 0 |"
        in examples.page({"outcomes": {"greeter": row}})
    )


def test_a_page_on_results_of_somebodys_own_stands_beside_them_and_says_nothing_of_the_projects(tmp_path: Path) -> None:
    own = RESULTS / "humaneval"
    assert page_folder(tmp_path, own, None) == tmp_path
    assert page_folder(own / ".." / "humaneval", own, None) == ROOT / "docs"
    text = page(summary({"single": _kept("humaneval", ["single"], "task")["single"]}), about=False)
    assert ("| single | 164 |" in text, "What came of it" in text) == (True, False)
