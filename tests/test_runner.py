"""Asking an agent: what a correction shows the model, and what is counted of calls that come to nothing."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import ModelError, Price, Progress, Traits
from agents.runner import Runner, Task
from orchestrator.budget import RunBudget
from orchestrator.config import AGENTS
from orchestrator.journal.events import EventLog, read_events
from orchestrator.journal.journal import RunJournal
from orchestrator.journal.store import RecordStore
from orchestrator.terminal import QuietView
from schemas.call import ModelReply, ModelRequest, Outcome, Usage
from schemas.errors import LimitReached, Unavailable
from schemas.idea import Limits
from tests.model_calls import runner_for

PRICE = Price(input=1.0, output=2.0, cache_write=1.25, cache_read=0.1)


def _number(text: str) -> int:
    return int(text)


NUMBER = Task("memory", "summarise", {"before": "", "texts": ["t"]}, _number, max_tokens=200)


class Breaking:
    """Sends ``came`` tokens of a reply, then ``error``; without one, a reply."""

    name = "b/b"
    traits = Traits(step="project", context_tokens=9_000, max_output_tokens=900, price=PRICE, again=2)

    def __init__(self, error: BaseException | None, times: int = 99, came: int = 100) -> None:
        self._error = error
        self._came = came
        self._times = times
        self.asked = 0

    async def close(self) -> None: ...

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        if self._came:
            progress(self._came)
        self.asked += 1
        if self._error is not None and self.asked <= self._times:
            raise self._error
        return ModelReply(text="7", stop_reason="end", usage=Usage(input_tokens=50, output_tokens=100), model="b")


class Watching(QuietView):
    """Remembers which calls it was told the end of."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def call_finished(self, agent: str, outcome: Outcome, tokens: int, duration_ms: int) -> None:
        self.ended.append(outcome.value)


def asked(
    folder: Path, error: BaseException | None = None, came: int = 100
) -> tuple[RunBudget, Watching, list[dict[str, Any]]]:
    """Ask for a number once, in a sitting of its own; return its budget, who watched, and the log."""
    events = EventLog(folder / "events.jsonl")
    journal, budget, watching = RunJournal(RecordStore(folder), events), RunBudget(Limits()), Watching()
    runner = Runner(dict.fromkeys(AGENTS, Breaking(error, came=came)), journal, budget, watching, "brief")
    try:
        asyncio.run(runner.ask(NUMBER))
    except (Unavailable, OSError, asyncio.CancelledError):
        assert error is not None or not (folder / "calls").exists()
    events.close()
    return budget, watching, list(read_events(events.path))


def ask_within(budget: RunBudget, model: Breaking, folder: Path) -> list[dict[str, Any]]:
    """Ask ``model`` for a number within ``budget``; return the log."""
    events = EventLog(folder / "events.jsonl")
    journal = RunJournal(RecordStore(folder), events)
    runner = Runner(dict.fromkeys(AGENTS, model), journal, budget, QuietView(), "brief")
    with contextlib.suppress(Unavailable, LimitReached):
        asyncio.run(runner.ask(NUMBER))
    events.close()
    return list(read_events(events.path))


@pytest.mark.parametrize("reply", ["a line\n" * 2_000 + "no number", ""], ids=["long", "empty"])
def test_a_model_that_must_correct_its_reply_is_shown_all_of_it(reply: str) -> None:
    model = ScriptedModel([ScriptedReply(agent="memory", reply=text) for text in (reply, "7")])
    assert asyncio.run(runner_for(model).ask(NUMBER)) == 7
    assert [message.content for message in model.requests[1].messages if message.role == "assistant"] == [
        reply or "(empty)"
    ]


@pytest.mark.parametrize(
    "error", [ModelError("it broke off"), asyncio.CancelledError()], ids=["a fault", "an interrupt"]
)
def test_what_a_reply_took_that_broke_off_is_counted_and_logged(tmp_path: Path, error: BaseException) -> None:
    budget, _, (line,) = asked(tmp_path, error)
    assert (budget.usage.output_tokens, line["gen_ai.usage.output_tokens"]) == (100, 100)
    assert line["gen_ai.usage.input_tokens"] > 0
    assert budget.cost_usd == line["cost_usd"] > 0


@pytest.mark.parametrize(
    ("error", "times", "asked"),
    [
        (ModelError("cut", broke_off=True), 1, 2),
        (ModelError("cut", broke_off=True), 9, 3),
        (ModelError("no connection"), 1, 1),
    ],
    ids=["once", "always", "before it began"],
)
def test_a_reply_that_broke_off_is_asked_for_again_and_each_time_logged(
    error: ModelError, times: int, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.runner.PAUSE", 0.0)
    model, budget = Breaking(error, times), RunBudget(Limits())
    lines = ask_within(budget, model, tmp_path)
    lost = ["transport_error"] * min(times, asked)
    assert [line["outcome"] for line in lines] == [*lost, *["ok"] * (asked - len(lost))]
    assert (model.asked, budget.usage.output_tokens) == (asked, 100 * asked)


def test_a_reply_that_broke_off_is_not_asked_for_again_where_that_would_exceed_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.runner.PAUSE", 0.0)
    model = Breaking(ModelError("cut", broke_off=True))
    lines = ask_within(RunBudget(Limits(tokens=1_100)), model, tmp_path)
    assert ([line["outcome"] for line in lines], model.asked) == (["transport_error", "budget"], 1)


def test_an_interrupt_before_anything_came_has_cost_the_prompt(tmp_path: Path) -> None:
    budget, _, (line,) = asked(tmp_path, asyncio.CancelledError(), came=0)
    assert (budget.usage.input_tokens > 0, line["gen_ai.usage.output_tokens"]) == (True, 0)


def test_a_key_that_a_server_repeats_is_in_no_message(tmp_path: Path) -> None:
    key = "sk-proxy-0123456789abcdef"
    events = EventLog(tmp_path / "events.jsonl")
    journal = RunJournal(RecordStore(tmp_path), events, (key,))
    model = Breaking(ModelError(f"HTTP 401: Received={key}"))
    runner = Runner(dict.fromkeys(AGENTS, model), journal, RunBudget(Limits()), QuietView(), "brief")
    with contextlib.closing(events), pytest.raises(Unavailable, match=r"HTTP 401: Received=\[secret\]$"):
        asyncio.run(runner.ask(NUMBER))


def test_of_a_reply_that_can_not_be_kept_the_log_tells_what_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: RecordStore, record: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordStore, "record", full)
    budget, _, (line,) = asked(tmp_path)
    assert (line["outcome"], line["gen_ai.usage.output_tokens"]) == ("transport_error", 100)
    assert budget.cost_usd == line["cost_usd"]


def test_nobody_is_told_the_end_of_a_call_of_an_earlier_sitting(tmp_path: Path) -> None:
    assert [asked(tmp_path)[1].ended for _ in range(2)] == [["ok"], []]
