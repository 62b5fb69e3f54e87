"""Nothing paid for is lost: a run that was killed goes on exactly where it stopped."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from agents.models.scripted import ScriptedModel
from agents.ports import Price, Progress, Traits
from orchestrator import run_loop
from orchestrator.budget import RunBudget
from orchestrator.cli import main
from orchestrator.config import load_settings
from orchestrator.journal.events import Lost, read_events, seconds_of_sittings, verify
from orchestrator.report.write import read_report
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.sandbox.port import Command, Result
from orchestrator.workspace.layout import RunFiles
from schemas.call import ModelReply, ModelRequest, Usage
from schemas.errors import ExitCode, Unavailable
from schemas.evidence import Evidence
from schemas.idea import Limits
from schemas.milestone import Milestone, Status
from tests.helpers import GREETER, Done, go, known_run
from tests.replies import GOOD, MAIN, RETRY, files, judgement, script
from tests.test_cli import scripted


def test_a_finished_run_that_is_resumed_asks_nothing_and_comes_to_the_same_report(workspace: Path) -> None:
    first = go(workspace, list(RETRY))
    again = go(workspace, [], resume=True)
    for done in (first, again):
        assert done.code == ExitCode.OK
    same = {"seconds", "milestones"}
    assert again.report.model_dump(exclude=same) == first.report.model_dump(exclude=same)
    assert len(again.calls) == len(first.calls)
    assert verify(again.files.events) == []


class Killed(BaseException):
    """What stands in for a kill -9 between two steps."""


class Mortal(ScriptedModel):
    """Dies instead of its nth reply."""

    def __init__(self, *, lives: int) -> None:
        super().__init__(list(RETRY))
        self.lives = lives

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        if len(self.requests) == self.lives:
            raise Killed
        return await super().reply(request, progress)


def test_wherever_a_run_dies_no_recorded_call_is_repeated(workspace: Path) -> None:
    for lives in (0, 1, 5, 8, len(RETRY) - 1):
        name = f"r{lives}"
        try:
            go(workspace, Mortal(lives=lives), name=name)
        except Killed:
            pass
        else:
            raise AssertionError("it did not die")
        kept = sorted((workspace / "logs" / name / "calls").glob("*.json"))
        assert len(kept) == lives
        rest = ScriptedModel(list(RETRY[lives:]))
        done = go(workspace, rest, name=name, resume=True)
        assert (done.code, len(rest.requests)) == (ExitCode.OK, len(RETRY) - lives)
        assert len([call for call in done.calls if call["call"]]) == len(RETRY)
        assert verify(done.files.events) == []


def test_a_run_reuses_what_an_earlier_one_has_paid_for(workspace: Path) -> None:
    first = go(workspace, list(RETRY), name="first")
    second = go(workspace, [], name="second", reuse=(first.files.logs,))
    assert second.code == ExitCode.OK
    assert len(list((second.files.logs / "calls").glob("*.json"))) == len(RETRY)


class Broken(ScriptedModel):
    """Has a defect instead of its third reply."""

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        if len(self.requests) == 2:
            raise ZeroDivisionError("a defect")
        return await super().reply(request, progress)


def test_a_defect_of_milepost_itself_ends_with_a_report_and_can_be_resumed(workspace: Path) -> None:
    done = go(workspace, Broken(list(RETRY)))
    assert (done.code, done.report.verdict) == (ExitCode.NOT_ACCEPTED, "stopped")
    assert (
        done.report.stopped_by == "an error in Milepost itself, ZeroDivisionError: a defect (the log has the traceback)"
    )
    assert "ZeroDivisionError" in done.files.events.read_text()
    assert go(workspace, list(RETRY[2:]), resume=True).code == ExitCode.OK


def test_a_sandbox_that_fails_does_not_cost_the_report(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(self: Bubblewrap, command: Command) -> Result:
        raise Unavailable("the sandbox could not be made: no more namespaces")

    monkeypatch.setattr(Bubblewrap, "run", fails)
    done = go(workspace, list(RETRY), reuse=())
    assert (done.code, done.report.verdict) == (ExitCode.UNAVAILABLE, "stopped")
    assert (done.files.generated / "report.md").exists()


def test_kill_9_of_the_real_program_and_resume(workspace: Path) -> None:
    """The command line is killed in the middle of its work and taken up again."""
    environment = {**os.environ, **scripted(workspace, [line.model_dump() for line in RETRY[:6]])}
    command = [sys.executable, "-m", "orchestrator"]
    process = subprocess.Popen(
        [*command, "run", str(GREETER), "--run-name", "k", "--reuse", known_run(workspace)],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    calls = workspace / "logs" / "k" / "calls"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None and len(list(calls.glob("*.json"))) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(calls.glob("*.json")))
    assert kept >= 3
    scripted(workspace, [line.model_dump() for line in RETRY[kept:]])
    done = subprocess.run([*command, "resume", "k"], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((workspace / "generated_projects" / "k" / "report.json").read_text())["verdict"] == "accepted"


def test_what_a_limit_cut_short_is_not_delivered(workspace: Path) -> None:
    """The second milestone breaks the first one's code; before it can be mended, the limit is reached."""
    check = '    if not name.strip():\n        raise ValueError("the name is empty")'
    spoilt = f"```edit path=greeter/core.py\n<<<<<<< REMOVE\n{check}\n=======\n>>>>>>> ADD\n```\n"
    broken = spoilt + files({"greeter/__main__.py": MAIN})
    done = go(workspace, [*GOOD[:-2], *script(("impl", broken), ("evaluator", judgement()))], limits={"calls": 13})
    assert (done.code, [m.status for m in done.report.milestones]) == (
        ExitCode.LIMIT,
        [Status.ACCEPTED, Status.STOPPED],
    )
    assert done.git("show", "delivered:greeter/core.py") == done.git("show", "accepted-M1:greeter/core.py")
    assert "greeter/__main__.py" not in done.git("ls-tree", "-r", "--name-only", "delivered")


def test_the_attempts_that_the_idea_allows_hold_on_resume(workspace: Path) -> None:
    idea = workspace / "idea.yaml"
    idea.write_text(GREETER.read_text() + "limits: {attempts: 1}\n")
    first = go(workspace, list(RETRY[:3]), idea=idea, limits={"calls": 3})
    assert first.code == ExitCode.LIMIT
    recorded = load_settings(workspace / "none.toml", {}, {"limits.calls": 99}, first.files.load().settings).settings
    again = go(
        workspace, list(RETRY[3:7]), idea=idea, resume=True, **recorded.model_dump(include={"attempts", "limits"})
    )
    assert [len(m.attempts) for m in again.report.milestones] == [1, 0]


def test_the_time_of_a_killed_sitting_counts(tmp_path: Path) -> None:
    moments = [("run_started", 0), ("agent_call", 40), ("run_started", 100), ("agent_call", 105), ("x", 110)]
    path = tmp_path / "events.jsonl"
    lines = [{"event": event, "timestamp": f"2026-01-01T00:{s // 60:02}:{s % 60:02}Z"} for event, s in moments]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"event": "torn"}]))
    assert seconds_of_sittings(path) == 50


class Absent(ScriptedModel):
    """Can't be reached."""

    def __init__(self) -> None:
        super().__init__([], name="mistyped")

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        raise Unavailable("the server has no model 'mistyped'")


async def interrupted(*_: object) -> Milestone:
    raise asyncio.CancelledError


async def killed(*_: object) -> Milestone:
    raise Killed


def stopped_in_the_second_milestone(workspace: Path) -> Done:
    return go(workspace, list(RETRY), limits={"calls": len(RETRY) - 2})


def what_is_there(done: Done) -> tuple[object, ...]:
    """Return all that a user looks at."""
    folders = (done.files.project, done.files.milestones)
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    paths += [done.files.generated / "report.md", done.files.generated / "report.json"]
    refs = done.git("for-each-ref"), done.git("status", "--porcelain", "--branch")
    return *refs, {path: path.read_bytes() for path in paths}


def test_a_sitting_that_can_not_ask_its_model_leaves_what_an_earlier_one_delivered(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    (first.files.project / "mine.txt").write_text("by hand")
    before = what_is_there(first)
    again = go(workspace, Absent(), resume=True)
    assert (again.code, what_is_there(first)) == (ExitCode.UNAVAILABLE, before)
    said = (
        "the server has no model 'mistyped'. An earlier session came further; what it left stays: project and report. "
        "To go on from there, resume with scripted/script (this time: scripted/mistyped)"
    )
    assert (again.report.stopped_by, first.files.load().reason) == (said, said)
    assert [m.status for m in again.report.milestones] == [Status.ACCEPTED, Status.STOPPED]


def test_a_sitting_that_comes_further_without_a_commit_says_so(workspace: Path) -> None:
    go(workspace, [])
    again = go(workspace, list(RETRY), resume=True, limits={"calls": 3})
    assert (again.code, len(again.report.milestones)) == (ExitCode.LIMIT, 2)
    assert "earlier session" not in str(again.report.stopped_by)
    assert read_report(again.files) == again.report


def test_an_interrupt_of_the_last_verification_leaves_the_report_of_an_accepted_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = go(workspace, list(RETRY))
    monkeypatch.setattr(run_loop, "_verify", interrupted)
    again = go(workspace, [], resume=True)
    assert (again.code, read_report(first.files)) == (ExitCode.INTERRUPTED, first.report)


def test_an_interrupt_of_the_replay_leaves_what_was_specified_in_the_record(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = go(workspace, list(RETRY), limits={"calls": 4})
    monkeypatch.setattr("orchestrator.stages.spec.specify", interrupted)
    again = go(workspace, [], resume=True)
    assert (again.code, again.report.milestones) == (ExitCode.INTERRUPTED, first.report.milestones)
    assert first.report.milestones[0].specification is not None


def test_a_plan_of_an_earlier_sitting_stays_in_the_report(workspace: Path) -> None:
    first = go(workspace, list(RETRY), limits={"calls": 3})
    again = go(workspace, Absent(), resume=True)
    assert (again.code, again.report.milestones) == (ExitCode.UNAVAILABLE, first.report.milestones)


def test_an_interrupt_of_the_replay_leaves_what_an_earlier_sitting_delivered(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stopped_in_the_second_milestone(workspace)
    before = what_is_there(first)
    monkeypatch.setattr(run_loop, "run_milestone", interrupted)
    again = go(workspace, [], resume=True)
    assert (again.code, what_is_there(first)) == (ExitCode.INTERRUPTED, before)
    assert str(again.report.stopped_by).endswith("To go on from there, resume")


def test_a_kill_in_the_replay_leaves_the_project_that_an_earlier_sitting_delivered(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stopped_in_the_second_milestone(workspace)
    before = what_is_there(first)
    with monkeypatch.context() as patched:
        patched.setattr(run_loop, "run_milestone", killed)
        patched.setattr(run_loop, "write_milestone", lambda *_: None)  # records are written as it goes on
        with pytest.raises(Killed):
            go(workspace, [], resume=True)
    assert what_is_there(first) == before
    assert go(workspace, list(RETRY[-2:]), resume=True).code == ExitCode.OK
    assert sorted(path.name for path in first.files.generated.iterdir()) == ["project", "report.json", "report.md"]


def test_what_an_earlier_sitting_accepted_stays_on_a_branch_where_another_model_ends_with_less(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    other = ScriptedModel(list(RETRY[:7]), name="another")
    again = go(workspace, other, resume=True, attempts=1)
    assert (again.code, again.git("tag"), again.git("status", "--porcelain")) == (ExitCode.NOT_ACCEPTED, "", "")
    branch = again.git("branch", "--list", "found-by-resume-*", "--format=%(refname:short)").strip()
    assert again.git("log", "-1", "--format=%s", branch) == "Add what the project needs to stand alone\n"
    assert first.report.verdict == "stopped"


def test_files_without_a_repository_are_moved_aside_and_the_project_comes_again(workspace: Path) -> None:
    first = go(workspace, list(RETRY))
    shutil.rmtree(first.files.project / ".git")
    again = go(workspace, [], resume=True)
    assert (again.code, again.report.files) == (ExitCode.OK, first.report.files)
    assert (first.files.generated / "project-found-1" / "acceptance" / "test_acceptance.py").exists()
    assert again.git("ls-tree", "-r", "--name-only", "main~4") == ".gitignore\n"
    assert "They are in" in first.files.events.read_text()


def test_the_report_of_an_earlier_sitting_stays_although_its_repository_is_gone(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    shutil.rmtree(first.files.project / ".git")
    report = (first.files.generated / "report.md").read_bytes()
    again = go(workspace, Absent(), resume=True)
    assert ((first.files.generated / "report.md").read_bytes(), again.code) == (report, ExitCode.UNAVAILABLE)
    assert "what it left stays: report." in str(again.report.stopped_by)


@pytest.mark.parametrize("signal_name", ["INT", "TERM", "HUP"])
def test_an_interrupt_while_all_is_verified_once_more_leaves_a_report_with_what_was_proven(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, signal_name: str
) -> None:
    async def interrupted(*_: object) -> Evidence:
        os.kill(os.getpid(), signal.Signals[f"SIG{signal_name}"])
        await asyncio.sleep(60)
        raise AssertionError("nobody stopped it")

    monkeypatch.setattr(run_loop, "_verify", interrupted)
    done = go(workspace, list(RETRY))
    assert (done.code, done.report.verdict, done.report.stopped_by) == (ExitCode.INTERRUPTED, "stopped", "interrupted")
    # The third is held out: it is only ever tried at the end.
    assert [a.proof for a in done.report.acceptance] == ["passed", "passed", "not proven"]
    assert done.files.load().status == "stopped"
    assert "delivered" in done.git("tag")


def test_a_resumed_run_logs_no_decision_again_that_an_earlier_sitting_took(workspace: Path) -> None:
    go(workspace, list(RETRY), limits={"calls": 9})
    again = go(workspace, list(RETRY)[9:], resume=True, limits={"calls": 99})
    begun = [(e["milestone"], e["attempt"]) for e in read_events(again.files.events) if e["event"] == "attempt_started"]
    assert begun == [("M1", 1), ("M1", 2), ("M2", 1)]


def test_a_replay_makes_the_commits_again_that_the_log_names(workspace: Path) -> None:
    go(workspace, list(RETRY), limits={"calls": 9})
    again = go(workspace, list(RETRY)[9:], resume=True, limits={"calls": 99})
    named = [e["commit"] for e in read_events(again.files.events) if e["event"] == "evaluated"]
    made = again.git("log", "--format=%H", "main").split()
    assert len(named) == 3
    assert [name for name in named if not any(commit.startswith(name) for commit in made)] == []


def test_what_earlier_sittings_spent_counts_although_the_prompts_are_others_now(workspace: Path) -> None:
    first = go(workspace, list(RETRY), limits={"calls": 3})
    other = ScriptedModel(list(RETRY), name="another")
    again = go(workspace, other, resume=True, limits={"calls": 5})
    assert (first.code, again.code) == (ExitCode.LIMIT, ExitCode.LIMIT)
    assert len(other.requests) == 2


def test_what_was_spent_before_its_price_was_known_counts_once_it_is(workspace: Path) -> None:
    traits = Traits(step="project", context_tokens=200_000, max_output_tokens=16_000)
    first = go(workspace, ScriptedModel(list(RETRY), traits=traits), limits={"calls": 3})
    priced = replace(traits, price=Price(input=1e3, output=1e3, cache_write=1e3, cache_read=1e3))
    again = go(workspace, ScriptedModel(list(RETRY), traits=priced), resume=True, limits={"usd": 1.0})
    assert (first.report.cost_usd, again.code) == (None, ExitCode.LIMIT)
    assert f"but ${first.report.usage.total / 1e3:.2f} of" in str(again.report.stopped_by)


def test_what_was_lost_before_its_price_was_known_counts_once_it_is(workspace: Path) -> None:
    traits = Traits(step="project", context_tokens=200_000, max_output_tokens=16_000)
    lost = Lost("scripted/script", Usage(input_tokens=10_000), None)
    assert RunBudget(Limits(), traits={"scripted/script": traits}).priced(*lost) is None
    priced = replace(traits, price=Price(input=1e3, output=1e3, cache_write=1e3, cache_read=1e3))
    assert RunBudget(Limits(), traits={"scripted/script": priced}).priced(*lost) == 10.0


def test_a_sitting_in_which_the_clock_was_set_back_took_no_negative_time(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    moments = [("run_started", "01:00"), ("agent_call", "00:10"), ("run_started", "00:20"), ("agent_call", "00:21")]
    path.write_text("".join(json.dumps({"event": e, "timestamp": f"2026-01-01T{at}:00Z"}) + "\n" for e, at in moments))
    assert seconds_of_sittings(path) == 60


def test_replies_of_another_run_cost_nothing_and_fall_under_no_limit(workspace: Path) -> None:
    first = go(workspace, list(RETRY), name="first")
    second = go(workspace, [], name="second", reuse=(first.files.logs,), limits={"calls": 1, "tokens": 1})
    assert (second.code, second.report.usage.total) == (ExitCode.OK, 0)
    assert sum(agent.reused for agent in second.report.agents) == len(RETRY)


def test_a_run_that_was_told_to_use_replies_again_does_so_when_it_is_resumed(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = workspace / "script.yaml"
    monkeypatch.setenv("MILEPOST_BACKEND", "scripted")
    monkeypatch.setenv("MILEPOST_SCRIPT", str(script))
    script.write_text(yaml.safe_dump([line.model_dump() for line in RETRY[:3]]))
    main(["run", str(GREETER), "--run-name", "first", "--max-calls", "3"])
    main(["run", str(GREETER), "--run-name", "second", "--reuse", "first", "--max-calls", "1"])
    second = RunFiles(workspace, "second")
    second.events.unlink()  # as if it had been stopped before it came to them
    shutil.rmtree(second.logs / "calls")
    main(["resume", "second"])
    assert len([event for event in read_events(second.events) if event.get("reused")]) == 3


def test_what_a_sitting_is_given_holds_for_the_next_one(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = workspace / "script.yaml"
    script.write_text(yaml.safe_dump([line.model_dump() for line in RETRY[:1]]))
    monkeypatch.setenv("MILEPOST_BACKEND", "scripted")
    monkeypatch.setenv("MILEPOST_SCRIPT", str(script))
    main(["run", str(GREETER), "--run-name", "r", "--max-calls", "1"])
    main(["resume", "r", "--max-calls", "2"])
    limits = RunFiles(workspace, "r").load().settings["limits"]
    assert isinstance(limits, dict)
    assert limits["calls"] == 2


def test_a_reader_that_goes_away_does_not_end_the_run(workspace: Path) -> None:
    known = known_run(workspace)
    command = [sys.executable, "-m", "orchestrator", "run", str(GREETER), "--run-name", "r", "--reuse", known]
    environment = {**os.environ, **scripted(workspace)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, b"")
    assert json.loads((workspace / "generated_projects" / "r" / "report.json").read_text())["verdict"] == "accepted"
