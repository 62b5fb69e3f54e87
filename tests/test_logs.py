"""``milepost logs`` over logs that are whole, damaged, or gone: it says what it could not read, and never crashes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import OUTCOMES, main
from orchestrator.journal.events import EventLog, read_events
from orchestrator.journal.journal import RunJournal
from orchestrator.journal.store import RecordStore
from orchestrator.workspace.layout import RunFiles, RunInfo
from schemas.call import Outcome
from schemas.errors import ExitCode
from tests.helpers import GREETER
from tests.test_cli import called
from tests.test_journal import record, request

CALL = {
    "event": "agent_call",
    "timestamp": "2026-01-01T00:00:00Z",
    "agent": "spec",
    "outcome": "ok",
    "output": "o",
    "duration_ms": 1,
    "gen_ai.usage.output_tokens": 1,
}
ROUTE = {**CALL, "event": "route", "next_agent": "impl", "source": "planner", "reason": "r", "message": ""}


def accepted(workspace: Path, *, kind: str = "idea") -> RunFiles:
    """Write what a run of two calls leaves in its log."""
    files = RunFiles(workspace, "r")
    events = EventLog(files.events)
    journal = RunJournal(RecordStore(files.logs), events)
    for word in ("one", "two"):
        journal.record(record(request(word)))
        journal.log_call(request(word), Outcome.OK, record=record(request(word)), duration_ms=5)
    events.close()
    known = {"created": "2026-01-01T00:00:00+00:00", "idea_path": str(GREETER), "settings": {}, "models": {}}
    idea = {"idea_text": GREETER.read_text(), "idea_digest": "d", "kind": kind, "sandboxes": []}
    ended = {"status": "accepted", "log_end": events.end}
    files.save(RunInfo.model_validate({"run": "r", **known, **idea, **ended}))
    return files


def add(files: RunFiles, line: object) -> None:
    with files.events.open("ab") as stream:
        stream.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")


NOT_OURS: list[object] = [
    {"event": "agent_call"},
    {"event": "route"},
    {},
    b"[1]",
    b"{",
    b"\xff",
    b"[" * 100_000,
    {**CALL, "timestamp": 5},
    {**CALL, "timestamp": "2026-01-01T00:00:00"},
    {**CALL, "call": ["a"]},
    {**CALL, "call": 9},
    {**CALL, "call": "../\0"},
    {**CALL, "milestone": ["M1"]},
    {**CALL, "duration_ms": "5"},
    {**CALL, "output": None},
    {**CALL, "cost_usd": float("nan")},
    {**CALL, "event": ["agent_call"]},
    {**ROUTE, "reason": 7},
]


def named(line: object) -> str:
    return repr(line)[:50]


@pytest.mark.parametrize("line", NOT_OURS, ids=named)
def test_a_line_that_is_none_of_mileposts_is_named_behind_the_others(workspace: Path, line: object) -> None:
    files = accepted(workspace)
    add(files, line)
    done = called("logs", "r")
    assert (done.returncode, len(done.stdout.splitlines())) == (ExitCode.BAD_INPUT, 2)
    assert f"{files.events.relative_to(workspace)}:3: is no line of Milepost's" in done.stderr
    assert "1 line could not be read" in done.stderr
    assert "milepost logs r --verify" in done.stderr


@pytest.mark.parametrize("line", [CALL, ROUTE, {**CALL, "more": 1}], ids=named)
def test_a_line_of_mileposts_is_listed(workspace: Path, line: object) -> None:
    add(accepted(workspace), line)
    done = called("logs", "r")
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (0, 3, "")


@pytest.mark.parametrize("kind", ["idea", "program"])
@pytest.mark.parametrize("line", NOT_OURS, ids=named)
def test_a_run_with_such_a_line_is_not_resumed_and_its_record_stays(workspace: Path, line: object, kind: str) -> None:
    files = accepted(workspace, kind=kind)
    add(files, line)
    before = files.info.read_bytes()
    done = called("resume", "r", "--backend", "scripted")
    assert (done.returncode, files.info.read_bytes() == before) == (ExitCode.BAD_INPUT, True)
    assert "events.jsonl:3: is no line of Milepost's" in done.stderr
    assert called("runs").stdout.split()[:2] == ["r", "accepted"]


def test_what_is_no_line_of_mileposts_is_passed_by_when_a_log_is_opened(tmp_path: Path) -> None:
    files = accepted(tmp_path)
    for line in NOT_OURS:
        add(files, line)
    events = EventLog(files.events)
    events.close()
    assert len(events.calls) == len(list(read_events(files.events))) == 2


def test_every_broken_line_is_found_among_the_other_problems(workspace: Path) -> None:
    files = accepted(workspace)
    for line in NOT_OURS:
        add(files, line)
    next((files.logs / "calls").glob("*.json")).unlink()
    done = called("logs", "r", "--verify")
    assert (done.returncode, done.stderr) == (ExitCode.NOT_ACCEPTED, "")
    assert done.stdout.count("is no line of Milepost's") == len(NOT_OURS)
    assert "is missing or damaged" in done.stdout


def unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [lambda path: path.write_text("{"), unreadable], ids=["damaged", "a folder"])
def test_a_damaged_record_of_the_run_is_one_of_the_problems(workspace: Path, harm: Callable[[Path], object]) -> None:
    files = accepted(workspace)
    harm(files.info)
    next((files.logs / "calls").glob("*.json")).unlink()
    done = called("logs", "r", "--verify")
    assert (done.returncode, done.stderr) == (ExitCode.NOT_ACCEPTED, "")
    assert "run.json: is damaged" in done.stdout
    assert "is missing or damaged" in done.stdout


def test_a_log_that_is_a_folder_is_one_of_the_problems(workspace: Path) -> None:
    unreadable(accepted(workspace).events)
    done = called("logs", "r", "--verify")
    assert (done.returncode, "events.jsonl: can't be read: Is a directory" in done.stdout) == (1, True)
    assert done.stdout.count("no line names it") == 2


def test_a_log_that_is_gone_is_said_and_how_many_calls_there_are(workspace: Path) -> None:
    accepted(workspace).events.unlink()
    done = called("logs", "r")
    assert (done.returncode, done.stdout) == (ExitCode.BAD_INPUT, "")
    assert "logs/r/events.jsonl: is missing (2 records in calls/)" in done.stderr


def test_a_run_that_has_not_begun_to_log_has_no_calls_yet(workspace: Path) -> None:
    files = accepted(workspace)
    files.events.unlink()
    shutil.rmtree(files.logs / "calls")
    files.save(files.load().model_copy(update={"log_end": None}))
    assert called("logs", "r").stdout == "No calls yet.\n"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--verify", "--json"], "--verify goes with no other flag"),
        (["--verify", "--call", "ab"], "--verify goes with no other flag"),
        (["--verify", "--agent", "impl"], "--verify goes with no other flag"),
        (["--call", "ab", "--outcome", "ok"], "--call goes with --json only"),
        (["--call", ""], "--call: begin with at least one digit of a call's digest"),
    ],
)
def test_a_flag_that_would_be_passed_over_is_refused(workspace: Path, flags: list[str], words: str) -> None:
    accepted(workspace)
    done = called("logs", "r", *flags)
    assert (done.returncode, words in done.stderr) == (ExitCode.BAD_INPUT, True)


def test_an_outcome_that_no_call_can_have_is_refused_with_those_that_it_can(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted(workspace)
    with pytest.raises(SystemExit) as caught:
        main(["logs", "r", "--outcome", "fail"])
    assert caught.value.code == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert [outcome for outcome in OUTCOMES if outcome not in said] == []


def test_the_outcomes_that_the_command_line_takes_are_those_of_calls() -> None:
    assert list(OUTCOMES) == [outcome.value for outcome in Outcome]


def test_an_agent_that_made_no_call_is_answered_with_those_that_did(workspace: Path) -> None:
    accepted(workspace)
    done = called("logs", "r", "--agent", "bogus")
    assert (done.returncode, done.stdout) == (0, "No call matches. Agents in this log: spec.\n")


def test_flags_that_match_no_call_together_are_not_blamed_on_the_agent(workspace: Path) -> None:
    accepted(workspace)
    assert called("logs", "r", "--agent", "spec", "--attempt", "9").stdout == "No call matches.\n"
