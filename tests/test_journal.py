"""The journal: one line per call, a chain that shows tampering, records that survive a crash."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars

from orchestrator.files import write_text
from orchestrator.journal.events import GENESIS, EventLog, Lost, read_events, seconds_of_sittings, verify
from orchestrator.journal.journal import RunJournal, summary
from orchestrator.journal.store import RecordStore
from schemas.call import CallRecord, Message, ModelReply, ModelRequest, Outcome, StopReason, Usage


def request(text: str = "hello", sample: int = 0) -> ModelRequest:
    return ModelRequest(
        agent="spec",
        model="m/m",
        system="s",
        messages=[Message(role="user", content=text)],
        max_tokens=9,
        sample=sample,
    )


def record(asked: ModelRequest, text: str = "reply") -> CallRecord:
    reply = ModelReply(text=text, stop_reason="end", usage=Usage(input_tokens=3, output_tokens=4), model="m")
    return CallRecord(digest=asked.digest, request=asked, reply=reply, timestamp="t", duration_ms=5, cost_usd=None)


def log(folder: Path, count: int) -> Path:
    path = folder / "events.jsonl"
    events = EventLog(path)
    for number in range(count):
        events.write("run_started", number=number)
    events.close()
    return path


def test_a_chain_is_whole_as_written_and_over_a_restart(tmp_path: Path) -> None:
    log(tmp_path, 3)
    path = log(tmp_path, 2)
    assert verify(path) == []
    assert [e["number"] for e in read_events(path)] == [0, 1, 2, 0, 1]
    assert next(read_events(path))["previous"] == GENESIS


@pytest.mark.parametrize("harm", ["change", "remove", "swap", "insert"])
def test_tampering_breaks_the_chain(tmp_path: Path, harm: str) -> None:
    path = log(tmp_path, 5)
    lines = path.read_text().splitlines()
    if harm == "change":
        lines[1] = lines[1].replace('"number": 1', '"number": 7')
    elif harm == "remove":
        del lines[2]
    elif harm == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines.insert(2, lines[2])
    path.write_text("\n".join(lines) + "\n")
    assert verify(path)


@given(st.integers(1, 400))
def test_a_torn_last_line_is_cut_off_and_the_chain_goes_on(cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = log(Path(name), 3)
        data = path.read_bytes()
        path.write_bytes(data[: max(1, len(data) - cut)])
        log(Path(name), 1)
        assert verify(path) == []


@given(st.integers(1, 60))
def test_a_line_that_was_cut_off_within_a_letter_is_left_out_by_every_reader(cut: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "events.jsonl"
        events = EventLog(path)
        for word in ("один", "два"):
            events.write("thing", said=word * 20)
        events.close()
        data = path.read_bytes()
        path.write_bytes(data[: len(data) - cut])
        assert len(list(read_events(path))) in (1, 2)
        assert seconds_of_sittings(path) == 0
        EventLog(path).close()
        assert verify(path) == []


def test_what_calls_took_that_broke_off_is_counted_again_when_the_log_is_opened(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    journal = RunJournal(RecordStore(tmp_path), events)
    used = Usage(input_tokens=7, output_tokens=2)
    journal.log_call(
        request(), Outcome.TRANSPORT_ERROR, record=None, duration_ms=5, error="it broke off", lost=used, cost_usd=0.5
    )
    journal.log_call(request(), Outcome.BUDGET, record=None, duration_ms=0, error="a limit")
    events.close()
    again = EventLog(tmp_path / "events.jsonl")
    again.close()
    assert list(RunJournal(RecordStore(tmp_path), again).lost()) == [Lost("m/m", used, 0.5)]


def test_a_call_that_another_run_paid_for_is_not_taken_for_an_own_one_where_the_process_dies_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RecordStore(tmp_path / "a").record(record(request()))
    store = RecordStore(tmp_path / "b", [tmp_path / "a"])
    for dies in (True, False):
        events = EventLog(tmp_path / "b" / "events.jsonl")
        journal = RunJournal(store, events)
        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            if dies:
                patched.setattr(RecordStore, "record", Mock(side_effect=KeyboardInterrupt))
            journal.log_call(request(), Outcome.OK, record=record(request()), duration_ms=1)
        events.close()
    assert not journal.paid(request().digest)
    (line,) = read_events(events.path)
    assert line["record_sha256"] == RecordStore(tmp_path / "b").checksum(request().digest)


def test_a_sitting_that_came_to_its_end_says_how_long_it_took_and_a_killed_one_has_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = [
        ("run_started", "2026-01-01T10:00:00Z", None),
        ("agent_call", "2026-01-01T10:00:09Z", None),
        ("run_started", "2026-01-01T11:00:00Z", None),
        ("run_finished", "2026-01-01T19:00:00Z", 15.5),
        ("run_started", "2026-01-02T10:00:00Z", None),
        ("agent_call", "2026-01-02T10:00:04Z", None),
    ]
    said = [{"event": event, "timestamp": at, "seconds": seconds} for event, at, seconds in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in said))
    assert seconds_of_sittings(path) == 19.5


def test_a_decision_that_a_resumed_run_takes_again_is_logged_once(tmp_path: Path) -> None:
    for last in (1, 3):
        events = EventLog(tmp_path / "events.jsonl")
        with bound_contextvars(milestone="M1"):
            for number in (1, 1, 2):
                events.write("evaluated", score=4.5, attempt=number, tests=("t",), commit="c")
        events.write("evaluated", score=4.5, attempt=last)
        events.close()
    said = [(e.get("milestone"), e["attempt"]) for e in read_events(events.path)]
    assert said == [("M1", 1), ("M1", 1), ("M1", 2), (None, 1), (None, 3)]


def test_a_decision_behind_a_new_call_is_logged_though_an_earlier_sitting_took_the_same(tmp_path: Path) -> None:
    for _ in range(2):
        events = EventLog(tmp_path / "events.jsonl")
        events.write("agent_call", outcome="truncated", call=None)
        events.write("attempt_failed", attempt=1)
        events.write("agent_call", outcome="ok", call="c")
        events.write("attempt_started", attempt=1)
        events.close()
    said = [e["event"] for e in read_events(events.path)]
    assert (said.count("attempt_failed"), said.count("attempt_started")) == (1, 2)


def test_a_line_has_what_an_auditor_needs(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    journal = RunJournal(RecordStore(tmp_path), events)
    asked = request("x" * 500)
    journal.record(record(asked, "y" * 500))
    journal.log_call(asked, Outcome.OK, record=record(asked, "y" * 500), duration_ms=5)
    events.close()
    line = next(read_events(tmp_path / "events.jsonl"))
    assert line["timestamp"].endswith("Z")
    assert (len(line["input"]), len(line["output"])) == (200, 200)
    assert (line["agent"], line["outcome"], line["duration_ms"], line["cost_usd"]) == ("spec", "ok", 5, None)
    assert line["gen_ai.usage.output_tokens"] == 4
    assert line["call"] == asked.digest


def test_a_call_is_logged_once_even_if_it_is_met_again(tmp_path: Path) -> None:
    for _ in range(2):
        events = EventLog(tmp_path / "events.jsonl")
        journal = RunJournal(RecordStore(tmp_path), events)
        for _ in range(2):
            journal.log_call(request(), Outcome.OK, record=record(request()), duration_ms=5)
        events.close()
    assert len(list(read_events(tmp_path / "events.jsonl"))) == 1


def test_secrets_reach_neither_file(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    journal = RunJournal(RecordStore(tmp_path), events, ("sk-secret-1234567",))
    asked = request("my key is sk-secret-1234567")
    journal.record(record(asked, "sk-secret-1234567"))
    journal.log_call(
        asked, Outcome.OK, record=record(asked, "sk-secret-1234567"), duration_ms=5, error="sk-secret-1234567"
    )
    events.close()
    everything = "".join(p.read_text() for p in tmp_path.rglob("*.json*"))
    assert "sk-secret-1234567" not in everything
    assert journal.find(asked) is not None


@pytest.mark.parametrize("length", [180, 195, 490])
def test_a_key_is_taken_out_before_a_text_is_cut(length: int, tmp_path: Path) -> None:
    key = "sk-secret-0123456789abcdef"
    events = EventLog(tmp_path / "events.jsonl")
    said = "." * length + key
    journal = RunJournal(RecordStore(tmp_path), events, (key,))
    journal.log_call(request(said), Outcome.TRANSPORT_ERROR, record=None, duration_ms=5, error=said)
    events.close()
    assert "sk-" not in events.path.read_text()


def test_the_digest_depends_on_all_that_decides_a_reply_and_on_nothing_else() -> None:
    base = request()
    others = [
        request("other"),
        request(sample=1),
        base.model_copy(update={"agent": "impl"}),
        base.model_copy(update={"model": "m/n"}),
        base.model_copy(update={"max_tokens": 10}),
        base.model_copy(update={"output_schema": {"type": "object"}}),
    ]
    assert len({r.digest for r in (base, *others)}) == 7
    assert ModelRequest.model_validate_json(base.model_dump_json()).digest == base.digest


def bounded(most: int, stop_reason: StopReason) -> CallRecord:
    whole = record(request().model_copy(update={"max_tokens": most}), f"at most {most}")
    return whole.model_copy(update={"reply": whole.reply.model_copy(update={"stop_reason": stop_reason})})


@pytest.mark.parametrize(
    ("stop_reason", "text"), [("end", "at most 5"), ("refusal", "at most 5"), ("max_tokens", None)]
)
def test_a_whole_reply_counts_whatever_its_bound_was(stop_reason: StopReason, text: str | None, tmp_path: Path) -> None:
    RecordStore(tmp_path).record(bounded(5, stop_reason))
    (tmp_path / "calls" / "damaged.json").write_text("{")
    store = RecordStore(tmp_path)
    found = store.answer(request())
    assert ((found and found.reply.text), store.answer(request("other"))) == (text, None)


def test_of_two_replies_the_one_with_the_same_bound_is_the_answer(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    for most in (5, 9, 20):
        store.record(bounded(most, "end"))
    found = store.answer(request())
    assert found is not None
    assert found.reply.text == "at most 9"


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.record(record(request()))
    path = tmp_path / "calls" / f"{request().digest}.json"
    path.write_text(path.read_text()[:50])
    assert store.find(request().digest) is None


def test_a_record_of_another_run_is_found_and_kept_here_too(tmp_path: Path) -> None:
    RecordStore(tmp_path / "a").record(record(request()))
    events = EventLog(tmp_path / "b" / "events.jsonl")
    store = RecordStore(tmp_path / "b", [tmp_path / "a"])
    found = store.find(request().digest)
    assert found is not None
    RunJournal(store, events).log_call(request(), Outcome.OK, record=found, duration_ms=1)
    events.close()
    assert RecordStore(tmp_path / "b").find(request().digest) == found


@given(st.text())
def test_a_summary_is_one_line_of_at_most_200_characters(text: str) -> None:
    result = summary(text)
    assert len(result) <= 200
    assert "\n" not in result


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_its_name_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "file.txt", list[tuple[bool, str]]()
    monkeypatch.setattr(
        "os.fsync", lambda fd: seen.append((path.exists(), str(Path(f"/proc/self/fd/{fd}").readlink())))
    )
    write_text(path, "all of it")
    assert [there for there, _ in seen] == [False, True]
    assert seen[1][1] == str(tmp_path)


def test_a_line_of_the_log_is_on_the_disk_when_its_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, flushed = EventLog(tmp_path / "events.jsonl"), list[str]()
    monkeypatch.setattr("os.fsync", lambda fd: flushed.append(events.path.read_text()))
    events.write("one")
    assert flushed == [events.path.read_text()]
    events.close()


def test_lines_of_the_log_are_json_with_the_first_keys_first(tmp_path: Path) -> None:
    path = log(tmp_path, 1)
    assert list(json.loads(path.read_text()))[:3] == ["timestamp", "level", "event"]


def test_a_line_that_did_not_fit_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    events.write("one")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(os, "fsync", full)
        events.write("two")
    events.write("three")
    assert [e["event"] for e in read_events(events.path)] == ["one", "three"]
    assert verify(events.path) == []
    events.close()


def test_a_word_that_stands_for_a_key_is_no_secret(tmp_path: Path) -> None:
    events = EventLog(tmp_path / "events.jsonl")
    journal = RunJournal(RecordStore(tmp_path), events, ("anything",))
    asked = request("do anything")
    journal.record(record(asked, "anything goes"))
    kept = journal.find(asked)
    assert kept is not None
    assert (kept.reply.text, kept.request.digest) == ("anything goes", asked.digest)
    events.close()
