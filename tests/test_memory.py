"""Memory: who is shown what of earlier work, and how much of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.memory import SIGHT, Entry, Memory, namespace
from agents.models.scripted import ScriptedModel, ScriptedReply
from orchestrator.journal.events import read_events
from orchestrator.memory import round_entry
from schemas.call import estimated_tokens
from schemas.code_change import Edit
from schemas.evidence import Evidence
from schemas.refinement import PROGRAM, Round, ScoredEdit, Scoring
from schemas.test_report import TestReport
from tests.helpers import Done, go
from tests.model_calls import runner_for
from tests.replies import RETRY

WINDOW = 1_000


def requests(done: Done, agent: str) -> list[str]:
    (model,) = {id(m): m for m in done.models.by_agent.values()}.values()
    assert isinstance(model, ScriptedModel)
    return [r.messages[0].content for r in model.requests if r.agent == agent]


def test_judge_and_impl_are_told_of_the_attempt_before_and_what_it_changed(tmp_path: Path) -> None:
    done = go(tmp_path, list(RETRY))
    for agent, number in (("evaluator", 1), ("impl", 1)):
        text = requests(done, agent)[number]
        assert "Attempt 1 (generate): score" in text
        assert "the judge gave correctness 5" in text
        assert "+def greet(name: str) -> str:" in text
        assert "Attempt 1" not in requests(done, agent)[0]


def test_the_next_milestone_is_told_what_came_of_the_one_before_and_nothing_of_its_attempts(tmp_path: Path) -> None:
    done = go(tmp_path, list(RETRY))
    text = requests(done, "arch")[2]
    assert "M1 Greeting: accepted, score" in text
    assert "Decided: standard library" in text
    assert "Attempt 1" not in text


def test_who_writes_contracts_and_tests_is_told_of_no_attempt(tmp_path: Path) -> None:
    assert "tester" not in SIGHT
    done = go(tmp_path, list(RETRY))
    assert not any("Attempt" in text for agent in ("tester", "spec") for text in requests(done, agent))


def test_without_a_window_nothing_is_told(tmp_path: Path) -> None:
    done = go(tmp_path, list(RETRY), memory={"window_tokens": 0})
    assert not any("Attempt 1" in text for agent in SIGHT for text in requests(done, agent))


def test_its_sizes_are_in_the_log(tmp_path: Path) -> None:
    done = go(tmp_path, list(RETRY))
    sizes: list[dict[str, Any]] = [e["tokens"] for e in read_events(done.files.events) if e["event"] == "memory"]
    assert [sorted(s) for s in sizes[-1:]] == [["loop M1", "project"]]
    assert all(0 < tokens <= 4_000 for tokens in sizes[-1].values())


texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r"), max_size=4_000)
entries = st.lists(st.builds(Entry, st.text("ab", min_size=1, max_size=90), texts, texts), min_size=1, max_size=9)


@settings(max_examples=40)
@given(entries)
def test_what_is_shown_never_exceeds_the_window_and_its_newest_entry_is_there(given_entries: list[Entry]) -> None:
    summaries = [ScriptedReply(agent="memory", reply="much was tried", repeat=True)]
    memory = Memory(runner_for(ScriptedModel(summaries)), WINDOW)
    for entry in given_entries:
        memory.remember(namespace("loop", "M1"), entry)
        asyncio.run(memory.settle("M1"))
        view = memory.view("impl", "M1")
        assert estimated_tokens(view) <= WINDOW + 30  # the marks of what was cut
        assert entry.title in view
        assert memory.view("impl", "M2") == ""


def test_a_long_newest_entry_leaves_half_of_the_window_to_the_older_ones() -> None:
    memory = Memory(runner_for(ScriptedModel([])), WINDOW)
    for name in ("first", "second"):
        memory.remember(namespace("loop"), Entry(name, "it was said\n" + "x" * 9_000, "y" * 900))
    view = memory.view("scorer")
    assert f"first\n{'y' * 900}" in view
    assert "second\nit was said\n" in view
    assert estimated_tokens(view) <= WINDOW + 30


LONG = [Entry(f"Attempt {number}", "x" * 800, "x" * 800) for number in range(1, 5)]


def settled(reply: str) -> tuple[Memory, ScriptedModel]:
    """Return a memory of more than fits its window, before the next attempt at M1; and the model it had."""
    model = ScriptedModel([ScriptedReply(agent="memory", reply=reply, repeat=True)])
    memory = Memory(runner_for(model), WINDOW)
    for entry in LONG:
        memory.remember(namespace("loop", "M1"), entry)
    assert model.requests == [], "nothing is summed up before somebody will read it"
    asyncio.run(memory.settle("M2"))
    assert model.requests == [], "another milestone's attempts are nobody's concern"
    asyncio.run(memory.settle("M1"))
    return memory, model


def test_what_falls_out_of_the_window_is_summed_up_once_it_will_be_read() -> None:
    _, model = settled("much was tried")
    assert len(model.requests) == 1


def test_what_nobody_was_shown_for_long_is_summed_up_a_few_at_a_time_and_nothing_is_lost() -> None:
    model = ScriptedModel([ScriptedReply(agent="memory", reply="much was tried", repeat=True)])
    memory = Memory(runner_for(model), WINDOW)
    for number in range(1, 14):
        memory.remember(namespace("loop", "M1"), Entry(f"Attempt {number}!", "x" * 800, "x" * 800))
    asyncio.run(memory.settle("M1"))
    seen = "".join(request.messages[0].content for request in model.requests) + memory.view("impl", "M1")
    assert [number for number in range(1, 14) if f"Attempt {number}!" not in seen] == []
    assert max(request.messages[0].content.count("Attempt ") for request in model.requests) <= 4


def test_what_was_summed_up_stands_before_what_is_newer() -> None:
    memory, _ = settled("much was tried")
    assert "Before, in short: much was tried" in memory.view("impl", "M1")


def test_where_no_summary_can_be_had_the_titles_are_kept() -> None:
    memory, _ = settled("")
    assert "Before, in short: Attempt 1; Attempt 2" in memory.view("impl", "M1")


def test_what_was_said_of_a_long_program_is_remembered_before_the_program() -> None:
    wish = ScoredEdit(edit=Edit(path=PROGRAM, remove="x = 0", add="x = 1"), points=2.0)
    scoring = Scoring(reason="it counts from 0", said=8.0, edits=[wish])
    report = TestReport(total=0, passed=0, failed=0)
    evidence = Evidence(generated=report, acceptance=None, program=None)
    done = Round(
        number=1, move="generate", program="x = 0\n" * 2_000, evidence=evidence, better=True, scoring=scoring, score=8.0
    )
    memory = Memory(runner_for(ScriptedModel([])), WINDOW)
    memory.remember(namespace("loop"), round_entry(done, None))
    view = memory.view("refiner")
    assert view.startswith("Attempt 1 (generate): score 8.0\nsaid: it counts from 0\nasked for (+2):\n- x = 0\n+ x = 1")
    assert view.endswith("\n… cut")
